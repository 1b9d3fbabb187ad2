"""Which failure modes were open at a time."""

from typing import Any

from cloud.failure_modes.rules import FailureMode, find_failure_modes
from cloud.failure_modes.status_history import open_at, status_at
from cloud.store.records import ModeChange, ModeState, ModeStatus
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.mode_rows import misdetection_row
from tests.support.cloud.sample_reports import MINUTE

MODE = "fire.night-clear.missed"


def mode(status: ModeStatus = ModeStatus.OPEN, **row: Any) -> FailureMode:
    states = {MODE: ModeState(MODE, status, MINUTE)}
    rows = [misdetection_row(**row)]
    return find_failure_modes(rows, {}, taxonomy=DEFAULT_TAXONOMY, in_service=set(), states=states)[0]


def change(at: int, before: ModeStatus | None, status: ModeStatus) -> ModeChange:
    return ModeChange(MODE, at, before, status, None, "")


def test_a_mode_has_the_status_of_its_last_change_by_then() -> None:
    changes = [
        change(MINUTE + 10, ModeStatus.OPEN, ModeStatus.IN_CAMPAIGN),
        change(MINUTE + 20, ModeStatus.IN_CAMPAIGN, ModeStatus.CLOSED),
        change(MINUTE + 30, ModeStatus.CLOSED, ModeStatus.REOPENED),
    ]
    found = [status_at(mode(), changes, MINUTE + s) for s in (5, 10, 25, 99)]
    assert found == [ModeStatus.OPEN, ModeStatus.IN_CAMPAIGN, ModeStatus.CLOSED, ModeStatus.REOPENED]
    assert [open_at([mode()], changes, MINUTE + s) for s in (-1, 5, 10, 25, 99)] == [0, 1, 0, 0, 1]


def test_before_the_first_recorded_change_the_number_is_unknown_and_not_a_guess() -> None:
    changes = [change(MINUTE + 10, None, ModeStatus.CLOSED)]
    assert open_at([mode(ModeStatus.CLOSED)], changes, MINUTE + 5) is None
    assert open_at([mode(ModeStatus.CLOSED)], changes, MINUTE + 10) == 0


def test_a_mode_that_never_changed_was_open_since_it_was_found() -> None:
    assert [open_at([mode()], [], MINUTE + s) for s in (-60, 0, 60)] == [0, 1, 1]
