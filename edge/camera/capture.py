"""Raw images out of OpenCV: a camera, a video file or a folder, opened, read and closed.

A feed blocks its caller and uses neither threads nor clocks; `edge.camera.sources` paces it, adds times to
its images and opens it again. Images are (h, w, 3) uint8 BGR.
"""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError

Image = npt.NDArray[np.uint8]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_IMAGE_FPS = 5.0
_FALLBACK_FPS = 25.0


class Feed(Protocol):
    """Images one after the other."""

    @property
    def fps(self) -> float | None:
        """Images a second of the medium; None where it has no rate."""

    @property
    def ended(self) -> str | None:
        """One sentence on why the last pass ended."""

    def open(self) -> None:
        """Begin a pass. Raises `SourceError` naming the input."""

    def read(self) -> Image | None:
        """The next image, None at the end of the pass. Raises `SourceError`."""

    def close(self) -> None:
        """Let go of the device or file; harmless when closed."""


class VideoFeed:
    """A video file. Raises `SourceError` at once when it cannot be read."""

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.ended: str | None = None
        self._path = path
        self._capture: cv2.VideoCapture | None = None
        self._frames = 0
        self.fps: float | None = fps or self._own_fps()

    def open(self) -> None:
        """Begin at the first frame."""
        self.close()
        self._capture, self._frames = self._opened(), 0

    def _opened(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened() or capture.get(cv2.CAP_PROP_FRAME_WIDTH) <= 0:
            capture.release()
            raise SourceError(
                f"video {self._path} cannot be read; give an mp4, avi or mkv that OpenCV decodes"
            )
        return capture

    def _own_fps(self) -> float:
        capture = self._opened()
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        capture.release()
        return fps if 0.1 <= fps <= 1000 else _FALLBACK_FPS

    def read(self) -> Image | None:
        """The next frame, None at the end of the file."""
        image = _read(self._capture)
        if image is not None:
            self._frames += 1
        elif self._frames == 0:
            raise SourceError(f"video {self._path} holds no frame that can be decoded; give another file")
        else:
            self.ended = f"video {self._path} ended after {self._frames} frames"
        return image

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class FolderFeed:
    """The images of a folder in the order of their names, or one image; unreadable ones are counted."""

    def __init__(self, folder: Path, fps: float | None = None) -> None:
        self.fps: float | None = fps or _IMAGE_FPS
        self.ended: str | None = None
        self.unreadable = 0
        self._folder = folder
        found = folder.iterdir() if folder.is_dir() else [folder]
        self._paths = sorted(path for path in found if path.suffix.lower() in IMAGE_SUFFIXES)
        self._next = 0
        if not self._paths:
            raise SourceError(f"folder {folder} holds no images; expected {', '.join(IMAGE_SUFFIXES)}")

    def open(self) -> None:
        """Begin at the first image."""
        self._next, self.unreadable = 0, 0

    def read(self) -> Image | None:
        """The next readable image, None at the end of the folder."""
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                return np.asarray(image, np.uint8)
            self.unreadable += 1
        if self.unreadable == len(self._paths):
            raise SourceError(
                f"folder {self._folder} holds {len(self._paths)} images and none can be decoded"
            )
        self.ended = f"folder {self._folder} ended after {len(self._paths) - self.unreadable} images" + (
            f", {self.unreadable} unreadable" if self.unreadable else ""
        )
        return None

    def close(self) -> None:
        """Nothing is held open."""


def _read(capture: cv2.VideoCapture | None) -> Image | None:
    if capture is None:
        raise SourceError("the feed is closed; open it before reading")
    good, image = capture.read()
    return np.asarray(image, np.uint8) if good and image is not None else None
