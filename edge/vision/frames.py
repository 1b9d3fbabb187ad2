"""A frame of a camera, a change of its size, and its motion; later packages read what `edge.camera` makes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats

_SAME_SHAPE = 0.03


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of one camera with its times.

    Attributes:
        camera: slug of the camera.
        image: (h, w, 3) uint8 BGR.
        index: number of the frame since the source was opened; dropped frames leave gaps.
        time_s: media seconds of a file (they go on over a loop), monotonic seconds of a live camera.
        captured_at_utc: seconds since 1970.
    """

    camera: str
    image: npt.NDArray[np.uint8]
    index: int
    time_s: float
    captured_at_utc: float

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"a frame's image must be (h, w, 3) uint8 BGR; got {self.image.shape} {self.image.dtype}"
            )


@dataclass(frozen=True)
class SizeChange:
    """From the pixels of one frame size to those of another: factors along x and y.

    What is kept in pixels from frame to frame is carried over with it, in fractions of the frame.
    """

    x: float
    y: float

    @classmethod
    def between(cls, before: tuple[int, int], now: tuple[int, int]) -> "SizeChange":
        """The change from one (width, height) in pixels to another."""
        return cls(now[0] / before[0], now[1] / before[1])

    @property
    def same_shape(self) -> bool:
        """Whether width and height changed alike, within rounding; otherwise the view is turned or cut."""
        return abs(self.x / self.y - 1) < _SAME_SHAPE

    def boxes(self, xyxy: Floats) -> Floats:
        """Boxes (..., 4) in the pixels of the new size."""
        return np.asarray(xyxy * np.asarray([self.x, self.y, self.x, self.y], np.float32), np.float32)


@dataclass(frozen=True, eq=False)
class MotionReading:
    """Motion on one frame; boxes are (n, 4) float32 pixels of the frame.

    `whole_image`: nearly everything changed at once (camera moved, lights went out); then nothing counts as
    evidence and the backgrounds start again.
    """

    needs_inference: bool
    whole_image: bool
    moving: Floats
    new_static: Floats
    persistent: Floats
