"""The verdict requests in the mirror that this node has not answered yet; expired ones are left out.

What was answered is on disk until it has expired, so that a restart, or a mirror that goes back in time,
brings no second answer.
"""

import logging
from pathlib import Path

from pydantic import TypeAdapter

from messaging.errors import FileFault
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.state_files import StateFile
from messaging.trust.mirrored_requests import MirroredRequests
from messaging.trust.verdict_requests import VerdictRequest

logger = logging.getLogger(__name__)

ANSWERED_FILE = "answered_requests.json"


class IncomingRequests:
    """The requests to one site. For one thread."""

    def __init__(self, mirrored: MirroredRequests, folder: Path) -> None:
        """Args: what the mirror has, and a folder of the node's own."""
        self._mirrored = mirrored
        self._file: StateFile[dict[int, int]] = StateFile(folder / ANSWERED_FILE, TypeAdapter(dict[int, int]))
        self._answered = self._kept()

    def waiting(self, now_utc: float) -> list[VerdictRequest]:
        """The requests that are to be answered, by number; `now_utc` in seconds since 1970."""
        try:
            asked = self._mirrored.read()
        except OSError as error:
            logger.warning("verdict requests cannot be read: %s", os_error_sentence(error))
            return []
        found = [one for one in asked if one.number not in self._answered and now_utc < one.expires_at_utc]
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
