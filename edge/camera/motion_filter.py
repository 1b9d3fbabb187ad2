"""Motion filter: which frames need inference, and which regions of the image change.

Two backgrounds of a small, smoothed image: a running average (seconds) and a running median (minutes; by
steps of bounded size, McFarlane and Schofield 1995, so that passing objects leave no trace in it).
A pixel that differs from the fast one moves; one that differs from the slow one but not from the fast one is
new and static. A region whose cells changed for most of `persist_s` is *persistent*: a passing car never is,
a flame, a fallen person or a bag that was not there before is. All times are in seconds, so uneven frame
rates do no harm, and of a fast camera not every frame is compared.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats
from edge.vision.frames import MotionReading

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]

_FULL_STEP = 100.0
_TALLEST = 4
_NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class MotionSettings:
    """Parameters of the motion filter.

    Attributes:
        width: columns of the small image.
        fast_s, slow_s: time constant of the fast background; seconds in which the slow one takes a step of
            100 grey levels.
        persist_s: how long a region must change to be persistent.
        warm_up_s: until then the slow background adapts fast; what is in the image belongs to it.
        noise_factor: a pixel has changed if it differs by this multiple of its usual flicker,
        least_step: and by at least this many grey levels.
        least_area: smallest region, as a fraction of the frame.
        wake_fraction: a frame needs inference if this fraction of it moves or is new.
        floor_interval_s: longest time between two frames that need inference, with or without motion.
        compare_every_s: frames within this time of the last one that was compared have its motion.
    """

    width: int = 160
    fast_s: float = 1.5
    slow_s: float = 90.0
    persist_s: float = 3.0
    warm_up_s: float = 3.0
    noise_factor: float = 4.0
    least_step: float = 9.0
    least_area: float = 0.0012
    wake_fraction: float = 0.0006
    floor_interval_s: float = 1.0
    compare_every_s: float = 0.075

    def __post_init__(self) -> None:
        if min(self.fast_s, self.persist_s, self.floor_interval_s) <= 0 or self.slow_s <= self.fast_s:
            raise ValueError(f"motion needs positive times and slow_s above fast_s; got {self}")


@dataclass(frozen=True, eq=False)
class _Motion:
    """Motion on a compared frame; `wakes`: so much that the frame needs inference."""

    wakes: bool
    whole: bool
    moving: Floats = field(default_factory=lambda: _NO_BOXES)
    new: Floats = field(default_factory=lambda: _NO_BOXES)
    persistent: Floats = field(default_factory=lambda: _NO_BOXES)


class MotionFilter:
    """Motion of one camera. Frames in order of time. Not thread-safe."""

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
        self._last_inference_s = -np.inf
        self._fast: Plane | None = None
        self._slow: Plane | None = None
        self._flicker = self._busy = np.zeros((0, 0), np.float32)
        self._time_s = self._started_s = 0.0
        self._shape: tuple[int, ...] = ()
        self._motion = _Motion(True, False)

    def observe(self, image: npt.NDArray[np.uint8], time_s: float) -> MotionReading:
        """Take one frame, (h, w, 3) uint8 BGR, at `time_s` seconds; about 0.5 ms at 640x360 if compared."""
        recent = 0 <= time_s - self._time_s < self._settings.compare_every_s
        if self._shape != image.shape or not recent:
            self._motion, self._shape = self._compared(image, time_s), image.shape
        motion = self._motion
        deserves = motion.wakes or time_s - self._last_inference_s >= self._settings.floor_interval_s
        if deserves:
            self._last_inference_s = time_s
        return MotionReading(deserves, motion.whole, motion.moving, motion.new, motion.persistent)

    def _compared(self, image: npt.NDArray[np.uint8], time_s: float) -> "_Motion":
        """The motion of one frame; the backgrounds learn from it."""
        small = self._small(image)
        if self._fast is None or self._slow is None or self._fast.shape != small.shape:
            self._start(small, time_s)
            return _Motion(True, False)
        gap_s = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        limit = np.maximum(self._flicker * self._settings.noise_factor, self._settings.least_step)
        moving = self._differs(small, self._fast, limit)
        new = self._differs(self._fast, self._slow, limit, lighting_aside=True)
        foreign = self._differs(small, self._slow, limit, lighting_aside=True)
        fraction = float(cv2.countNonZero(cv2.bitwise_or(moving, new))) / small.size
        if float(cv2.countNonZero(moving)) > 0.6 * small.size:
            self._start(small, time_s)
            return _Motion(True, True)
        self._learn(small, moving | new, foreign, gap_s)
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        persistent = _NO_BOXES
        if time_s - self._started_s > self._settings.warm_up_s + self._settings.persist_s:
            persistent = self._regions((self._busy > 0.6).view(np.uint8), scale)
        wakes = fraction >= self._settings.wake_fraction
        return _Motion(wakes, False, self._regions(moving, scale), self._regions(new, scale), persistent)

    def _small(self, image: npt.NDArray[np.uint8]) -> Plane:
        height = max(1, round(image.shape[0] * self._settings.width / image.shape[1]))
        height = min(height, _TALLEST * self._settings.width)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)  # first: it takes less time than two more planes
        small = cv2.resize(grey, (self._settings.width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)

    def _start(self, small: Plane, time_s: float) -> None:
        self._fast, self._slow = small.copy(), small.copy()
        self._flicker = np.full_like(small, self._settings.least_step / self._settings.noise_factor)
        self._busy = np.zeros_like(small)
        self._time_s = self._started_s = time_s

    def _differs(
        self, plane: Plane, background: Plane, limit: Plane, *, lighting_aside: bool = False
    ) -> Mask:
        """Where (0 or 1) a plane differs from a background; a change of the whole lighting may not count."""
        step = plane - background
        if lighting_aside:
            sample = step[::4, ::4].ravel()
            step -= np.partition(sample, sample.size // 2)[sample.size // 2]
        changed = (np.abs(step) > limit).view(np.uint8)
        return np.asarray(cv2.morphologyEx(changed, cv2.MORPH_OPEN, self._kernel), np.uint8)

    def _learn(self, small: Plane, unrest: Mask, foreign: Mask, gap_s: float) -> None:
        """Update the backgrounds with their time constants; flicker is learnt only where nothing changes.

        A place is busy while what is seen there is foreign to the slow background: a passing car only
        while it covers the place, and not as long as its trace stays in the fast background.
        """
        if self._fast is None or self._slow is None:
            return
        settings = self._settings
        started = self._time_s - self._started_s
        flicker_rate = _rate(gap_s, 8.0) * (1 - np.asarray(unrest, np.float32))
        self._flicker += flicker_rate * (cv2.absdiff(small, self._fast) * 1.25 - self._flicker)
        cv2.accumulateWeighted(small, self._fast, _rate(gap_s, settings.fast_s))
        slow_s = settings.fast_s if started < settings.warm_up_s else settings.slow_s
        step = _FULL_STEP * gap_s / slow_s
        self._slow += np.clip(small - self._slow, -step, step)
        grown = cv2.dilate(foreign, self._kernel)
        cv2.accumulateWeighted(grown.astype(np.float32), self._busy, _rate(gap_s, settings.persist_s))

    def _regions(self, mask: Mask, scale: tuple[float, float]) -> Floats:
        if not cv2.countNonZero(mask):
            return _NO_BOXES
        joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, self._kernel)
        # 16-bit labels suffice for the small image, and are found in half the time
        _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8, ltype=cv2.CV_16U)
        large = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= self._settings.least_area * mask.size]
        corners = np.concatenate([large[:, :2], large[:, :2] + large[:, 2:4]], axis=1)
        return np.asarray(corners * np.asarray([*scale, *scale]), np.float32)


def _rate(gap_s: float, time_constant_s: float) -> float:
    """Weight of the newest value in a running average with this time constant."""
    return float(1 - np.exp(-gap_s / time_constant_s))
