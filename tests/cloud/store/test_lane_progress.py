"""How far a lane is committed: never past a message that is missing, in whatever order the others arrive."""

import random
from dataclasses import replace

import pytest

from cloud.store.lane_progress import MOST_RANGES, Arrival, LaneProgress, advanced
from messaging.receipts import LanePlace, LaneReceipt, LedgerPosition

EMPTY = LaneProgress("s1", "hazards", "stream")


def arrival(sequence: int, after: int, settled: int = 0, *, stream: str = "stream") -> Arrival:
    place = LanePlace(stream, sequence, after, settled)
    return Arrival("s1", "hazards", place, LedgerPosition(100 + sequence, f"{sequence:064x}"))


def through(*arrivals: Arrival) -> int:
    return advanced(EMPTY, arrivals).through


def test_messages_in_order_are_receipted_with_the_entry_of_the_last() -> None:
    progress = advanced(EMPTY, [arrival(n, n - 1) for n in range(1, 6)])
    assert progress.receipt == LaneReceipt("stream", 5, 105, f"{5:064x}")
    assert progress.ranges == ()


def test_what_is_beyond_a_gap_waits_for_what_fills_it() -> None:
    beyond = advanced(EMPTY, [arrival(1, 0), arrival(3, 2), arrival(4, 3)])
    assert beyond.through == 1
    assert [one[:2] for one in beyond.ranges] == [(2, 4)]
    assert advanced(beyond, [arrival(2, 1)]).through == 4


def test_a_sequence_that_is_never_sent_is_no_gap() -> None:
    assert through(arrival(1, 0), arrival(5, 1)) == 5


def test_what_the_site_has_settled_is_no_gap_in_an_empty_database() -> None:
    progress = advanced(EMPTY, [arrival(501, 500, 500)])
    assert progress.through == 501


def test_what_is_settled_without_a_message_has_no_receipt_of_its_own() -> None:
    progress = advanced(EMPTY, [arrival(1, 0), arrival(9, 8, 5)])
    assert (progress.covered, progress.through) == (5, 1)
    filled = advanced(progress, [arrival(n, n - 1, 5) for n in (6, 7, 8)])
    assert filled.receipt == LaneReceipt("stream", 9, 109, f"{9:064x}")


def test_repeated_messages_change_nothing() -> None:
    before = advanced(EMPTY, [arrival(n, n - 1) for n in (1, 2, 3, 7, 8)])
    assert advanced(before, [arrival(n, n - 1) for n in (8, 2, 7, 1)]) == before


def test_another_stream_of_the_site_begins_at_its_beginning() -> None:
    before = advanced(EMPTY, [arrival(n, n - 1) for n in range(1, 9)])
    after = advanced(before, [arrival(1, 0, stream="another")])
    assert (after.stream, after.through) == ("another", 1)


def test_the_row_of_a_lane_with_many_gaps_stays_small() -> None:
    progress = advanced(EMPTY, [arrival(n, n - 1) for n in range(2, 10_000, 2)])
    assert len(progress.ranges) == MOST_RANGES
    assert progress.through == 0


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_with_losses_and_repetitions_no_missing_message_is_receipted(seed: int) -> None:
    """The rest arrives in a second round, as the site sends it again, and then all are receipted."""
    chance = random.Random(seed)
    void = {n for n in range(1, 60) if chance.random() < 0.1}
    sent = [n for n in range(1, 61) if n not in void]
    places = {n: arrival(n, max((m for m in sent if m < n), default=0)) for n in sent}
    first = [n for n in sent if chance.random() < 0.7] * 2
    chance.shuffle(first)
    progress, committed = EMPTY, set[int]()
    for n in (*first, *chance.sample(sent, len(sent))):
        committed.add(n)
        progress = advanced(progress, [places[n]])
        missing = min((m for m in sent if m not in committed), default=61)
        assert progress.through < missing
        assert progress.through == max((m for m in sent if m < missing), default=0)
    assert progress == replace(progress, through=60, covered=60, ranges=())
