"""Accept or refuse a generated hazard, with one reason from a fixed list.

The rules are pure functions of the judges' measurements (`Findings`) and never read pixels. They are checked
in this order: nothing there, unsafe, misplaced, wrong content, not confirmed, too far from the prototype,
duplicate.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from messaging.errors import ConfigurationError


class Refusal(StrEnum):
    """Why a generated hazard was not kept."""

    NO_DIFFERENCE = "no_difference"
    UNSAFE = "unsafe"
    BOX_TOO_DIFFERENT = "box_too_different_from_plan"
    WRONG_CONTENT = "wrong_content"
    NOT_CONFIRMED = "not_confirmed"
    TOO_FAR_FROM_PROTOTYPE = "too_far_from_prototype"
    DUPLICATE = "duplicate"
    OUT_OF_BUDGET = "out_of_budget"


@dataclass(frozen=True)
class Confirmation:
    """Detections of a reference detector at the label.

    `score` and `iou` belong to the wanted class's best detection there (0 and 0 when there is none),
    `rival` and `rival_score` to the best other class that covers the label.
    """

    score: float
    iou: float
    rival: str | None = None
    rival_score: float = 0.0


@dataclass(frozen=True)
class Findings:
    """Measurements of one generated hazard; None where a judge was not configured.

    Attributes:
        strength: mean difference to the empty patch, grey levels; 0 when nothing was generated.
        plan_iou: IoU of the tight box with the planned one.
        shorter_px: shorter side of the tight box, image pixels.
        confirmation: detections of the reference detector.
        prototype_distance: cosine distance of the hazard to the order's prototype.
        empty_distance: the same distance of the empty patch at the same box.
        unsafe: the generator's own safety checker flagged the patch.
        duplicate_of: name of a kept hazard with nearly the same perceptual hash.
    """

    strength: float
    plan_iou: float
    shorter_px: float
    confirmation: Confirmation | None = None
    prototype_distance: float | None = None
    empty_distance: float | None = None
    unsafe: bool = False
    duplicate_of: str | None = None


@dataclass(frozen=True)
class FilterLimits:
    """Limits of the rules. Confirmation starts from Gen2Det (IoU 0.3).

    The score of the wanted class must exceed every other one by `confirm_lead`: with a lower limit of 0.1
    alone, one kept fallen person in four was classified as garbage once the camera's noise was added, and
    the detector learned to confuse the two.
    """

    least_strength: float = 6.0
    least_side_px: float = 5.0
    plan_iou: float = 0.20
    plan_iou_amorphous: float = 0.12
    confirm_lead: float = 0.20
    confirm_iou: float = 0.30
    confirm_iou_amorphous: float = 0.15
    rival_score: float = 0.50
    prototype_margin: float = 0.05

    def __post_init__(self) -> None:
        fractions = (self.plan_iou, self.plan_iou_amorphous, self.confirm_lead, self.confirm_iou,
                  self.confirm_iou_amorphous, self.rival_score)  # fmt: skip
        if not all(0 <= fraction <= 1 for fraction in fractions):
            raise ConfigurationError(f"filter limits that are fractions must be between 0 and 1; got {self}")


def refusal(found: Findings, limits: FilterLimits, *, amorphous: bool) -> Refusal | None:
    """The reason of the first rule that the hazard breaks; None when it may be kept."""
    plan_iou = limits.plan_iou_amorphous if amorphous else limits.plan_iou
    if found.strength < limits.least_strength or found.shorter_px < limits.least_side_px:
        return Refusal.NO_DIFFERENCE
    if found.unsafe:
        return Refusal.UNSAFE
    if found.plan_iou < plan_iou:
        return Refusal.BOX_TOO_DIFFERENT
    if (verdict := _unconfirmed(found.confirmation, limits, amorphous=amorphous)) is not None:
        return verdict
    if _further_from_prototype(found, limits):
        return Refusal.TOO_FAR_FROM_PROTOTYPE
    return Refusal.DUPLICATE if found.duplicate_of is not None else None


def _unconfirmed(
    confirmation: Confirmation | None, limits: FilterLimits, *, amorphous: bool
) -> Refusal | None:
    if confirmation is None:
        return None
    iou = limits.confirm_iou_amorphous if amorphous else limits.confirm_iou
    lead = confirmation.score - confirmation.rival_score
    if lead >= limits.confirm_lead and confirmation.iou >= iou:
        return None
    return Refusal.WRONG_CONTENT if confirmation.rival_score >= limits.rival_score else Refusal.NOT_CONFIRMED


def _further_from_prototype(found: Findings, limits: FilterLimits) -> bool:
    """Whether the hazard is further from the prototype than the empty patch is."""
    if found.prototype_distance is None or found.empty_distance is None:
        return False
    return found.prototype_distance > found.empty_distance + limits.prototype_margin


class DuplicateIndex:
    """Perceptual hashes of the kept hazards; two that differ in at most `limit_bits` bits are duplicates."""

    def __init__(self, *, limit_bits: int = 10) -> None:
        self._limit = limit_bits
        self._names: list[str] = []
        self._hashes: list[NDArray[np.bool_]] = []

    def find(self, fingerprint: NDArray[np.bool_]) -> str | None:
        """Name of the nearest kept hazard within the limit, or None. `fingerprint` is bool (bits,)."""
        if not self._hashes:
            return None
        distances = (np.stack(self._hashes) != fingerprint).sum(axis=1)
        nearest = int(distances.argmin())
        return self._names[nearest] if distances[nearest] <= self._limit else None

    def add(self, name: str, fingerprint: NDArray[np.bool_]) -> None:
        """Add the hash of a kept hazard."""
        self._names.append(name)
        self._hashes.append(fingerprint)
