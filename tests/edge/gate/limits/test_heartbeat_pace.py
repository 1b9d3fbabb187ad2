"""Heartbeats leave often and are renewed seldom: a hostile node cannot stream through their counters."""

from pathlib import Path

from edge.gate.limits.heartbeat_pace import (
    BUDGETS,
    CHANGES,
    COUNTERS,
    LAST_FILE,
    HeartbeatPace,
    coarse_heartbeat,
)
from messaging.reports import AccountState, Heartbeat, PrivacyBudget
from tests.support.edge.gate_stage import buckets_of
from tests.support.messaging.samples import HEARTBEAT

NOW = 1_800_000_000
DAY_S = 86_400


def _pace(folder: Path, *, new: bool = True) -> HeartbeatPace:
    """The pace of a gate that starts with what is on disk."""
    return HeartbeatPace(folder, buckets_of(folder, new=new))


def _beat(n: int, **changes: object) -> Heartbeat:
    return HEARTBEAT.model_copy(update={"uptime_s": n, "at_utc": 5 * n, **changes})


def test_counters_change_only_as_often_as_their_bucket_allows(tmp_path: Path) -> None:
    pace, seen = _pace(tmp_path), set[int]()
    for n in range(DAY_S // 10):
        seen.add(pace.paced(_beat(n % 1000), NOW + 10 * n).uptime_s)
    assert len(seen) <= COUNTERS.at_once + COUNTERS.per_day + 1


def test_each_heartbeat_has_the_time_of_the_gate(tmp_path: Path) -> None:
    pace = _pace(tmp_path)
    assert [pace.paced(_beat(n), NOW + n).at_utc for n in range(100)] == [NOW + n for n in range(100)]


def test_another_model_and_a_lost_camera_leave_at_once_when_counters_wait(tmp_path: Path) -> None:
    pace = _pace(tmp_path)
    for n in range(COUNTERS.at_once + 10):
        pace.paced(_beat(n), NOW)
    lost = HEARTBEAT.cameras[0].model_copy(update={"connected": False, "frames": 555})
    sent = pace.paced(_beat(999, model_digest="9" * 64, cameras=(lost,)), NOW)
    assert sent.model_digest == "9" * 64
    assert (sent.cameras[0].connected, sent.cameras[0].frames) == (False, 100)
    assert sent.uptime_s != 999


def test_a_node_that_flips_a_model_back_and_forth_is_held_to_so_many_changes(tmp_path: Path) -> None:
    pace, changes, last = _pace(tmp_path), 0, ""
    for n in range(DAY_S // 10):
        digest = f"{n % 2}" * 64
        found = pace.paced(_beat(1, model_digest=digest), NOW + 10 * n).model_digest or ""
        changes, last = changes + (found != last), found
    both = (CHANGES, COUNTERS)
    assert changes <= sum(limit.at_once + limit.per_day for limit in both) + 1


def test_counters_keep_three_digits_and_cameras_come_by_name() -> None:
    first, second = (HEARTBEAT.cameras[0].model_copy(update={"camera": name}) for name in ("b", "a"))
    found = coarse_heartbeat(_beat(123_456, cameras=(first, second)))
    assert found.uptime_s == 123_000
    assert [camera.camera for camera in found.cameras] == ["a", "b"]


def test_a_restart_of_the_gate_sends_no_counters_that_had_not_left(tmp_path: Path) -> None:
    pace, sent = _pace(tmp_path), set[int]()
    for n in range(COUNTERS.at_once + CHANGES.at_once + 10):
        sent.add(pace.paced(_beat(n), NOW).uptime_s)
    again = _pace(tmp_path, new=False).paced(_beat(999), NOW + 1)
    assert again.uptime_s == max(sent)
    assert again.at_utc == NOW + 1


def test_a_damaged_last_heartbeat_is_replaced_and_its_counters_are_charged(tmp_path: Path) -> None:
    pace = _pace(tmp_path)
    for n in range(COUNTERS.at_once + 10):
        pace.paced(_beat(n), NOW)
    for restart in range(5):
        (tmp_path / LAST_FILE).write_bytes(b"{")
        assert _pace(tmp_path, new=False).paced(_beat(900 + restart), NOW).uptime_s == 900 + restart
    held = _pace(tmp_path, new=False)
    assert held.paced(_beat(1), NOW + 3 * DAY_S // COUNTERS.per_day).uptime_s == 904, "five were charged"
    assert held.paced(_beat(1), NOW + DAY_S).uptime_s == 1


def _budgeted(n: int, left: float, account: AccountState = AccountState.OPEN) -> Heartbeat:
    budget = PrivacyBudget(epsilon=8.0, window_days=30, epsilon_left=left, account=account)
    camera = HEARTBEAT.cameras[0].model_copy(update={"budget": budget})
    return _beat(n, cameras=(camera,), epsilon_spent=8.0 - left)


def test_what_is_left_of_a_budget_changes_only_as_often_as_its_own_bucket_allows(tmp_path: Path) -> None:
    pace, seen = _pace(tmp_path), set[tuple[object, float]]()
    for n in range(DAY_S // 10):
        sent = pace.paced(_budgeted(n % 1000, n % 800 / 100), NOW + 10 * n)
        seen.add((sent.cameras[0].budget, sent.epsilon_spent))
    assert len(seen) <= BUDGETS.at_once + BUDGETS.per_day + 1


def test_a_lost_account_leaves_with_the_next_counters_and_unchanged_budgets_cost_nothing(
    tmp_path: Path,
) -> None:
    pace = _pace(tmp_path)
    for n in range(COUNTERS.at_once - 1):
        pace.paced(_budgeted(n, 5.17), NOW)
    budget = pace.paced(_budgeted(99, 0.0, AccountState.LOST), NOW).cameras[0].budget
    assert budget is not None
    assert (budget.epsilon_left, budget.account) == (0.0, AccountState.LOST)


def test_a_camera_that_appears_while_no_budget_may_leave_has_none_until_one_may(tmp_path: Path) -> None:
    pace = _pace(tmp_path)
    for n in range(BUDGETS.at_once + 1):
        pace.paced(_budgeted(n, n / 10), NOW)
    both = _budgeted(1, 7.0)
    new = both.cameras[0].model_copy(update={"camera": "south"})
    both = both.model_copy(update={"cameras": (*both.cameras, new)})
    north, south = pace.paced(both, NOW).cameras
    last = _budgeted(1, (BUDGETS.at_once - 1) / 10).cameras[0].budget
    assert (north.budget, south.budget) == (last, None)
    north, south = pace.paced(both, NOW + DAY_S).cameras
    assert north.budget == south.budget == new.budget
