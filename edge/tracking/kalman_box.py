"""A Kalman filter for one box, constant velocity in seconds, so that uneven frame times do no harm.

Centre x, centre y, width and height are four independent position-velocity filters (ByteTrack's own
covariances are diagonal too); noise is relative to the box, as in SORT and ByteTrack (Zhang et al. 2022).
Pure numpy; boxes only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats
from edge.vision.frames import SizeChange

Vector = npt.NDArray[np.float64]

_MEASUREMENT = 1 / 20
_ACCELERATION = np.asarray([0.5, 0.5, 0.2, 0.2])
_START_VELOCITY = np.asarray([1.0, 1.0, 0.3, 0.3])
_VELOCITY_DECAY_S = np.asarray([4.0, 4.0, 0.7, 0.7])
_MIN_SIDE = 1.0


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """State of the filter: value (4,) of cx, cy, w, h in pixels, velocity (4,) in pixels per second.

    `p00`, `p01`, `p11` (4,) are the covariance of value and velocity of each of the four.
    """

    value: Vector
    velocity: Vector
    p00: Vector
    p01: Vector
    p11: Vector

    @classmethod
    def start(cls, xyxy: Floats) -> "BoxMotion":
        """At rest at a first box, velocity unknown within a box size per second."""
        value = _centre_size(xyxy)
        scale = _scale(value)
        position, velocity = (2 * _MEASUREMENT * scale) ** 2, (_START_VELOCITY * scale) ** 2
        return cls(value, np.zeros(4), position, np.zeros(4), velocity)

    @property
    def xyxy(self) -> Floats:
        """The box, (4,) float32 pixels; not clipped to the frame."""
        half = np.maximum(self.value[2:], _MIN_SIDE) / 2
        return np.concatenate([self.value[:2] - half, self.value[:2] + half]).astype(np.float32)

    def resized(self, change: SizeChange) -> "BoxMotion":
        """The same state in the pixels of another frame size."""
        factor = np.asarray([change.x, change.y, change.x, change.y])
        square = factor**2
        return BoxMotion(
            self.value * factor,
            self.velocity * factor,
            self.p00 * square,
            self.p01 * square,
            self.p11 * square,
        )

    def after(self, seconds: float) -> "BoxMotion":
        """Predicted state. Velocities fade (an object out of sight is not followed for ever)."""
        if seconds <= 0:
            return self
        fade = np.exp(-seconds / _VELOCITY_DECAY_S)
        reach = _VELOCITY_DECAY_S * (1 - fade)
        noise = (_ACCELERATION * _scale(self.value)) ** 2
        p00 = self.p00 + 2 * reach * self.p01 + reach**2 * self.p11 + noise * seconds**3 / 3
        p01 = fade * (self.p01 + reach * self.p11) + noise * seconds**2 / 2
        p11 = fade**2 * self.p11 + noise * seconds
        value = self.value + reach * self.velocity
        value[2:] = np.maximum(value[2:], _MIN_SIDE)
        return BoxMotion(value, fade * self.velocity, p00, p01, p11)

    def corrected(self, xyxy: Floats) -> "BoxMotion":
        """State after seeing a box (4,) in pixels."""
        seen = _centre_size(xyxy)
        total = self.p00 + (_MEASUREMENT * _scale(self.value)) ** 2
        gain, gain_velocity = self.p00 / total, self.p01 / total
        surprise = seen - self.value
        return BoxMotion(
            self.value + gain * surprise,
            self.velocity + gain_velocity * surprise,
            (1 - gain) * self.p00,
            (1 - gain) * self.p01,
            self.p11 - gain_velocity * self.p01,
        )


def _centre_size(xyxy: Floats) -> Vector:
    box = np.asarray(xyxy, np.float64)
    return np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])


def _scale(value: Vector) -> Vector:
    """Geometric mean of the sides: a flat pothole must not be held to its height alone."""
    side = float(np.sqrt(max(value[2], _MIN_SIDE) * max(value[3], _MIN_SIDE)))
    return np.full(4, side)
