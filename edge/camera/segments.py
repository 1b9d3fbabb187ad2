"""A recorder's folder as a source: video segments or images that are added one by one, in name order.

A recorder renames a finished segment into the folder, so a segment is always complete; an image is a segment
of one frame. A segment is played once; at the end the feed waits for the next. With a journal this
holds over restarts: only a segment that was not played to its end is played again. One that cannot be
    decoded, or
that the recorder has removed meanwhile, is logged and counts as played. The recorder removes old segments; a
name that it uses again is another segment.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

from edge.camera.capture import IMAGE_SUFFIXES, FolderFeed, Image, VideoFeed
from edge.errors import SourceError
from messaging.errors import FileFault
from messaging.runtime.state_files import PatientFile
from messaging.runtime.text_files import read_text

logger = logging.getLogger(__name__)

_KEY = re.compile(r"\d+ .")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".ts", ".mov")


class SegmentFeed:
    """A pass is one segment, or nothing when none is waiting; a source with `loop` makes pass after pass."""

    def __init__(
        self,
        folder: Path,
        fps: float | None = None,
        *,
        journal: Path | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Follow `folder`, which may be empty yet; `journal` is the file that records what was played.

        `fps` overrides the frames per second of the segments (five for images).

        Raises:
            SourceError: the folder does not exist.
        """
        if not folder.is_dir():
            raise SourceError(f"segment folder {folder} does not exist; create it or correct `source`")
        self.fps = fps
        self.ended: str | None = None
        self._folder, self._wait, self._wanted_fps = folder, wait, fps
        self._record = None if journal is None else PatientFile(journal, "the list of played segments")
        self._played = _played_before(journal)
        self._segment: VideoFeed | FolderFeed | None = None

    def open(self) -> None:
        """Open the next segment that was not played; waits a moment when there is none."""
        self.close()
        if self._record is not None:
            self._record.retry()
        there = _segments(self._folder)
        waiting = [key for key in there if key not in self._played]
        self._played &= there.keys()
        if not waiting:
            self._wait(0.1)
            return
        key, path = waiting[0], there[waiting[0]]
        self._played.add(key)
        try:
            self._segment = self._opened(path)
            self.fps = self._segment.fps
        except SourceError as error:
            self._pass_over(error)

    def read(self) -> Image | None:
        """The next frame of the segment, None at its end or when none is waiting."""
        if self._segment is None:
            return None
        try:
            image = self._segment.read()
        except SourceError as error:
            self._pass_over(error)
            return None
        if image is None:
            self._note_played()
        return image

    def close(self) -> None:
        """Close the segment."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _opened(self, path: Path) -> VideoFeed | FolderFeed:
        is_image = path.suffix.lower() in IMAGE_SUFFIXES
        segment = (FolderFeed if is_image else VideoFeed)(path, self._wanted_fps)
        segment.open()
        return segment

    def _pass_over(self, error: SourceError) -> None:
        logger.warning("a segment is passed over: %s", error)
        self._note_played()

    def _note_played(self) -> None:
        if self._record is not None:
            self._record.write("\n".join(sorted(self._played)).encode())


def _played_before(journal: Path | None) -> set[str]:
    """What the journal lists; nothing, with a warning, if it is damaged: its segments are played again."""
    if journal is None or not journal.exists():
        return set()
    try:
        lines = read_text(journal).split("\n")
        if all(_KEY.match(line) for line in lines):
            return set(lines)
        logger.warning("segments in the folder are played again: %s is empty or damaged", journal)
    except FileFault as error:
        logger.warning("segments in the folder are played again: %s", error)
    return set()


def _segments(folder: Path) -> dict[str, Path]:
    """Segments in name order by time and name: the same name written later is another segment."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES):
            with contextlib.suppress(FileNotFoundError):  # the recorder has removed it meanwhile
                found[f"{path.stat().st_mtime_ns} {path.name}"] = path
    return found
