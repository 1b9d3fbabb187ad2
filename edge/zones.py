"""A camera's zones: polygons in which a hazard counts."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Zone:
    """A polygon in fractions of the frame; a hazard is where the bottom centre of its box is."""

    name: str
    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.corners) < 3 or not all(0 <= v <= 1 for corner in self.corners for v in corner):
            raise ValueError(f"zone {self.name} needs at least three corners within 0..1; got {self.corners}")

    def holds(self, x: float, y: float) -> bool:
        """Whether a point (fractions of the frame) is in the zone or on its edge."""
        return cv2.pointPolygonTest(np.asarray(self.corners, np.float32), (x, y), False) >= 0
