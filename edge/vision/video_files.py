"""Video files through OpenCV's FFmpeg: frames with the times that the container gives them.

Times are used as long as they rise, by less than an hour at once; from the first that does not, the
frames follow one another by the last step, and the log states it once. Rotation of the container is applied.
A frame that cannot be decoded is skipped and counted. Whatever the file contains, the result is a frame, its
end, or `SourceError`.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.vision.image_files import MAX_PIXELS
from edge.vision.image_headers import what_else

Image = npt.NDArray[np.uint8]

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")

MAX_STEP_S = 3600.0
FALLBACK_FPS = 25.0
_RATES = (1 / MAX_STEP_S, 1000.0)
_MOST_FRAMES = 1e7
# OpenCV returns no frame for a damaged one as it does at the end; only further calls show which.
_LEAST_ATTEMPTS = 50
_EXACT_COUNTS = (".mp4", ".mov", ".m4v")


@dataclass(frozen=True, eq=False)
class VideoImage:
    """One frame: (h, w, 3) uint8 BGR, and seconds since the file's first frame."""

    image: Image
    time_s: float


class VideoFile:
    """A video file, read once from its first frame to its last; a context manager.

    Attributes:
        frames: frames read so far.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises `SourceError` if it is no video or its frames are too large."""
        self._path = path
        self._capture = _opened(path)
        self.frames = self._skipped = 0
        self._at_end = False
        self._times = _ContainerTimes(path, float(self._capture.get(cv2.CAP_PROP_FPS)))
        exact = path.suffix.lower() in _EXACT_COUNTS
        counted = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if exact else 0.0
        self._counted = int(counted) if 0 < counted < _MOST_FRAMES else 0

    @property
    def fps(self) -> float:
        """Frames per second at the last frame read; before it, and if it gives none, those of the header."""
        return 1 / self._times.step_s

    @property
    def missing(self) -> int:
        """Frames that the header counts and that were not read, or that were damaged, whichever are more."""
        return max(self._counted - self.frames, self._skipped)

    @property
    def decode_errors(self) -> int:
        """Frames so far that could not be decoded; at the end with those that its header counts in vain."""
        return self.missing if self._at_end else self._skipped

    def read(self) -> VideoImage | None:
        """The next frame that can be decoded, None at the end. Raises `SourceError` if there is none."""
        good, image = self._decoded()
        failed = 0
        while not good and failed < max(self.missing, _LEAST_ATTEMPTS):
            failed += 1
            good, image = self._decoded()
        self._skipped += failed if good else 0
        if not good or image is None:
            if not self.frames:
                raise SourceError(f"video {self._path} holds no frame that can be decoded; give another file")
            self._at_end = True
            return None
        self.frames += 1
        time_s = self._times.next_s(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, self.frames)
        grey = image.ndim == 2
        return VideoImage(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image), time_s)

    def close(self) -> None:
        """Close the file; harmless when closed."""
        self._capture.release()

    def __enter__(self) -> Self:
        """The open file."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.close()

    def _decoded(self) -> tuple[bool, Image | None]:
        try:
            good, image = self._capture.read()
            return good, None if image is None else np.asarray(image, np.uint8)
        except (cv2.error, MemoryError, OSError) as error:
            raise SourceError(
                f"video {self._path} failed after {self.frames} frames ({type(error).__name__}); "
                "remove it or encode it again"
            ) from None


class _ContainerTimes:
    """Times of one file's frames, and the step from the last frame to the next, in seconds."""

    def __init__(self, path: Path, header_fps: float) -> None:
        self.step_s = 1 / (header_fps if _RATES[0] <= header_fps <= _RATES[1] else FALLBACK_FPS)
        self._path = path
        self._first_s = self._last_s = self._time_s = 0.0
        self._times_are_valid = True

    def next_s(self, at_s: float, frame: int) -> float:
        """Seconds since the first frame: the container's, or by the last step once it cannot be true."""
        if frame == 1:
            self._first_s = at_s if math.isfinite(at_s) else 0.0
        elif self._times_are_valid and 0 < at_s - self._last_s < MAX_STEP_S:
            self.step_s = at_s - self._last_s
            self._time_s = at_s - self._first_s
        else:
            if self._times_are_valid:
                self._assume_rate(at_s, frame)
            self._time_s += self.step_s
        self._last_s = at_s
        return self._time_s

    def _assume_rate(self, at_s: float, frame: int) -> None:
        self._times_are_valid = False
        if self.step_s > 1 and frame == 2:
            self.step_s = 1 / FALLBACK_FPS
        logger.warning(
            "video %s: frame %d has the time %.3f s, the one before %.3f s; from here on %.3g frames per "
            "second are assumed",
            self._path,
            frame,
            at_s,
            self._last_s,
            1 / self.step_s,
        )


def _opened(path: Path) -> cv2.VideoCapture:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise SourceError(f"video {path} cannot be read ({error.strerror or error})") from None
    what = "empty; copy it again" if not head.strip(b"\0") else what_else(head)
    if what is not None:
        raise SourceError(f"video {path} is {what}")
    try:
        # an absolute path is never taken for a protocol or a pattern of names
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    except (cv2.error, MemoryError) as error:
        raise SourceError(
            f"video {path} cannot be opened ({type(error).__name__}); encode it again"
        ) from None
    if not capture.isOpened() or min(width, height) <= 0:
        capture.release()
        raise SourceError(f"video {path} cannot be read; give an mp4, avi or mkv that OpenCV decodes")
    if width * height > MAX_PIXELS:
        capture.release()
        raise SourceError(
            f"video {path} has frames of {width:.0f} x {height:.0f} pixels; at most {MAX_PIXELS // 10**6} "
            "million are read: scale it down"
        )
    return capture
