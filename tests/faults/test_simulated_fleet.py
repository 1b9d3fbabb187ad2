"""Simulated histories by seed: gate, intake and rollout keep their promises whatever fails, in any order."""

import pytest

from cloud.settings import RolloutSettings
from tests.support.faults.simulated_fleet import SETTINGS, SimulatedFleet

HISTORIES = 300
ALL_HISTORIES = 10_000
STEPS = 60


def _violations(
    seed: int, *, checks_receipts: bool = True, settings: RolloutSettings = SETTINGS
) -> list[str]:
    fleet = SimulatedFleet(seed, good_model=seed % 2 == 0, checks_receipts=checks_receipts, settings=settings)
    fleet.run(STEPS)
    return [f"seed {seed}: {violation}" for violation in fleet.violations]


def test_no_history_breaks_a_promise() -> None:
    assert [broken for seed in range(HISTORIES) for broken in _violations(seed)] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_history_of_ten_thousand_breaks_a_promise() -> None:
    assert [broken for seed in range(ALL_HISTORIES) for broken in _violations(seed)] == []


def test_the_same_histories_lose_reports_where_acknowledgements_count_as_receipts() -> None:
    """The control run: these histories do lose hubs with messages that nobody else has."""
    assert sum(bool(_violations(seed, checks_receipts=False)) for seed in range(12)) > 3


def test_the_same_histories_spread_a_bad_model_where_failures_do_not_count() -> None:
    """The control run of the rollout."""
    careless = SETTINGS.model_copy(update={"stop_fraction": 1.0})
    broken = [one for seed in range(1, 21, 2) for one in _violations(seed, settings=careless)]
    assert any("a bad model was ordered at" in one for one in broken)


def test_a_history_is_repeated_by_its_seed() -> None:
    first, second = SimulatedFleet(5, good_model=True), SimulatedFleet(5, good_model=True)
    first.run(STEPS)
    second.run(STEPS)
    assert (first.now_s, first.stored, first.rollout) == (second.now_s, second.stored, second.rollout)
