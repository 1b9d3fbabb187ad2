"""How many frames a second a detector processes, measured on a frame that is the same on every machine."""

import time
from collections.abc import Callable

import numpy as np

from edge.vision.detector import Detector, Image

FRAME_SIZE = (720, 1280, 3)


def drawn_frame(size: tuple[int, int, int]) -> Image:
    """Smooth waves of a size (height, width, 3)."""
    height, width, _ = size
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 80 * np.sin(x / a) * np.cos(y / b) for a, b in ((17, 29), (31, 23), (41, 13))]
    return np.stack(waves, axis=2).astype(np.uint8)


def frames_per_second(
    detector: Detector, *, seconds: float = 2.0, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Frames of 1280x720 a second, one by one, after a first one that is not counted."""
    frame, count = drawn_frame(FRAME_SIZE), 0
    detector.detect([frame])
    started = clock()
    while count == 0 or clock() - started < seconds:
        detector.detect([frame])
        count += 1
    return count / (clock() - started)
