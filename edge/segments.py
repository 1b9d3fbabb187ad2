"""A recorder's folder as a source: video segments or pictures that appear one after the other, in name order.

A recorder renames a finished segment into the folder, so a segment is always whole; a picture is a segment
of one frame. A segment is played once; at the end the feed waits for the next. What was played before the
node started is played again, as with any file; removing old segments is the recorder's business.
"""

import time
from collections.abc import Callable
from pathlib import Path

from edge.capture import IMAGE_SUFFIXES, FolderFeed, Image, VideoFeed
from edge.errors import SourceError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".ts", ".mov")


class SegmentFeed:
    """A pass is one segment, or nothing when none is waiting; a source with `loop` makes pass after pass."""

    live = False

    def __init__(self, folder: Path, fps: float, *, wait: Callable[[float], None] = time.sleep) -> None:
        """Follow `folder`, which may be empty yet.

        Raises:
            SourceError: the folder does not exist.
        """
        if not folder.is_dir():
            raise SourceError(f"segment folder {folder} does not exist; create it or correct `source`")
        self.fps: float | None = fps
        self.ended: str | None = None
        self._folder, self._wait = folder, wait
        self._played: set[str] = set()
        self._segment: VideoFeed | FolderFeed | None = None

    def open(self) -> None:
        """Open the next segment that was not played; waits a moment when there is none."""
        self.close()
        waiting = sorted(
            path
            for path in self._folder.iterdir()
            if path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES) and path.name not in self._played
        )
        if not waiting:
            self._wait(0.1)
            return
        self._played.add(waiting[0].name)
        picture = waiting[0].suffix.lower() in IMAGE_SUFFIXES
        segment = FolderFeed(waiting[0], self.fps or 5.0) if picture else VideoFeed(waiting[0], self.fps)
        segment.open()
        self._segment = segment

    def read(self) -> Image | None:
        """The next frame of the segment, None at its end or when none is waiting."""
        return None if self._segment is None else self._segment.read()

    def close(self) -> None:
        """Close the segment."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None
