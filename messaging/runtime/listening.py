"""Taking a TCP port: bound and listening before anything else starts, or one sentence."""

import socket

from messaging.errors import StartRefused
from messaging.runtime.os_errors import os_error_sentence


def listen_on(what: str, host: str, port: int) -> socket.socket:
    """A socket that listens there (port 0: any free one). Raises `StartRefused`; `what` names the setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise StartRefused(f"{what} {host}:{port}: {os_error_sentence(error)}") from None
    except OverflowError:
        raise StartRefused(f"{what} {port} is not a port; choose one from 0 to 65535") from None
