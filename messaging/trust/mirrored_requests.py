"""The verdict requests that the cloud has signed for one site, as the mirror has them.

The mirror is not trusted: the director's signature comes first, then the site.
"""

import logging
from pathlib import Path

from messaging.errors import TrustError
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import PublicKey
from messaging.trust.verdict_requests import VerdictRequest, verify_requests

logger = logging.getLogger(__name__)


def requests_path(mirror: Path, site: str) -> Path:
    """Where a mirror has the verdict requests of its site."""
    return mirror / "requests" / f"{site}.json"


class MirroredRequests:
    """The requests to one site. For one thread."""

    def __init__(self, mirror: Path, site: str, director: PublicKey) -> None:
        """Args: the mirror's folder, the site, who signs requests."""
        self._path, self._site, self._director = requests_path(mirror, site), site, director
        self._seen = b""
        self._requests: tuple[VerdictRequest, ...] = ()

    def read(self) -> tuple[VerdictRequest, ...]:
        """The requests that the mirror has now, expired ones too; none if they are not the director's.

        As before while there is no file. Raises `OSError` for a file that cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                envelope = file.read(MAX_ENVELOPE_BYTES + 1)
        except FileNotFoundError:
            return self._requests
        if envelope != self._seen:
            self._seen = envelope
            try:
                self._requests = verify_requests(envelope, self._director, self._site).requests
            except TrustError as error:
                logger.warning("%s", error)
                self._requests = ()
        return self._requests
