"""The budget of 30 days is not spent in 30 minutes."""

from pathlib import Path

import pytest

from edge.errors import BudgetSpent
from edge.privacy.accountant import PrivacyAccountant
from edge.settings import PrivacySettings
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.edge.privacy.test_accountant import DAY, Clock, opened


def granted(
    payer: PrivacyAccountant, clock: Clock, classes: list[str], *, seconds: float, every_s: float = 60.0
) -> list[str]:
    """The classes of what is granted while every class asks again and again."""
    releases, until = list[str](), clock.ran_s + seconds
    while clock.ran_s < until:
        for name in classes:
            try:
                payer.spend(name)
            except BudgetSpent:
                continue
            releases.append(name)
        clock.ran_s += every_s
    return releases


def test_at_the_defaults_every_shipped_class_has_its_first_release_on_the_first_day(tmp_path: Path) -> None:
    clock = Clock()
    names = [known.name for known in DEFAULT_TAXONOMY.classes]
    payer = opened(tmp_path / "cam.json", PrivacySettings(), clock)
    assert sorted(granted(payer, clock, names, seconds=1800)) == sorted(names)


def test_one_class_is_released_once_a_day(tmp_path: Path) -> None:
    clock = Clock()
    payer = opened(tmp_path / "cam.json", PrivacySettings(), clock)
    assert granted(payer, clock, ["fire"], seconds=0.9 * DAY, every_s=3600) == ["fire"]
    assert granted(payer, clock, ["fire"], seconds=0.2 * DAY, every_s=3600) == ["fire"]


def test_however_many_classes_there_are_a_day_leaves_a_third_of_the_budget(tmp_path: Path) -> None:
    clock = Clock()
    payer = opened(tmp_path / "cam.json", PrivacySettings(), clock)
    names = [f"class_{i}" for i in range(20)]
    assert len(granted(payer, clock, names, seconds=1800)) == 7
    assert payer.epsilon_spent() < 6.5


def test_a_release_that_is_a_large_part_of_the_budget_is_possible_in_a_day(tmp_path: Path) -> None:
    clock = Clock()
    settings = PrivacySettings(epsilon_per_release=6.0)
    payer = opened(tmp_path / "cam.json", settings, clock)
    assert granted(payer, clock, ["fire", "smoke"], seconds=1800) == ["fire"]


def test_the_pace_is_a_setting(tmp_path: Path) -> None:
    clock = Clock()
    unpaced = PrivacySettings(part_per_day=1.0, repeats_per_day=1.0)
    assert len(granted(opened(tmp_path / "cam.json", unpaced, clock), clock, ["fire"], seconds=1200)) == 11
    with pytest.raises(ValueError, match="less than or equal to 1"):
        PrivacySettings(repeats_per_day=1.1)
