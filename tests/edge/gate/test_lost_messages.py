"""What a site's broker has lost is counted by the numbers of its streams, across restarts of the gate."""

import logging
from pathlib import Path

import pytest

from edge.gate.lost_messages import LOST_FILE, LostMessages
from messaging.bus import StreamState
from messaging.wire_format.codec import Lane

LANE = Lane.HAZARDS


def _state(first: int, last: int, identity: str = "stream", *, holes: int = 0) -> StreamState:
    return StreamState(last - first + 1 - holes, 100, first, last, identity)


def _seen(folder: Path, *, last: int, forwarded: int) -> LostMessages:
    lost = LostMessages(folder / LOST_FILE)
    lost.compare(LANE, _state(1, last), forwarded)
    return lost


def test_a_stream_that_grows_and_is_purged_of_what_has_left_has_lost_nothing(tmp_path: Path) -> None:
    lost = _seen(tmp_path, last=20, forwarded=12)
    lost.compare(LANE, _state(13, 25), 25)
    lost.compare(LANE, _state(26, 25), 25)
    lost.compare(LANE, _state(26, 25, "recreated"), 25)
    assert lost.by_lane[LANE] == 0


@pytest.mark.parametrize(
    ("after", "count"),
    [
        (_state(21, 20), 8),  # everything is gone, and the numbers go on
        (_state(1, 0, "recreated"), 8),  # the stream is another one
        (_state(1, 15), 5),  # the end is gone
        (_state(1, 10), 8),  # the end is gone, with some that had left
        (_state(17, 20), 4),  # the beginning is gone
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_messages_that_are_gone_before_they_left_are_counted_once(
    tmp_path: Path, after: StreamState, count: int, restarted: bool
) -> None:
    lost = _seen(tmp_path, last=20, forwarded=12)
    if restarted:
        lost = LostMessages(tmp_path / LOST_FILE)
    lost.compare(LANE, after, 0)
    lost.compare(LANE, after, 0)
    assert lost.by_lane[LANE] == count
    assert LostMessages(tmp_path / LOST_FILE).by_lane[LANE] == count


def test_gaps_are_counted_but_not_those_at_the_beginning_again(tmp_path: Path) -> None:
    lost = _seen(tmp_path, last=20, forwarded=12)
    lost.compare(LANE, _state(15, 20), 12)
    assert lost.by_lane[LANE] == 2
    lost.missing(LANE, {13, 14, 17})
    assert lost.by_lane[LANE] == 3


def test_holes_of_a_stream_that_begins_anew_are_counted_at_once_and_once(tmp_path: Path) -> None:
    lost = _seen(tmp_path, last=20, forwarded=12)
    lost.compare(LANE, _state(1, 20, "recreated", holes=4), 12)
    assert lost.by_lane[LANE] == 4
    lost.missing(LANE, {17, 18, 19, 20})
    assert lost.by_lane[LANE] == 4


def test_a_damaged_file_begins_anew_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _seen(tmp_path, last=20, forwarded=12)
    (tmp_path / LOST_FILE).write_bytes(b'{"hazards": {"last": -1}}')
    with caplog.at_level(logging.WARNING):
        lost = LostMessages(tmp_path / LOST_FILE)
    assert lost.by_lane[LANE] == 0
    assert "damaged" in caplog.text
