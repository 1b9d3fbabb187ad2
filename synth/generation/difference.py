"""Labels from the difference between two inpainted versions of one patch: with the hazard, and empty.

Both versions have the same seed and noise, so they differ where the hazard is. Works on one pair of patches
at the generator's size; nothing here depends on orders or models. Images are BGR uint8 (p, p, 3).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.hazard_classes import LabelRule
from synth.planning.patches import Image, Mask

Plane = NDArray[np.float32]

_SMOOTHING = 1 / 110
_WEAKEST_GREY_LEVELS = 5.0
_NOISE_FACTOR = 2.5
_FEATHER = 1 / 26
_FINER = 3
_SPECK = 6 * _FINER * _FINER
_HALF = 0.5
_CLEARLY_GREY_LEVELS = 22.0
_LARGEST_CHANGED_FRACTION = 0.2


@dataclass(frozen=True)
class DifferenceRule:
    """How a difference becomes a box.

    Attributes:
        peak_fraction: a pixel belongs to the hazard above this fraction of the strongest difference.
        component_fraction: a separate region counts from this fraction of the largest region's area on.
        trim: fraction of the difference's mass that is cut off at each edge of the box (thin wisps).
    """

    peak_fraction: float
    component_fraction: float
    trim: float


# measured on drawn pairs
DIFFERENCE_RULES = {
    LabelRule.RIGID: DifferenceRule(peak_fraction=0.25, component_fraction=0.05, trim=0.003),
    LabelRule.AMORPHOUS: DifferenceRule(peak_fraction=0.12, component_fraction=0.05, trim=0.003),
    LabelRule.LUMINOUS: DifferenceRule(peak_fraction=0.50, component_fraction=0.10, trim=0.003),
}


@dataclass(frozen=True, eq=False)
class DifferenceLabel:
    """The label that the difference gives.

    Attributes:
        xyxy: the tight box in patch pixels.
        strength: mean difference inside the hazard, grey levels.
        noise: median difference outside the mask, grey levels.
        cover: (p, p) float32 0-1, feathered: the weight with which the patch is pasted.
    """

    xyxy: tuple[float, float, float, float]
    strength: float
    noise: float
    cover: Plane


def read_label(hazard: Image, empty: Image, mask: Mask, *, rule: DifferenceRule) -> DifferenceLabel | None:
    """The tight box of what was generated inside `mask` (p, p); None when nothing was.

    The threshold is the maximum of the weakest visible difference, a multiple of the noise outside the
    mask, and `rule.peak_fraction` of the strongest difference.
    """
    difference = _difference(hazard, empty)
    outside = difference[~mask]
    noise = float(np.median(outside)) if outside.size else 0.0
    inside = np.where(mask, difference, 0.0).astype(np.float32)
    peak = float(np.quantile(inside[mask], 0.98)) if mask.any() else 0.0
    threshold = max(_WEAKEST_GREY_LEVELS, _NOISE_FACTOR * noise, rule.peak_fraction * peak)
    fine = cv2.resize(inside, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_CUBIC)
    fine_hot = _largest_regions(fine > threshold, rule.component_fraction)
    hot = cv2.resize(fine_hot.astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_AREA) > _HALF
    if not hot.any():
        return None
    box = _trimmed_box(np.where(fine_hot, fine, 0.0), rule.trim)
    return DifferenceLabel(
        xyxy=box,
        strength=float(inside[hot].mean()),
        noise=noise,
        cover=feathered(hot, mask),
    )


def is_empty(inpainted: Image, reconstructed: Image, mask: Mask) -> bool:
    """Whether a patch that was inpainted empty shows the background and nothing else.

    Compared inside `mask` with the background that only passed the encoder and decoder: when more than a
    fifth of the pixels differ clearly, the generator added something.
    """
    changed = _difference(inpainted, reconstructed)[mask] > _CLEARLY_GREY_LEVELS
    return bool(changed.mean() < _LARGEST_CHANGED_FRACTION)


def feathered(shape: Mask, mask: Mask) -> Plane:
    """Soft cover (p, p) float32: 1 on `shape`, decreasing to 0 around it and at the border of `mask`."""
    reach = max(len(shape) * _FEATHER, 1.0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(reach) + 3, 2 * round(reach) + 3))
    wide = cv2.dilate(shape.astype(np.uint8), kernel).astype(np.float32)
    soft = cv2.GaussianBlur(wide, (0, 0), reach * 0.7)
    inner = cv2.GaussianBlur(
        cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), reach * 0.5
    )
    return np.asarray(np.clip(soft * np.clip(inner * 1.3, 0, 1) * 1.05, 0, 1), np.float32)


def _difference(a: Image, b: Image) -> Plane:
    """Smoothed largest absolute difference over the channels, grey levels (p, p)."""
    sigma = max(len(a) * _SMOOTHING, 0.5)
    gap = cv2.GaussianBlur(a.astype(np.float32) - b.astype(np.float32), (0, 0), sigma)
    return np.asarray(np.abs(gap).max(axis=2), np.float32)


def _largest_regions(hot: Mask, fraction: float) -> Mask:
    """Connected regions with at least `fraction` of the largest one's area; very small ones are noise."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(hot.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return np.zeros_like(hot)
    kept = 1 + np.flatnonzero((areas >= _SPECK) & (areas >= fraction * areas.max()))
    return np.asarray(np.isin(labels, kept), np.bool_)


def _trimmed_box(mass: Plane, trim: float) -> tuple[float, float, float, float]:
    """Box (patch pixels) of all but a fraction `trim` of the finer mass at each edge."""
    left, right = _span(mass.sum(axis=0), trim)
    top, bottom = _span(mass.sum(axis=1), trim)
    return (left / _FINER, top / _FINER, right / _FINER, bottom / _FINER)


def _span(profile: NDArray[np.floating], trim: float) -> tuple[float, float]:
    running = np.cumsum(profile) / profile.sum()
    first = int(np.searchsorted(running, trim, side="right"))
    last = int(np.searchsorted(running, 1 - trim, side="left"))
    return float(first), float(max(last, first) + 1)
