"""The newest frame of a camera for somebody at the site who looks at it, with the boxes of the detector.

Nothing is kept for it: the camera's thread hands over a frame only while a request waits for one, and the
thread of the request draws and encodes it. The last image is given again for a moment, so that more viewers
make no more work; it is in memory only, and forgotten afterwards.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from edge.errors import NoLiveFrame
from edge.evidence.kept_frames import scaled
from edge.evidence.recall_counter import above_threshold
from edge.vision.detections import Detections
from edge.vision.detector import Image
from edge.vision.frames import Frame
from messaging.releases import BundleDescription

WAIT_S = 5.0
"""A request waits so long for the next frame."""
INTERVAL_S = 0.5
"""A camera is drawn at most once in so many seconds."""
FORGET_S = 5.0
JPEG_QUALITY = 80
_COLOUR, _TEXT_COLOUR = (0, 200, 255), (0, 0, 0)  # BGR
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5


@dataclass(frozen=True, eq=False)
class _Inferred:
    """The last detections, in pixels of an image of a size (width, height), and the model that made them."""

    detections: Detections
    description: BundleDescription
    width_height: tuple[int, int]


class LiveFrames:
    """The frames of one camera for its viewers. One camera thread offers, any thread asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._drawing = threading.Lock()
        self._waiting = False
        self._offered: list[tuple[Frame, _Inferred | None]] = []
        self._inferred: _Inferred | None = None
        self._jpeg: tuple[float, bytes] | None = None

    def inferred(self, frame: Frame, found: Detections, description: BundleDescription) -> None:
        """A frame that the detector has processed. Called by the camera's thread; costs next to nothing."""
        height, width = frame.image.shape[:2]
        self._inferred = _Inferred(found, description, (width, height))
        self.offer(frame)

    def offer(self, frame: Frame) -> None:
        """A frame; nothing happens unless a request waits for it. Called by the camera's thread."""
        if self._jpeg is not None and self._clock() - self._jpeg[0] > FORGET_S:
            self._jpeg = None
        if not self._waiting:
            return
        with self._changed:
            if self._waiting:
                self._offered = [(frame, self._inferred)]
                self._changed.notify()

    def jpeg(self, camera: str, wait_s: float = WAIT_S) -> bytes:
        """The next frame as JPEG, or the image of the last half second.

        Raises `NoLiveFrame` if the camera gives none within `wait_s`.
        """
        none = NoLiveFrame(f"camera {camera} has given no frame for {wait_s:g} s")
        if not self._drawing.acquire(timeout=wait_s):  # viewers of one camera share an image
            raise none
        try:
            last = self._jpeg
            if last is not None and self._clock() - last[0] < INTERVAL_S:
                return last[1]
            found = self._next(wait_s)
            if found is None:
                raise none
            frame, inferred = found
            encoded = _encoded(_drawn(frame.image, inferred))
            self._jpeg = (self._clock(), encoded)
            return encoded
        finally:
            self._drawing.release()

    def _next(self, wait_s: float) -> tuple[Frame, _Inferred | None] | None:
        """The next frame of the camera's thread and its detections; None if there is none in time."""
        with self._changed:
            self._waiting = True
            self._changed.wait_for(lambda: self._offered, wait_s)
            self._waiting = False
            found, self._offered = self._offered, []
        return found[0] if found else None


def _encoded(image: Image) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise NoLiveFrame("the frame could not be encoded; try again")
    return data.tobytes()


def _drawn(image: Image, inferred: _Inferred | None) -> Image:
    """A copy of at most 1,280 pixels a side with the boxes above the thresholds of their classes.

    Boxes of a frame of another size are left out.
    """
    height, width = image.shape[:2]
    found = Detections.empty()
    if inferred is not None and inferred.width_height == (width, height):
        found = above_threshold(inferred.detections, inferred.description)
    shown, boxes = scaled(image, found)
    shown = shown.copy()
    for (x1, y1, x2, y2), confidence, class_id in zip(
        boxes.xyxy.round().astype(int).tolist(), boxes.confidence, boxes.class_id, strict=True
    ):
        assert inferred is not None
        label = f"{inferred.description.class_names[class_id]} {confidence:.2f}"
        (label_width, label_height), below = cv2.getTextSize(label, _FONT, _FONT_SCALE, 1)
        top = max(y1, label_height + below)
        cv2.rectangle(shown, (x1, y1), (x2, y2), _COLOUR, 2)
        cv2.rectangle(shown, (x1, top - label_height - below), (x1 + label_width, top), _COLOUR, cv2.FILLED)
        cv2.putText(shown, label, (x1, top - below // 2), _FONT, _FONT_SCALE, _TEXT_COLOUR, 1, cv2.LINE_AA)
    return shown
