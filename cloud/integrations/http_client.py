"""Sends one HTTP request and reads the status of the answer; the only module that uses httpcore.

The name is resolved and judged when it is connected to, and exactly that address is connected to, so that a
name that changes its address gains nothing. Redirects are not followed, proxies of the environment are not
used, the answer's body is not read, and one deadline covers connecting, sending and receiving; resolving has
the system's.
"""

import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from cloud.errors import AddressRefused
from cloud.integrations.address_guard import is_allowed
from cloud.integrations.outcome import Result, SendOutcome
from messaging.runtime.os_errors import os_error_sentence

_REFUSES_THE_MESSAGE = {400, 406, 409, 413, 415, 422}
_Option = tuple[int, int, int | bytes]


@dataclass(frozen=True)
class HttpRequest:
    """One POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def post(request: HttpRequest, *, timeout_s: float, allow_private: bool) -> SendOutcome:
    """Send a request; every failure is an outcome, none is raised. At most `timeout_s` seconds."""
    backend = _GuardedBackend(time.monotonic() + timeout_s, allow_private)
    headers = {**request.headers, "User-Agent": "blindspot"}
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend) as pool,
            pool.stream("POST", request.url, headers=list(headers.items()), content=request.body) as answer,
        ):
            return outcome_of_status(answer.status)
    except AddressRefused as error:
        return SendOutcome(Result.FAILED, str(error))
    except httpcore.TimeoutException:
        return SendOutcome(Result.FAILED, f"the target did not answer within {timeout_s:g} s")
    except (httpcore.NetworkError, OSError) as error:
        return SendOutcome(Result.FAILED, f"the target cannot be reached ({_reason(error)})")
    except httpcore.ProtocolError:
        return SendOutcome(Result.FAILED, "what answers at the target does not speak HTTP; check url")


def outcome_of_status(status: int) -> SendOutcome:
    """What a status code means. A message that the target refuses as such is not sent again."""
    if 200 <= status < 300:
        return SendOutcome(Result.DELIVERED, f"the target answered {status}")
    if status in _REFUSES_THE_MESSAGE:
        return SendOutcome(Result.REFUSED, f"the target refused this message (status {status})")
    if 300 <= status < 400:
        return SendOutcome(
            Result.FAILED,
            f"the target redirects (status {status}), which is not followed; set url to where it is",
        )
    remedy = "; check token or secret" if status in (401, 403) else ""
    return SendOutcome(Result.FAILED, f"the target answered {status}{remedy}")


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against the system's, or those that SSL_CERT_FILE names."""
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return os_error_sentence(cause) if isinstance(cause, OSError) else str(cause) or type(cause).__name__


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to allowed addresses only, until a deadline (monotonic seconds)."""

    def __init__(self, deadline: float, allow_private: bool) -> None:
        self._deadline, self._allow_private = deadline, allow_private
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first allowed address of the host that accepts one. Raises `AddressRefused`."""
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        allowed = [one for one in dict.fromkeys(found) if is_allowed(one, allow_private=self._allow_private)]
        if not allowed:
            raise AddressRefused(
                "the target has a loopback, private or reserved address, which is not connected to; for a "
                "system in your own network set allow_private: true"
            )
        for address in allowed[:-1]:
            try:
                return self._connected(address, port)
            except httpcore.ConnectError:
                continue
        return self._connected(allowed[-1], port)

    def _connected(self, address: str, port: int) -> httpcore.NetworkStream:
        return _DeadlineStream(
            self._sockets.connect_tcp(address, port, timeout=_left_s(self._deadline)), self._deadline
        )


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation ends at the deadline, also when single bytes arrive until then."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left_s(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left_s(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left_s(self._deadline))
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left_s(deadline: float) -> float:
    """Seconds until the deadline. Raises `httpcore.TimeoutException` after it."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout
    return left_s
