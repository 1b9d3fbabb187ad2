"""The last minutes of one camera, in the memory of the node: what a verdict request is answered from.

Some of the frames that the detector in service has processed, as JPEG, with its boxes. They are never on disk
and never leave the node; they are forgotten after the configured minutes, at a restart, and when there is no
more room.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from edge.evidence.collector import FrameContext
from edge.settings import KeptFrameSettings
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections
from edge.vision.detector import Image
from edge.vision.frames import SizeChange
from edge.vision.image_files import decode_image
from messaging.fields import Digest
from messaging.releases import BundleDescription

LONGEST_SIDE = 1280
JPEG_QUALITY = 85


@dataclass(frozen=True, eq=False)
class KeptFrame:
    """One frame, at most `LONGEST_SIDE` pixels wide and high.

    Attributes:
        at_utc: when it was captured, in seconds since 1970.
        jpeg: the image.
        tags: its condition.
        detections: the boxes of the detector in service above its weak floor, in pixels of this image.
        description, model_digest: of the detector in service.
    """

    at_utc: float
    jpeg: bytes
    tags: FrameConditions
    detections: Detections
    description: BundleDescription
    model_digest: Digest

    def image(self) -> Image:
        """The image, (h, w, 3) uint8 BGR."""
        return decode_image(self.jpeg, "a kept frame")


class KeptFrames:
    """The kept frames of one camera. Safe to share between threads."""

    def __init__(self, settings: KeptFrameSettings, now_utc: Callable[[], float] = time.time) -> None:
        """Begin with none; `now_utc` gives seconds since 1970, by the same clock as the frames."""
        self._settings, self._now_utc = settings, now_utc
        self._frames: deque[KeptFrame] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def length_bytes(self) -> int:
        """Bytes of the images."""
        return self._bytes

    def offer(self, context: FrameContext, description: BundleDescription) -> None:
        """A frame that the detector in service has processed; it is kept if the last one is old enough."""
        at_utc = context.frame.captured_at_utc
        with self._lock:
            last = self._frames[-1].at_utc if self._frames else None
        if self._settings.minutes == 0 or (
            last is not None and abs(at_utc - last) < self._settings.every_s  # a clock may be set back
        ):
            return
        image, boxes = scaled(context.frame.image, context.detections)
        done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            return
        kept = KeptFrame(at_utc, jpeg.tobytes(), context.tags, boxes, description, context.model_digest)
        with self._lock:
            self._frames.append(kept)
            self._bytes += len(kept.jpeg)
        self.forget_old()

    def forget_old(self) -> None:
        """Forget what is older than the configured minutes, or over the room for one camera."""
        now, oldest_s = self._now_utc(), 60 * self._settings.minutes
        with self._lock:
            while self._frames and (
                abs(now - self._frames[0].at_utc) > oldest_s or self._bytes > self._settings.mib * 2**20
            ):
                self._bytes -= len(self._frames.popleft().jpeg)

    def near(self, at_utc: float, within_s: float) -> list[KeptFrame]:
        """The frames of a time, the nearest first."""
        self.forget_old()
        with self._lock:
            frames = list(self._frames)
        found = [frame for frame in frames if abs(frame.at_utc - at_utc) <= within_s]
        return sorted(found, key=lambda frame: abs(frame.at_utc - at_utc))


def scaled(image: Image, detections: Detections) -> tuple[Image, Detections]:
    """Image and boxes, at most `LONGEST_SIDE` pixels wide and high; the boxes without embeddings."""
    height, width = image.shape[:2]
    if max(width, height) <= LONGEST_SIDE:
        change = SizeChange(1.0, 1.0)
    else:
        factor = LONGEST_SIDE / max(width, height)
        size = max(1, round(factor * width)), max(1, round(factor * height))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]  # uint8 again
        change = SizeChange.between((width, height), size)
    boxes = Detections.of(
        change.boxes(detections.xyxy),
        detections.confidence,
        detections.class_id,
        runner_up=detections.runner_up,
    )
    return image, boxes
