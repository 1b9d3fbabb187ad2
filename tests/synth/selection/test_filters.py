import dataclasses

import numpy as np
import pytest

from messaging.errors import ConfigurationError
from synth.selection.filters import Confirmation, DuplicateIndex, FilterLimits, Findings, Refusal, refusal

GOOD = Findings(
    strength=40.0, plan_iou=0.7, shorter_px=20.0, confirmation=Confirmation(0.6, 0.8),
    prototype_distance=0.3, empty_distance=0.8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"strength": 2.0}, Refusal.NO_DIFFERENCE),
        ({"shorter_px": 2.0}, Refusal.NO_DIFFERENCE),
        ({"unsafe": True}, Refusal.UNSAFE),
        ({"plan_iou": 0.1}, Refusal.BOX_TOO_DIFFERENT),
        ({"confirmation": Confirmation(0.05, 0.8)}, Refusal.NOT_CONFIRMED),
        ({"confirmation": Confirmation(0.9, 0.1)}, Refusal.NOT_CONFIRMED),
        ({"confirmation": Confirmation(0.05, 0.8, "fire", 0.9)}, Refusal.WRONG_CONTENT),
        ({"confirmation": Confirmation(0.22, 0.4)}, None),
        ({"confirmation": Confirmation(0.6, 0.8, "garbage", 0.3)}, None),
        ({"confirmation": Confirmation(0.4, 0.8, "garbage", 0.3)}, Refusal.NOT_CONFIRMED),
        ({"confirmation": None}, None),
        ({"prototype_distance": 1.0}, Refusal.TOO_FAR_FROM_PROTOTYPE),
        ({"prototype_distance": None}, None),
        ({"duplicate_of": "a/0"}, Refusal.DUPLICATE),
    ],
)
def test_a_generated_hazard_is_refused_for_the_first_rule_that_it_breaks(
    change: dict[str, object], reason: Refusal | None
) -> None:
    assert refusal(dataclasses.replace(GOOD, **change), FilterLimits(), amorphous=False) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(("amorphous", "reason"), [(True, None), (False, Refusal.BOX_TOO_DIFFERENT)])
def test_amorphous_classes_have_a_lower_overlap_rule(amorphous: bool, reason: Refusal | None) -> None:
    loose = dataclasses.replace(GOOD, plan_iou=0.15, confirmation=Confirmation(0.3, 0.2))
    assert refusal(loose, FilterLimits(), amorphous=amorphous) == reason


def test_limits_outside_their_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        FilterLimits(confirm_lead=1.5)


def test_a_near_copy_is_found_and_another_image_is_not() -> None:
    rng = np.random.default_rng(0)
    first, other = rng.random(256) < 0.5, rng.random(256) < 0.5
    seen = DuplicateIndex()
    assert seen.find(first) is None
    seen.add("a/0", first)
    copy = first.copy()
    copy[:6] ^= True
    assert seen.find(copy) == "a/0"
    assert seen.find(other) is None
