"""A model that ends its process, or is worse, is out of service: how long that takes, and that it is seen."""

from pathlib import Path

import pytest

from tests.support.edge.scripted_site import Behaviour
from tests.support.figures.rollbacks import after_worse_models, minutes_until_back
from tests.support.trouble.crashing_model import recovery, restart_s


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("passed", [False, True], ids=["on probation", "after its probation"])
def test_a_model_that_ends_the_process_is_given_up_and_the_one_before_serves(
    tmp_path: Path, passed: bool
) -> None:
    found = recovery(tmp_path / "site", passed=passed)
    assert found.ended == found.by_signal == 3


def test_the_supervisor_of_the_measurement_waits_as_long_as_the_shipped_unit() -> None:
    assert restart_s() == 2.0


def test_a_worse_model_goes_back_and_an_equal_one_does_not(tmp_path: Path) -> None:
    assert minutes_until_back(tmp_path / "worse", 3) is not None
    assert minutes_until_back(tmp_path / "equal", 3, Behaviour()) is None


def test_runs_that_never_went_back_count_as_the_longest() -> None:
    figures = {one.name: one for one in after_worse_models([20.0, None, 10.0, None, None])}
    assert figures["rollback_quality_min"].value == float("inf")
    assert figures["rollback_quality_min"].holds is False
    assert figures["rollback_quality_within_15_min"].value == 0.2
    assert figures["rollback_quality_p95_min"].value is None
    assert figures["rollback_quality_never"].value == 3
    assert {one.name: one.value for one in after_worse_models([9.0, 30.0, 4.0])} == {
        "rollback_quality_min": 9.0,
        "rollback_quality_within_15_min": pytest.approx(2 / 3),
        "rollback_quality_p95_min": 30.0,
        "rollback_quality_never": 0,
    }
