"""Which files of a folder are finished, so that half a file is never taken for a whole one.

A file is finished when its size and its time of modification have not changed for a while: half a second
if it reaches the end of its format, five seconds if its format has no end, thirty if the end is not there
(then nobody continues it). Names that programs use before they rename are passed over. This is the only rule;
it does not compare the clocks of two machines.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.camera.container_ends import FileEnd, file_end
from edge.camera.file_names import is_unfinished, natural_key

logger = logging.getLogger(__name__)

WAIT_S = {FileEnd.PRESENT: 0.5, FileEnd.UNKNOWN: 5.0, FileEnd.ABSENT: 30.0}
REPORT_S = 60.0


@dataclass(frozen=True)
class FileVersion:
    """A file with size and time of modification; written again it is another version."""

    path: Path
    length_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileVersion":
        """The version that is there now. Raises `OSError`."""
        found = path.stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    @property
    def key(self) -> str:
        """Time and name in one line of text, for a journal of what was played."""
        name = self.path.name
        if not name.isprintable():
            name = name.encode("unicode_escape").decode("ascii")
        return f"{self.mtime_ns} {name}"


@dataclass
class _Watched:
    version: FileVersion
    noticed_s: float
    changed_s: float
    end: FileEnd | None = None
    reported: bool = False


class SettledFiles:
    """The files of one folder with given suffixes, as they become finished. Not thread-safe."""

    def __init__(
        self, folder: Path, suffixes: tuple[str, ...], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._suffixes, self._clock = folder, suffixes, clock
        self._watched: dict[Path, _Watched] = {}
        self._foreign: set[str] = set()
        self.versions: tuple[FileVersion, ...] = ()

    def finished(self, known: set[str]) -> Iterator[FileVersion]:
        """List the folder again; yield its finished files whose keys are not `known`, in natural order.

        Raises `OSError` if the folder cannot be read.
        """
        self.versions = tuple(self._listed())
        there = {version.path for version in self.versions}
        self._watched = {path: watched for path, watched in self._watched.items() if path in there}
        waiting = [version for version in self.versions if version.key not in known]
        for version in sorted(waiting, key=lambda version: natural_key(version.path)):
            if self._is_finished(version):
                yield version

    def _listed(self) -> Iterator[FileVersion]:
        for path in self._folder.iterdir():
            if is_unfinished(path):
                continue
            if path.suffix.lower() not in self._suffixes:
                self._name_foreign(path)
            else:
                try:
                    if path.is_file():
                        yield FileVersion.of(path)
                    else:
                        self._name_irregular(path)
                except FileNotFoundError:  # removed meanwhile
                    continue

    def _name_irregular(self, path: Path) -> None:
        """Name the first entry that is no file: a pipe, a folder, a link to nothing."""
        if "" not in self._foreign and os.path.lexists(path):
            self._foreign.add("")
            logger.warning("%s is no regular file, so it and others like it are not played; remove it", path)

    def _name_foreign(self, path: Path) -> None:
        """Name the first file of each suffix that is not played."""
        suffix = path.suffix.lower()
        if suffix not in self._foreign and path.is_file():
            self._foreign.add(suffix)
            logger.info("%s and others like it are not played; expected %s", path, ", ".join(self._suffixes))

    def _is_finished(self, version: FileVersion) -> bool:
        now_s = self._clock()
        watched = self._watched.setdefault(version.path, _Watched(version, now_s, now_s))
        if watched.version != version:
            watched.version, watched.changed_s, watched.end = version, now_s, None
        still_s = now_s - watched.changed_s
        if still_s >= WAIT_S[FileEnd.PRESENT]:
            if watched.end is None:
                watched.end = _end_of(version.path)
            if still_s >= WAIT_S[watched.end]:
                return True
        if now_s - watched.noticed_s > REPORT_S and not watched.reported:
            watched.reported = True
            logger.warning(
                "%s has been changing for %.0f s; it is played when it is complete",
                version.path,
                now_s - watched.noticed_s,
            )
        return False


def _end_of(path: Path) -> FileEnd:
    try:
        return file_end(path)
    except OSError:
        return FileEnd.UNKNOWN
