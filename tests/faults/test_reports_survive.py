"""No accepted report is lost and none is counted twice, whichever process is killed."""

from pathlib import Path

import pytest

from tests.support.faults.survival import Kills, compared, survival

pytestmark = pytest.mark.broker


def _survives(folder: Path, kills: Kills, *, reports: int, seed: int) -> None:
    found = survival(folder, kills, reports=reports, seed=seed)
    assert len(found.log) == kills.total, found.log
    assert (found.lost, found.twice, found.foreign) == (0, 0, 0), f"seed {seed}, kills {found.log}"
    hazards = (reports + 3) // 4
    assert found.ledger == {"hazard": hazards, "misdetection": reports - hazards}


def test_three_hundred_reports_survive_a_kill_of_hub_gate_and_intake(tmp_path: Path) -> None:
    _survives(tmp_path, Kills(hub=1, gate=1, intake=1), reports=300, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_reports_survive_ten_kills_and_two_lost_disks_of_the_hub(tmp_path: Path) -> None:
    _survives(tmp_path, Kills(hub=3, gate=3, site=2, intake=2, disks=2), reports=2000, seed=2)


def test_a_missing_a_repeated_and_a_foreign_report_are_counted() -> None:
    assert compared({"a", "b", "c"}, ["a", "b", "b", "b", "x"]) == (1, 2, 1)
