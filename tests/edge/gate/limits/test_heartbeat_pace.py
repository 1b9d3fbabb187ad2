"""Heartbeats leave often and are renewed seldom: a hostile node cannot stream through their counters."""

import itertools
from pathlib import Path

from edge.gate.limits.coarse import ERROR_COUNTS, RATES, nearest
from edge.gate.limits.heartbeat_pace import (
    BUDGETS,
    CHANGES,
    COUNTERS,
    LAST_FILE,
    HeartbeatPace,
    coarse_heartbeat,
)
from messaging.reports import AccountState, FrameFlow, Heartbeat, PrivacyBudget
from messaging.wire_format.codec import Message, decode, encode
from tests.support.edge.gate_stage import buckets_of
from tests.support.messaging.samples import HEARTBEAT, ULID_SAMPLE

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


def test_rates_and_decode_errors_leave_in_ten_steps_a_decade_and_light_in_twentieths() -> None:
    flow = FrameFlow(
        processed_fps=13.3, skipped_fps=0.4, decode_errors=137, day_fraction=0.43, night_fraction=0.57
    )
    camera = HEARTBEAT.cameras[0].model_copy(update={"fps": 29.97, "flow": flow, "inference_p95_ms": 34.4})
    (sent,) = coarse_heartbeat(_beat(1, cameras=(camera,), resident_mb=217.3)).cameras
    assert (sent.fps, sent.inference_p95_ms) == (30.0, 34.0)
    assert sent.flow == FrameFlow(
        processed_fps=12.0, skipped_fps=0.4, decode_errors=150, day_fraction=0.45, night_fraction=0.55
    )
    beat = _beat(1, cameras=(sent,))
    assert decode(encode(Message(ULID_SAMPLE, "s1", NOW, beat))).report == beat


def test_a_rate_is_at_most_a_seventh_from_that_of_the_node() -> None:
    assert (RATES[0], RATES[-1], ERROR_COUNTS[-1]) == (0.0, 1000.0, 10_000_000)
    middles = [(low + high) / 2 for low, high in itertools.pairwise(RATES) if low >= 0.6]
    assert max(abs(nearest(middle, RATES) / middle - 1) for middle in middles) < 0.143
    assert max(abs(nearest(n, ERROR_COUNTS) / n - 1) for n in range(1, 100_000)) < 0.143


def test_a_heartbeat_of_an_older_node_leaves_without_the_flow_of_its_frames() -> None:
    camera = HEARTBEAT.cameras[0].model_copy(update={"flow": None})
    assert coarse_heartbeat(_beat(1, cameras=(camera,))).cameras[0].flow is None


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
