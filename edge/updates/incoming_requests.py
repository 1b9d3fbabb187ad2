"""The verdict requests in the mirror that this node has not answered yet.

Reads the untrusted mirror: the director's signature first, then the site; expired requests are left out. What
was answered is on disk until it has expired, so that a restart, or a mirror that goes back in time, brings no
second answer.
"""

import logging
from pathlib import Path

from pydantic import TypeAdapter

from messaging.errors import FileFault, TrustError
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.state_files import StateFile
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import PublicKey
from messaging.trust.verdict_requests import VerdictRequest, verify_requests

logger = logging.getLogger(__name__)

ANSWERED_FILE = "answered_requests.json"


class IncomingRequests:
    """The requests to one site. For one thread."""

    def __init__(self, mirror: Path, site: str, director: PublicKey, folder: Path) -> None:
        """Args: the mirror's folder, the site, who signs requests, and a folder of the node's own."""
        self._path = mirror / "requests" / f"{site}.json"
        self._site, self._director = site, director
        self._file: StateFile[dict[int, int]] = StateFile(folder / ANSWERED_FILE, TypeAdapter(dict[int, int]))
        self._answered = self._kept()
        self._seen = b""
        self._requests: tuple[VerdictRequest, ...] = ()

    def waiting(self, now_utc: float) -> list[VerdictRequest]:
        """The requests that are to be answered, by number; `now_utc` in seconds since 1970."""
        envelope = self._envelope()
        if envelope != self._seen:
            self._seen = envelope
            try:
                self._requests = verify_requests(envelope, self._director, self._site).requests
            except TrustError as error:
                logger.warning("%s", error)
                self._requests = ()
        found = [
            one for one in self._requests if one.number not in self._answered and now_utc < one.expires_at_utc
        ]
        return sorted(found, key=lambda one: one.number)

    def answered(self, request: VerdictRequest, now_utc: float) -> None:
        """The site's broker has the answer."""
        self._answered[request.number] = request.expires_at_utc
        self._answered = {n: expires for n, expires in self._answered.items() if expires > now_utc}
        try:
            self._file.write(self._answered)
        except OSError as error:
            logger.warning("an answer is not written down: %s", os_error_sentence(error))

    def _kept(self) -> dict[int, int]:
        """What was answered before; nothing if the file is damaged: the cloud keeps the first answer."""
        try:
            return self._file.read() or {}
        except FileFault as error:
            logger.warning("%s", error)
            return {}

    def _envelope(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_ENVELOPE_BYTES + 1)
        except FileNotFoundError:
            return self._seen
        except OSError as error:
            logger.warning("verdict requests cannot be read: %s", os_error_sentence(error))
            return self._seen
