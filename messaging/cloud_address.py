"""Where the clients of a cloud find it: its address, authority and token, in two files of its data folder.

The cloud writes both; the command line and the dashboard read them. A file that is empty, cut or foreign is
one sentence; an empty token never authenticates anyone.
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.text_files import read_json, read_text
from messaging.tls.connections import client_context

ADDRESS_FILE = "api.json"
TOKEN_FILE = "token"  # a file name
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")


@dataclass(frozen=True)
class CloudAddress:
    """The address of a cloud's API, its token, and the authority (PEM) of an encrypted one."""

    url: str
    token: str
    ca: str | None = None

    @property
    def verification(self) -> ssl.SSLContext | bool:
        """How an HTTP client verifies the cloud. Raises `FileFault` for a damaged authority."""
        if self.ca is None:
            return True
        try:
            return client_context(self.ca)
        except ConfigurationError as error:
            raise FileFault(f"{ADDRESS_FILE}: {error}; restart the cloud, which writes it again") from None

    def __repr__(self) -> str:
        """Leaves out the token, which must not reach a log."""
        return f"CloudAddress({self.url!r})"


def find_cloud(folder: Path) -> CloudAddress:
    """The cloud that runs on a data folder. Raises `FileFault` with the file and the remedy."""
    if not (folder / ADDRESS_FILE).exists():
        raise FileFault(f"no cloud runs on {folder}; start it with `blindspot cloud run --data {folder}`")
    values = read_json(folder / ADDRESS_FILE)
    url = values.get("url") if isinstance(values, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise FileFault(f"{folder / ADDRESS_FILE} holds no address; restart the cloud, which writes it again")
    ca = values.get("ca")
    return CloudAddress(url, read_token(folder / TOKEN_FILE), ca if isinstance(ca, str) else None)


def read_token(path: Path) -> str:
    """The token in a file. Raises `FileFault` for anything else, without repeating it."""
    token = read_text(path).strip()
    if not _TOKEN.fullmatch(token):
        raise FileFault(f"{path} holds no token; restart the cloud, which makes a new one")
    return token
