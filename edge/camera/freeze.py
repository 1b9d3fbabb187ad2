"""Whether a live camera is frozen: it sends the same image again and again.

Two images are the same if of every fourth row no value differs by more than eight grey levels, and at most
a twentieth by more than one: so much an encoder adds to the same image at its key frames, while a
small new object and the weakest noise of a sensor are more. Only time in which images arrive counts. A
frozen camera is due for a new connection at once, then after growing waits.
"""

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

COMPARE_EVERY_S = 0.2
_LARGEST_DIFFERENCE = 8
_LARGEST_FRACTION = 0.05
_COARSE_ROWS, _FINE_ROWS = 32, 4
_MOST_DOUBLINGS = 5


class FreezeWatch:
    """State of one camera; times are seconds of one monotonic clock. Not thread-safe.

    Attributes:
        frozen: whether the last image that was observed is the same for at least `after_s`.
    """

    def __init__(self, after_s: float | None) -> None:
        self.frozen = False
        self._after_s = after_s
        self._reference: Image | None = None
        self._same_s = self._last_s = 0.0
        self._reconnects, self._due_s = 0, 0.0

    def connected(self, now_s: float) -> None:
        """A connection begins: the time without one does not count."""
        self._last_s = now_s

    def observe(self, image: Image, now_s: float) -> None:
        """Take one image, (h, w, 3) uint8. Unless frozen, at most every `COMPARE_EVERY_S` is compared."""
        if self._after_s is None:
            return
        if self._reference is not None and not self.frozen and 0 <= now_s - self._last_s < COMPARE_EVERY_S:
            return
        if self._reference is None or not same_image(self._reference, image):
            self._reference, self._last_s, self._same_s = image, now_s, 0.0
            self.frozen, self._reconnects, self._due_s = False, 0, 0.0
            return
        self._same_s += max(now_s - self._last_s, 0.0)
        self._last_s = now_s
        self.frozen = self._same_s >= self._after_s

    def reconnect_due(self) -> bool:
        """Whether the frozen camera should be opened again now; the next time is twice as far away."""
        if self._after_s is None or not self.frozen or self._same_s < self._due_s:
            return False
        self._due_s = self._same_s + self._after_s * 2.0**self._reconnects
        self._reconnects = min(self._reconnects + 1, _MOST_DOUBLINGS)
        return True


def same_image(one: Image, other: Image) -> bool:
    """Whether two images are the same but for what an encoder adds; a few rows decide when they are not."""
    if one.shape != other.shape or _difference(one, other, _COARSE_ROWS).max() > _LARGEST_DIFFERENCE:
        return False
    difference = _difference(one, other, _FINE_ROWS)
    return bool(difference.max() <= _LARGEST_DIFFERENCE and (difference > 1).mean() <= _LARGEST_FRACTION)


def _difference(one: Image, other: Image, step: int) -> Image:
    return np.maximum(one[::step], other[::step]) - np.minimum(one[::step], other[::step])
