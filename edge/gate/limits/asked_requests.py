"""The verdict requests that the cloud has signed for this site: a node may answer these and no others.

Read from the mirror and verified with the director key. The numbers stay known, on disk, for as long as an
answer may wait at the site after its request has expired.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from edge.gate.limits.pins import MOST_AGE_S
from edge.gate.mirror import requests_path
from messaging.errors import FileFault, TrustError
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_json
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import PublicKey
from messaging.trust.verdict_requests import verify_requests

logger = logging.getLogger(__name__)

ASKED_FILE = "asked_requests.json"


class AskedRequests:
    """The numbers of the requests to one site. `now_utc` gives seconds since 1970."""

    def __init__(
        self, folder: Path, mirror: Path, site: str, director: PublicKey, now_utc: Callable[[], float]
    ) -> None:
        """Args: a folder of the gate's own, the mirror, the site, who signs requests, the clock."""
        self._file, self._path = folder / ASKED_FILE, requests_path(mirror, site)
        self._site, self._director, self._now_utc = site, director, now_utc
        self._expires = _kept(self._file)
        self._seen = b""

    def numbers(self) -> frozenset[int]:
        """The requests that may be answered now. Raises `OSError` when the disk does not take them."""
        envelope = self._envelope()
        if envelope != self._seen:
            self._take(envelope)
            self._seen = envelope
        oldest = self._now_utc() - MOST_AGE_S
        return frozenset(number for number, expires in self._expires.items() if expires >= oldest)

    def _take(self, envelope: bytes) -> None:
        try:
            asked = verify_requests(envelope, self._director, self._site).requests
        except TrustError as error:
            logger.warning("%s", error)
            return
        oldest = self._now_utc() - MOST_AGE_S
        found = {**self._expires, **{one.number: one.expires_at_utc for one in asked}}
        found = {number: expires for number, expires in found.items() if expires >= oldest}
        if found != self._expires:
            write_atomically(self._file, json.dumps(found).encode())
            self._expires = found

    def _envelope(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_ENVELOPE_BYTES + 1)
        except FileNotFoundError:
            return self._seen


def _kept(path: Path) -> dict[int, int]:
    """The numbers that were known before; none if the file is missing or damaged: open ones come again."""
    try:
        found = read_json(path) if path.exists() else {}
        return {int(number): int(expires) for number, expires in found.items()}
    except (FileFault, ValueError, TypeError, AttributeError):
        logger.warning("%s cannot be read; open verdict requests are read from the mirror again", path)
        return {}
