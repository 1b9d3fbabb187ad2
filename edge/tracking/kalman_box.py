"""A Kalman filter for one box, constant velocity in seconds, so that uneven frame times do no harm.

Centre x, centre y, width and height are four independent position-velocity filters (ByteTrack's own
covariances are diagonal too); noise is relative to the box, as in SORT and ByteTrack (Zhang et al. 2022).
Plain numbers: for the four values of a box, numpy's calls take longer than the arithmetic.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.vision.detections import Floats
from edge.vision.frames import SizeChange

_MEASUREMENT = 1 / 20
_MIN_SIDE = 1.0


class _Kind(NamedTuple):
    """How the centre or a side moves: relative to the box size, velocities fade within `decay_s`."""

    acceleration: float
    start_velocity: float
    decay_s: float


_CENTRE, _SIDE = _Kind(0.5, 1.0, 4.0), _Kind(0.2, 0.3, 0.7)


class AxisMotion(NamedTuple):
    """State of one filter: value in pixels, velocity in pixels per second.

    `p00`, `p01`, `p11` are the covariance of value and velocity.
    """

    value: float
    velocity: float
    p00: float
    p01: float
    p11: float

    def after(self, seconds: float, kind: _Kind, scale: float, least: float) -> "AxisMotion":
        """Predicted state; the value is at least `least`."""
        fade = math.exp(-seconds / kind.decay_s)
        reach = kind.decay_s * (1 - fade)
        noise = (kind.acceleration * scale) ** 2
        return AxisMotion(
            max(self.value + reach * self.velocity, least),
            fade * self.velocity,
            self.p00 + 2 * reach * self.p01 + reach**2 * self.p11 + noise * seconds**3 / 3,
            fade * (self.p01 + reach * self.p11) + noise * seconds**2 / 2,
            fade**2 * self.p11 + noise * seconds,
        )

    def corrected(self, seen: float, scale: float) -> "AxisMotion":
        """State after a measurement."""
        total = self.p00 + (_MEASUREMENT * scale) ** 2
        gain, gain_velocity = self.p00 / total, self.p01 / total
        surprise = seen - self.value
        return AxisMotion(
            self.value + gain * surprise,
            self.velocity + gain_velocity * surprise,
            (1 - gain) * self.p00,
            (1 - gain) * self.p01,
            self.p11 - gain_velocity * self.p01,
        )

    def resized(self, factor: float) -> "AxisMotion":
        """The same state in other pixels."""
        return AxisMotion(
            self.value * factor,
            self.velocity * factor,
            self.p00 * factor**2,
            self.p01 * factor**2,
            self.p11 * factor**2,
        )


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """State of the filters of one box: centre x, centre y, width, height."""

    x: AxisMotion
    y: AxisMotion
    width: AxisMotion
    height: AxisMotion

    @classmethod
    def start(cls, xyxy: Floats) -> "BoxMotion":
        """At rest at a first box, velocity unknown within a box size per second."""
        x, y, width, height = _centre_size(xyxy)
        scale = _scale(width, height)
        position = (2 * _MEASUREMENT * scale) ** 2
        centre, side = (_CENTRE.start_velocity * scale) ** 2, (_SIDE.start_velocity * scale) ** 2
        return cls(
            AxisMotion(x, 0.0, position, 0.0, centre),
            AxisMotion(y, 0.0, position, 0.0, centre),
            AxisMotion(width, 0.0, position, 0.0, side),
            AxisMotion(height, 0.0, position, 0.0, side),
        )

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """The box, xyxy pixels; not clipped to the frame."""
        x, y = self.x.value, self.y.value
        half_x, half_y = max(self.width.value, _MIN_SIDE) / 2, max(self.height.value, _MIN_SIDE) / 2
        return x - half_x, y - half_y, x + half_x, y + half_y

    @property
    def xyxy(self) -> Floats:
        """The same as an array, (4,) float32."""
        return np.asarray(self.corners, np.float32)

    def resized(self, change: SizeChange) -> "BoxMotion":
        """The same state in the pixels of another frame size."""
        return BoxMotion(
            self.x.resized(change.x),
            self.y.resized(change.y),
            self.width.resized(change.x),
            self.height.resized(change.y),
        )

    def after(self, seconds: float) -> "BoxMotion":
        """Predicted state. Velocities fade (an object out of sight is not followed without end)."""
        if seconds <= 0:
            return self
        scale = _scale(self.width.value, self.height.value)
        return BoxMotion(
            self.x.after(seconds, _CENTRE, scale, -math.inf),
            self.y.after(seconds, _CENTRE, scale, -math.inf),
            self.width.after(seconds, _SIDE, scale, _MIN_SIDE),
            self.height.after(seconds, _SIDE, scale, _MIN_SIDE),
        )

    def corrected(self, xyxy: Floats) -> "BoxMotion":
        """State after a detection at a box (4,) in pixels."""
        x, y, width, height = _centre_size(xyxy)
        scale = _scale(self.width.value, self.height.value)
        return BoxMotion(
            self.x.corrected(x, scale),
            self.y.corrected(y, scale),
            self.width.corrected(width, scale),
            self.height.corrected(height, scale),
        )


def _centre_size(xyxy: Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = xyxy.tolist()
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _scale(width: float, height: float) -> float:
    """Geometric mean of the sides: a flat pothole must not be held to its height alone."""
    return math.sqrt(max(width, _MIN_SIDE) * max(height, _MIN_SIDE))
