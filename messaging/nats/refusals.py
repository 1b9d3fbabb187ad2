"""What it means that a broker refused a connection or a request: one sentence for an operator."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from messaging.bus import Link
from messaging.errors import (
    ConnectionRefused,
    MessageRefused,
    WireError,
    WireForbidden,
    WireFull,
    WireUnavailable,
)
from messaging.nats.credentials import read_credentials
from messaging.runtime.backoff import Backoff
from messaging.tls.connections import tls_fault

_NO_GREETING = "expecting INFO"
_ERR_MESSAGE_TOO_BIG = 10054
_ERR_STORE_FAILED = 10077
_ERR_NO_ROOM = {10023, 10047, 10122}
_NOT_FOUND = 404
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0


def refusal_of(link: Link, error: Exception, now_utc: float) -> tuple[str, bool]:
    """What a failed attempt to connect means, and whether the same files will be refused again."""
    text = str(error) or type(error).__name__
    if "authorization" in text.lower() or "authentication" in text.lower():
        return _refused_credentials(link, now_utc), True
    if (fault := tls_fault(error)) is not None:
        return f"{link.url}: {fault}{_ours(link, fault)}", True
    if link.tls is not None and _NO_GREETING in text:
        return f"{link.url} closes the connection after the handshake{_ours(link, 'client')}", True
    return text, False


def _refused_credentials(link: Link, now_utc: float) -> str:
    """Why the broker refuses the credentials, as far as they show it, and what to do."""
    if link.credentials_path is None:
        return f"{link.url} refused the credentials of {link.name}"
    claims = read_credentials(Path(link.credentials_path)).claims
    why = (
        f"they were valid {claims.valid_until}" if claims.expired(now_utc) else "they are revoked or replaced"
    )
    return (
        f"{link.url} refused the credentials of {link.name} ({why}); run `blindspot sites add` for the site "
        f"in the cloud and copy the new {Path(link.credentials_path).name} to its gate"
    )


def _ours(link: Link, fault: str) -> str:
    """Which of our files to look at."""
    assert link.tls is not None, "only a connection with TLS ends in its handshake"
    if "client" not in fault or link.tls.certificate is None:
        return f"; verified with {link.tls.ca}"
    return (
        f"; that of {link.name} is {link.tls.certificate}, which may be revoked or replaced: run `blindspot "
        "sites add` for the site in the cloud and copy the new one to its gate"
    )


@dataclass
class RefusedAttempts:
    """Why a connection is refused at present, and for how long it is not tried again.

    An attempt writes the whole credential. nats-py would repeat it five times a second, as long as a site
    is revoked.
    """

    text: str = ""
    for_good: bool = False
    _held: str = ""
    _until: float = -math.inf
    _waits: Backoff = field(default_factory=lambda: Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S))

    def note(self, text: str, for_good: bool) -> None:
        """The server stated a reason; with `for_good` another attempt will fail alike."""
        self.text, self.for_good = text, for_good

    def hold(self) -> ConnectionRefused:
        """Begin a wait, longer each time; the error to raise for this attempt."""
        self._held, self._until = self.text, time.monotonic() + self._waits.next_s()
        return ConnectionRefused(self._held)

    def raise_while_held(self) -> None:
        """Raise `ConnectionRefused` again, without an attempt, until the wait is over."""
        if time.monotonic() < self._until:
            raise ConnectionRefused(self._held)

    def accepted(self) -> None:
        """The server has accepted a connection: the next wait is the first one again."""
        self._until = -math.inf
        self._waits.reset()


class ApiError(WireError):
    """An error of the JetStream API, before it is translated."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = int(error.get("err_code", 0))
        self.http = int(error.get("code", 0))
        self.text = str(error.get("description", ""))
        super().__init__(f"{self.text} ({self.http}/{self.code})")

    def translated(self, what: str) -> WireError | MessageRefused:
        """The error to raise for `what` was asked."""
        if self.code == _ERR_MESSAGE_TOO_BIG:
            return MessageRefused(f"message on {what} is over the stream's maximum size")
        if self.code in _ERR_NO_ROOM or (self.code == _ERR_STORE_FAILED and "maximum" in self.text):
            return WireFull(f"{what}: {self.text}; shed or purge before sending more")
        if self.http in (401, 403):
            return WireForbidden(f"{what}: {self.text}")
        if self.http in (_NOT_FOUND, 503) or self.code == _ERR_STORE_FAILED:
            return WireUnavailable(f"{what}: {self}")
        return WireError(f"{what}: {self}")
