"""A recorder's folder as a source: video segments or images that are added one by one, in natural order.

A segment is played once, when it is finished (`edge.camera.settled_files`); an image is a segment of one
frame. At the end the feed waits for the next. With a journal this holds over restarts: only a segment that
was not played to its end is played again. One that cannot be decoded, or that the recorder has removed
meanwhile, is logged and counts as played. A name that the recorder uses again, or a segment that changes
while it is played, is another segment.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from edge.camera.capture import IMAGE_FPS, Image
from edge.camera.file_names import name_time_s
from edge.camera.segment_journal import MAX_ATTEMPTS, SegmentJournal
from edge.camera.settled_files import FileVersion, SettledFiles
from edge.errors import ImageRefused, SourceError
from edge.vision.image_files import IMAGE_SUFFIXES, read_image
from edge.vision.video_files import FALLBACK_FPS, VIDEO_SUFFIXES, VideoFile
from messaging.runtime.os_errors import os_error_sentence

logger = logging.getLogger(__name__)

_POLL_S = 0.1


class SegmentFeed:
    """A pass is one segment, or nothing when none is waiting; a source with `loop` makes pass after pass.

    Attributes:
        fps, time_s, ended: see `edge.camera.capture.Feed`.
        passed_over: segments that could not be played, since the start.
    """

    def __init__(
        self,
        folder: Path,
        fps: float | None = None,
        *,
        journal: Path | None = None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Follow `folder`, which may be empty yet; `journal` is the file that records what was played.

        `fps` overrides the times and frames per second of the segments.

        Raises:
            SourceError: the folder does not exist.
        """
        if not folder.is_dir():
            raise SourceError(f"segment folder {folder} does not exist; create it or correct `source`")
        self.fps = fps or FALLBACK_FPS
        self.time_s: float | None = None
        self.ended: str | None = None
        self.passed_over = 0
        self._wanted_fps, self._wait = fps, wait
        self._files = SettledFiles(folder, (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES), clock=clock)
        self._journal = SegmentJournal(journal, clock=clock)
        self._version: FileVersion | None = None
        self._video: VideoFile | None = None
        self._image: Image | None = None
        self._undecoded = 0

    @property
    def decode_errors(self) -> int:
        """Segments that could not be played, and damaged or cut off frames of those that could."""
        present = self._video.decode_errors if self._video is not None else 0
        return self.passed_over + self._undecoded + present

    def open(self) -> None:
        """Open the next finished segment that was not played; waits a moment when there is none.

        Raises:
            SourceError: the folder cannot be read now.
        """
        self.close()
        version = self._next()
        if version is None:
            self._wait(_POLL_S)
            return
        self._version = version
        try:
            self._open(version.path)
        except (SourceError, ImageRefused) as error:
            self._pass_over(error)

    def read(self) -> Image | None:
        """The next frame of the segment, None at its end or when none is waiting."""
        if self._image is not None:
            image, self._image = self._image, None
            return image
        if self._video is not None:
            try:
                found = self._video.read()
            except SourceError as error:
                self._pass_over(error)
                return None
            if found is not None:
                if not self._wanted_fps:
                    self.time_s, self.fps = found.time_s, self._video.fps
                return found.image
            if self._video.missing:
                logger.warning(
                    "%s ended after %d frames; %d more that its header counts are damaged or cut off",
                    self._version and self._version.path,
                    self._video.frames,
                    self._video.missing,
                )
        self._finish()
        return None

    def close(self) -> None:
        """Close the segment; one that was not played to its end is played again."""
        if self._version is not None:
            self._journal.stop(self._version.key)
        self._forget()

    def _next(self) -> FileVersion | None:
        try:
            found = next(self._files.finished(self._journal.played), None)
        except OSError as error:
            raise SourceError(f"segment folder {os_error_sentence(error)}") from None
        self._journal.keep_only(version.key for version in self._files.versions)
        return found

    def _open(self, path: Path) -> None:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            self._image = read_image(path)
            self.time_s = None if self._wanted_fps else name_time_s(path)
            self.fps = self._wanted_fps or IMAGE_FPS
            return
        if self._version is not None and not self._journal.begin(self._version.key):
            raise SourceError(
                f"video {path} ended this program {MAX_ATTEMPTS} times while it was played; encode it again"
            )
        self._video = VideoFile(path)

    def _pass_over(self, error: SourceError | ImageRefused) -> None:
        self.passed_over += 1
        logger.warning("a segment is passed over: %s", error)
        self._finish()

    def _finish(self) -> None:
        version = self._version
        if version is not None:
            self._journal.finish(version.key)
            if _changed(version):
                logger.warning("%s changed while it was played; it is played again", version.path)
        self._forget()

    def _forget(self) -> None:
        if self._video is not None:
            self._undecoded += self._video.decode_errors
            self._video.close()
        self._version = self._video = self._image = None


def _changed(version: FileVersion) -> bool:
    try:
        return FileVersion.of(version.path) != version
    except OSError:  # removed by the recorder
        return False
