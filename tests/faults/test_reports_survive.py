"""No accepted report is lost and none is counted twice, whichever process is killed or stops for a time."""

import subprocess
from pathlib import Path

import pytest

from tests.support.faults.fleet import pause
from tests.support.faults.survival import Kills, compared, survival
from tests.support.waiting import wait_until

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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_reports_survive_that_every_process_stops_for_longer_than_the_time_limits(tmp_path: Path) -> None:
    _survives(tmp_path, Kills(gate=1, pauses=8), reports=2000, seed=3)


def test_a_paused_process_stands_still_and_goes_on() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        timer = pause(process.pid, 0.5)
        wait_until(lambda: _state(process.pid) == "T")
        timer.join()
        wait_until(lambda: _state(process.pid) == "S")
        process.kill()


def _state(pid: int) -> str:
    """The state of a process, by Linux: T is stopped, S sleeps."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_missing_a_repeated_and_a_foreign_report_are_counted() -> None:
    assert compared({"a", "b", "c"}, ["a", "b", "b", "b", "x"]) == (1, 2, 1)
