"""The verdict requests that the cloud has signed for this site: a node may answer these and no others.

The numbers stay known, on disk, for as long as an answer may wait at the site after its request has expired.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from edge.gate.limits.pins import MOST_AGE_S
from messaging.errors import FileFault
from messaging.runtime.state_files import StateFile
from messaging.trust.mirrored_requests import MirroredRequests

logger = logging.getLogger(__name__)

ASKED_FILE = "asked_requests.json"


class AskedRequests:
    """The numbers of the requests to one site. `now_utc` gives seconds since 1970."""

    def __init__(self, mirrored: MirroredRequests, folder: Path, now_utc: Callable[[], float]) -> None:
        """Args: what the mirror has, a folder of the gate's own, the clock."""
        self._mirrored, self._now_utc = mirrored, now_utc
        self._file: StateFile[dict[int, int]] = StateFile(folder / ASKED_FILE, TypeAdapter(dict[int, int]))
        self._expires = self._kept()

    def numbers(self) -> frozenset[int]:
        """The requests that may be answered now. Raises `OSError` when the disk does not take them."""
        oldest = self._now_utc() - MOST_AGE_S
        known = {**self._expires, **{one.number: one.expires_at_utc for one in self._mirrored.read()}}
        known = {number: expires for number, expires in known.items() if expires >= oldest}
        if known != self._expires:
            self._file.write(known)
            self._expires = known
        return frozenset(known)

    def _kept(self) -> dict[int, int]:
        """The numbers that were known before; none if the file is damaged: open ones come again."""
        try:
            return self._file.read() or {}
        except FileFault as error:
            logger.warning("%s; open verdict requests are read from the mirror again", error)
            return {}
