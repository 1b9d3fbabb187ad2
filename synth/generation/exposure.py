"""How bright a patch is shown to a generator: dark streets are lifted to the middle of the scale.

At night a hazard differs from its street by a few grey levels, which drown in a generator's noise; lifted
by a power of its own for every patch, it has the contrast of daylight, and what shines is not cut off. The
painting goes back by the inverse power. Pure numbers; nothing here knows pictures' files or models.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from synth.planning.patches import Image

MIDDLE = 0.45
LEAST = 0.3


def exposure_of(patch: Image) -> float:
    """The power, 0.3 to 1, that lifts a patch's median lightness (share of 255) to the middle.

    `patch` is (p, p, 3) uint8; 1 for one that is bright already.
    """
    lightness = float(np.median(patch.max(axis=2))) / 255
    if lightness >= MIDDLE:
        return 1.0
    return max(float(np.log(MIDDLE) / np.log(max(lightness, 0.01))), LEAST)


def exposures_of(patches: Iterable[Image]) -> NDArray[np.float32]:
    """The power of every patch, (n,)."""
    return np.asarray([exposure_of(patch) for patch in patches], np.float32)
