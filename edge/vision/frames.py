"""A frame of a camera, and the motion on it: values that every later package reads, made by `edge.camera`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats


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
