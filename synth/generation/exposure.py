"""Brightening of dark patches before a generator encodes them, and the exponent that undoes it.

At night a hazard differs from its street by a few grey levels, fewer than a generator's noise. Raised to an
exponent of its own, each patch has the contrast of daylight, and bright pixels are not clipped. The inpainted
patch goes back by the inverse exponent. Pure arithmetic on pixels.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from synth.planning.patches import Image

TARGET_LIGHTNESS = 0.45
MIN_EXPONENT = 0.3


def exposure_of(patch: Image) -> float:
    """The exponent, 0.3 to 1, that raises a patch's median lightness (fraction of 255) to `TARGET_LIGHTNESS`.

    `patch` is (p, p, 3) uint8; 1 for a patch that is bright already.
    """
    lightness = float(np.median(patch.max(axis=2))) / 255
    if lightness >= TARGET_LIGHTNESS:
        return 1.0
    return max(float(np.log(TARGET_LIGHTNESS) / np.log(max(lightness, 0.01))), MIN_EXPONENT)


def exposures_of(patches: Iterable[Image]) -> NDArray[np.float32]:
    """The exponent of every patch, (n,)."""
    return np.asarray([exposure_of(patch) for patch in patches], np.float32)
