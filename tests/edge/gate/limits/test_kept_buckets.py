"""No restart of the gate, no clock and no damaged file gives a hostile node another burst."""

import logging
from itertools import count
from pathlib import Path

import pytest

from edge.gate.limits.kept_buckets import LEVELS_FILE, CountLimit, KeptBuckets, open_buckets
from messaging.runtime.atomic_files import write_atomically

NOW = 1_800_000_000
DAY_S, HOUR_S = 86_400, 3600
LIMITS = {"hazard": CountLimit(at_once=200, per_day=24), "swap": CountLimit(at_once=10, per_day=24)}


def _start(folder: Path, *, now_utc: int = NOW, new: bool = False) -> KeptBuckets:
    return open_buckets(folder, LIMITS, new=new, now_utc=now_utc)


def _burst(buckets: KeptBuckets, at_utc: int, *, kind: str = "hazard", camera: str = "north") -> int:
    """Reports that leave one by one until the bucket is empty."""
    for number in count():
        if not buckets.has(kind, camera, 1, at_utc):
            return number
        buckets.charge(kind, {camera: 1}, at_utc)
    raise AssertionError


def _writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that are written from now on."""
    seen: list[Path] = []

    def noted(path: Path, data: bytes) -> None:
        seen.append(path)
        write_atomically(path, data)

    monkeypatch.setattr("messaging.runtime.state_files.write_atomically", noted)
    return seen


def test_a_new_site_begins_full_and_a_kill_of_its_gate_gives_no_new_burst(tmp_path: Path) -> None:
    assert _burst(_start(tmp_path, new=True), NOW) == 200
    for _ in range(3):
        assert _burst(_start(tmp_path), NOW) == 0


@pytest.mark.parametrize("spent", [1, 2, 3, 50, 199])
def test_a_kill_at_any_moment_loses_at_most_a_hundredth_and_gives_nothing(spent: int, tmp_path: Path) -> None:
    buckets = _start(tmp_path, new=True)
    for _ in range(spent):
        buckets.charge("hazard", {"north": 1}, NOW)
    assert 200 - spent - 2 <= _burst(_start(tmp_path), NOW) <= 200 - spent


def test_a_regular_stop_loses_nothing_and_a_kill_after_the_next_start_gives_nothing(tmp_path: Path) -> None:
    buckets = _start(tmp_path, new=True)
    buckets.charge("hazard", {"north": 50, "south": 7}, NOW)
    buckets.close()
    again = _start(tmp_path)
    assert not again.has("hazard", "north", 151, NOW)
    assert again.has("hazard", "north", 150, NOW)
    assert again.has("hazard", "south", 193, NOW)
    again.charge("hazard", {"north": 1}, NOW)
    assert _burst(_start(tmp_path), NOW) <= 149


def test_a_gate_that_is_killed_every_hour_lets_no_more_leave_than_one_that_runs(tmp_path: Path) -> None:
    left = sum(_burst(_start(tmp_path, new=hour == 0), NOW + hour * HOUR_S) for hour in range(72))
    assert left <= 200 + 72


def test_what_fills_while_the_gate_is_off_is_there_at_its_start(tmp_path: Path) -> None:
    buckets = _start(tmp_path, new=True)
    _burst(buckets, NOW)
    buckets.close()
    assert _burst(_start(tmp_path, now_utc=NOW + 3 * DAY_S), NOW + 3 * DAY_S) == 72


def test_a_clock_set_forward_gives_no_more_than_the_cap_and_only_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = NOW + 3650 * DAY_S
    _burst(_start(tmp_path, new=True), NOW)
    assert _burst(_start(tmp_path, now_utc=later), later) <= 200
    assert not caplog.messages
    back = _start(tmp_path)
    assert _burst(back, NOW) == 0, "set back again"
    assert _burst(back, later) == 0, "and forward again while the gate runs"
    assert caplog.messages == [
        f"the count caps were last filled 87600.0 hours after this machine's time, and fill again once that "
        f"has passed; set the clock, or, if it was wrong then, remove {tmp_path / LEVELS_FILE}: they then "
        "begin empty"
    ]
    assert _burst(_start(tmp_path, now_utc=later), later) == 0, "and before it starts"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"{", b"[]", b'{"version": 2}', b'{"buckets": [{"kind": "hazard"}]}'],
    ids=["empty", "zeros", "cut", "another-document", "another-version", "another-bucket"],
)
@pytest.mark.parametrize("new", [True, False])
def test_a_damaged_file_counts_as_spent_and_is_one_sentence(
    content: bytes, new: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LEVELS_FILE).write_bytes(content)
    assert _burst(_start(tmp_path, new=new), NOW) == 0
    (sentence,) = caplog.messages
    assert str(tmp_path / LEVELS_FILE) in sentence
    assert sentence.endswith("counts as spent: the count caps begin empty")
    later = NOW + 5 * HOUR_S
    assert _burst(_start(tmp_path, now_utc=later), later) in (4, 5), "it fills from the first start on"
    assert _burst(_start(tmp_path, now_utc=later), later, camera="south") == 5, "so do those not charged yet"


def test_a_file_that_was_removed_counts_as_spent_where_something_has_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert _burst(_start(tmp_path), NOW) == 0
    assert f"{tmp_path / LEVELS_FILE} is missing" in caplog.messages[0]


def test_a_disk_that_takes_no_levels_lets_nothing_leave_and_charges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("messaging.runtime.state_files.write_atomically", full)
        buckets = _start(tmp_path, new=True)
        with pytest.raises(OSError, match="No space left"):
            buckets.charge("hazard", {"north": 1, "south": 1}, NOW)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert buckets.has("hazard", "north", 200, NOW)
    assert _burst(buckets, NOW) == 200
    assert _burst(_start(tmp_path), NOW) == 0


def test_levels_are_written_once_in_a_hundredth_of_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets, seen = _start(tmp_path, new=True), _writes(tmp_path, monkeypatch)
    _burst(buckets, NOW)
    assert 0 < len(seen) <= 100
    assert {path.name for path in seen} == {LEVELS_FILE}
