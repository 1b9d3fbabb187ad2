"""The camera's perspective: metres in the street to pixels in the frame and back.

X runs right of the camera, Y up from the road, Z away from the camera, all in metres; the road is flat.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAREST_M = 2.5
FARTHEST_M = 160.0


@dataclass(frozen=True)
class View:
    """Pinhole camera above a flat road: horizon and vanishing point in pixels, mounting height in metres."""

    width: int
    height: int
    horizon_y: float
    vanish_x: float
    focal_px: float
    mounted_m: float

    def project(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Metres (n, 3) to pixels (n, 2); points nearer than 2.5 m are moved to 2.5 m."""
        scale = self.focal_px / np.maximum(points[:, 2], NEAREST_M)
        pixels = np.empty((len(points), 2), np.float32)
        pixels[:, 0] = self.vanish_x + points[:, 0] * scale
        pixels[:, 1] = self.horizon_y + (self.mounted_m - points[:, 1]) * scale
        return pixels

    def point(self, x: float, y: float, z: float) -> tuple[float, float]:
        """One point, metres to pixels."""
        scale = self.focal_px / max(z, NEAREST_M)
        return self.vanish_x + x * scale, self.horizon_y + (self.mounted_m - y) * scale

    def pixels_per_m(self, z: float) -> float:
        """How long a metre across the view is at depth `z`."""
        return self.focal_px / max(z, NEAREST_M)

    @property
    def ground_starts_m(self) -> float:
        """Depth of the road at the lower edge of the frame."""
        return self.focal_px * self.mounted_m / (self.height - self.horizon_y)

    def x_range_at(self, z: float) -> tuple[float, float]:
        """Metres left and right that the frame shows at depth `z`."""
        per_m = self.pixels_per_m(z)
        return -self.vanish_x / per_m, (self.width - self.vanish_x) / per_m
