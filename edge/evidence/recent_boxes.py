"""Where something was in the last seconds: boxes with the times of their frames, in pixels."""

from collections import deque

import numpy as np

from edge.vision.detections import Floats
from edge.vision.frames import SizeChange


class RecentBoxes:
    """The boxes of one camera's last seconds. Not thread-safe; frames in order of time."""

    def __init__(self, seconds: float) -> None:
        """Keep boxes for so many seconds."""
        self._seconds = seconds
        self._added: deque[tuple[float, Floats]] = deque()

    def add(self, now_s: float, *boxes: Floats) -> None:
        """Add boxes (n, 4) of the frame at `now_s`, and drop those that are too old then."""
        while self._added and now_s - self._added[0][0] > self._seconds:
            self._added.popleft()
        self._added.extend((now_s, some) for some in boxes if len(some))

    def boxes(self) -> Floats:
        """All of them, (n, 4)."""
        return np.concatenate([np.zeros((0, 4), np.float32), *(boxes for _, boxes in self._added)])

    def resize(self, change: SizeChange) -> None:
        """Carry them over to the pixels of another frame size."""
        self._added = deque((time_s, change.boxes(boxes)) for time_s, boxes in self._added)
