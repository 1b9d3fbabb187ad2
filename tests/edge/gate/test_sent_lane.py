"""One lane of the gate: which sequences are settled, and which are sent again when."""

import pytest

from edge.gate.sent_lane import LONGEST_WAIT_S, SentLane
from messaging.receipts import LanePlace, LedgerPosition, ReportHeader, report_header

WAIT_S = 60.0


def lane(first: int = 1) -> SentLane:
    made = SentLane(WAIT_S)
    made.begin("stream", first)
    return made


def test_a_place_names_the_last_message_before_it_that_is_not_settled() -> None:
    one = lane()
    assert one.place(1) == LanePlace("stream", 1, 0, 0)
    assert one.place(5) == LanePlace("stream", 5, 4, 0)
    one.receipted(3)
    assert one.place(4) == LanePlace("stream", 4, 3, 3)


def test_a_message_that_is_sent_after_its_receipt_has_a_place_that_intake_reads() -> None:
    """The hub's reply was lost, so that it is delivered again; the receipt came before."""
    one = lane()
    one.receipted(3)
    for sequence in (1, 2, 3):
        place = one.place(sequence)
        assert place == LanePlace("stream", sequence, sequence - 1, sequence - 1)
        stated = ReportHeader(LedgerPosition(1, "0" * 64), place)
        assert report_header(stated.text) == stated


def test_an_older_receipt_takes_nothing_back() -> None:
    one = lane()
    one.receipted(5)
    one.receipted(3)
    assert one.settled == 5


def test_messages_that_are_never_sent_are_no_gap() -> None:
    one = lane()
    for refused in (3, 4, 6):
        one.void(refused)
    assert one.place(5) == LanePlace("stream", 5, 2, 0)
    assert one.place(7) == LanePlace("stream", 7, 5, 0)
    one.receipted(2)
    assert one.settled == 4
    one.receipted(5)
    assert one.settled == 6


def test_what_is_refused_before_anything_is_sent_is_settled() -> None:
    one = lane()
    one.void(1)
    one.void(2)
    one.void(2)
    assert one.settled == 2


def test_what_was_purged_before_a_start_is_settled() -> None:
    assert lane(first=11).place(11) == LanePlace("stream", 11, 10, 10)


def test_another_stream_begins_at_its_beginning_and_the_same_one_changes_nothing() -> None:
    one = lane()
    one.receipted(7)
    one.begin("stream", 1)
    assert one.settled == 7
    one.begin("another", 1)
    assert one.place(1) == LanePlace("another", 1, 0, 0)


def test_what_has_no_receipt_in_time_is_due_and_then_in_twice_the_time() -> None:
    one = lane()
    one.sent(10, 0.0)
    assert one.due(WAIT_S - 1, 100) is None
    assert one.due(WAIT_S, 100) == (1, 10)
    one.receipted(4)
    assert one.due(WAIT_S, 100) == (5, 10)
    one.sent_again(10, WAIT_S)
    assert one.due(3 * WAIT_S - 1, 100) is None
    assert one.due(3 * WAIT_S, 100) == (5, 10)
    one.receipted(10)
    assert one.due(1e9, 100) is None


def test_a_large_group_is_sent_again_in_batches_in_order() -> None:
    one, sent, now_s = lane(), [], WAIT_S
    one.sent(25, 0.0)
    while (due := one.due(now_s, 10)) is not None:
        sent.append(due)
        one.sent_again(due[1], now_s)
    assert sent == [(1, 10), (11, 20), (21, 25)]


def test_groups_sent_at_different_times_are_due_at_different_times() -> None:
    one = lane()
    one.sent(10, 0.0)
    one.sent(20, 30.0)
    assert one.due(WAIT_S, 100) == (1, 10)
    one.sent_again(10, WAIT_S)
    assert one.due(WAIT_S, 100) is None
    assert one.due(WAIT_S + 30.0, 100) == (11, 20)


def test_another_hub_or_database_makes_all_due_at_once() -> None:
    one = lane()
    one.sent(10, 0.0)
    one.sent_again(10, WAIT_S)
    one.sent(20, WAIT_S)
    one.forget_receipts(WAIT_S + 1)
    assert one.due(WAIT_S + 1, 100) == (1, 10)
    one.sent_again(10, WAIT_S + 1)
    assert one.due(WAIT_S + 1, 100) == (11, 20)


def test_the_wait_grows_to_a_day_and_not_beyond() -> None:
    one, now_s = lane(), WAIT_S
    one.sent(1, 0.0)
    for _ in range(30):
        assert one.due(now_s, 1) == (1, 1)
        one.sent_again(1, now_s)
        now_s += LONGEST_WAIT_S


@pytest.mark.parametrize("rounds", [10_000])
def test_a_long_time_without_receipts_takes_little_memory(rounds: int) -> None:
    one = lane()
    for n in range(1, rounds + 1):
        one.sent(n, n * 10.0)
    assert len(one._groups) <= 200
    assert one.due(1e9, rounds) is not None
