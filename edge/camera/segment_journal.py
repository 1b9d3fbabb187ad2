"""Which segments of a recorder's folder were played, on disk, so that a restart plays none twice.

One line per played segment. A line that begins with `?` counts how often the program ended without a proper
stop while it played a segment: after `MAX_ATTEMPTS` the segment is passed over, so that no file can end every
restart.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from messaging.errors import FileFault
from messaging.runtime.state_files import PatientFile
from messaging.runtime.text_files import read_text

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
_TITLE = "# played segments: time of modification in ns, name"
_LINE = re.compile(r"(?:\? (?P<attempts>[0-9]{1,6}) )?(?P<key>[0-9]+ .+)")


class SegmentJournal:
    """The played segments by their keys; without a path in memory only."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the journal; with a damaged one, what is in the folder is played again."""
        self.played: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._file = None if path is None else PatientFile(path, "the list of played segments", clock=clock)
        if path is not None and path.exists():
            self._read(path)

    def begin(self, key: str) -> bool:
        """Note that a segment is about to be played; False if it ended the program too often before."""
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if self._attempts[key] > MAX_ATTEMPTS:
            return False
        self._write()
        return True

    def finish(self, key: str) -> None:
        """Note that a segment was played or passed over."""
        self._attempts.pop(key, None)
        self.played.add(key)
        self._write()

    def stop(self, key: str) -> None:
        """Note that a proper stop left a segment before its end: it is played again from its beginning."""
        if self._attempts.pop(key, None) is not None:
            self._write()

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget segments that the recorder has removed; write what the disk did not take before."""
        there = set(keys)
        self.played &= there
        self._attempts = {key: count for key, count in self._attempts.items() if key in there}
        if self._file is not None:
            self._file.retry()

    def _read(self, path: Path) -> None:
        try:
            lines = read_text(path).split("\n")
        except FileFault as error:
            logger.warning("segments in the folder are played again: %s", error)
            return
        found = [_LINE.fullmatch(line) for line in lines if line != _TITLE]
        if lines == [""] or not all(found):
            logger.warning("segments in the folder are played again: %s is empty or damaged", path)
            return
        for line in found:
            if line is not None and line["attempts"] is None:
                self.played.add(line["key"])
            elif line is not None:
                self._attempts[line["key"]] = int(line["attempts"])

    def _write(self) -> None:
        if self._file is not None:
            attempts = [f"? {count} {key}" for key, count in sorted(self._attempts.items())]
            self._file.write("\n".join([_TITLE, *sorted(self.played), *attempts]).encode())
