"""Times and places as coarse as they may leave a site: minutes, and boxes in hundredths of the frame."""

import numpy as np
import numpy.typing as npt

from messaging.reports import BoxGeometry

Floats = npt.NDArray[np.float32]
_STEP = 0.01


def minute_of(at_utc: float) -> int:
    """Seconds since 1970 rounded down to the minute."""
    return int(at_utc // 60) * 60


def box_in_pixels(box: BoxGeometry, width: int, height: int) -> Floats:
    """Inverse of `geometry_of`, up to rounding: a box (4,) in pixels."""
    left, top = (box.cx - box.w / 2) * width, (box.cy - box.h / 2) * height
    return np.asarray([left, top, left + box.w * width, top + box.h * height], np.float32)


def geometry_of(xyxy: Floats, width: int, height: int) -> BoxGeometry:
    """A box (4,) in pixels as centre and size in fractions of the frame, clipped to it, rounded to 0.01.

    Its sides are at least 0.01, so that a small box can be found again.
    """
    x1, x2 = np.clip([xyxy[0], xyxy[2]], 0, width) / width
    y1, y2 = np.clip([xyxy[1], xyxy[3]], 0, height) / height
    return BoxGeometry(
        cx=float(x1 + x2) / 2,
        cy=float(y1 + y2) / 2,
        w=max(float(x2 - x1), _STEP),
        h=max(float(y2 - y1), _STEP),
    )
