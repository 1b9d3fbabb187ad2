"""Deliveries of one integration over a real database: their order, waits, dead letters."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.integrations.delivering import TIDY_EVERY_S, Deliverer
from cloud.integrations.notice import Notice
from cloud.integrations.outcome import Result, SendOutcome
from cloud.metrics import CloudMetrics
from cloud.store.database import open_database
from cloud.store.delivery_records import DeliveryState, HazardChange
from cloud.store.delivery_store import DeliveryStore
from cloud.store.lists.filters import DeliveryFilter
from messaging.runtime.quoting import sqlite_url
from tests.contracts.test_deliveries import delivery
from tests.support.integrations.notices import POSITION, webhook

HOUR_S = 3600


class Scripted:
    """A target that answers by script, `delivered` when the script is over; and a deliverer to it."""

    def __init__(self, store: DeliveryStore, now: list[int]) -> None:
        self.now, self.store = now, store
        self.answers: list[SendOutcome] = []
        self.notices: list[Notice] = []
        self.metrics = CloudMetrics()
        self.deliverer = Deliverer(
            webhook(first_wait_s=10, longest_wait_s=100, give_up_hours=1),
            self._send,
            store,
            {"harbour": POSITION},
            self.metrics,
            clock=lambda: float(now[0]),
            rng=random.Random(0),
        )

    def _send(self, notice: Notice) -> SendOutcome:
        self.notices.append(notice)
        return (
            self.answers.pop(0) if self.answers else SendOutcome(Result.DELIVERED, "the target answered 200")
        )

    @property
    def sent(self) -> list[str]:
        return [notice.hazard.event for notice in self.notices]

    def fail(self, times: int) -> None:
        self.answers += [SendOutcome(Result.FAILED, "the target answered 500")] * times


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Scripted]:
    now = [1_800_000_000]
    database = open_database(sqlite_url(tmp_path / "store.sqlite"), clock=lambda: now[0])
    yield Scripted(DeliveryStore(database), now)
    database.close()


def queue(target: Scripted, *numbers: int) -> None:
    for number in numbers:
        target.store.put(delivery(number, target.now[0]))


def drain(target: Scripted) -> None:
    while target.deliverer.deliver_next():
        pass


def test_deliveries_are_sent_in_order_with_the_position_of_the_site(target: Scripted) -> None:
    queue(target, 1, 2, 3)
    drain(target)
    assert target.sent == ["1", "2", "3"]
    assert {notice.position for notice in target.notices} == {POSITION}
    assert target.store.totals()["city"].delivered == 3


def test_a_failure_holds_those_behind_it_for_growing_waits(target: Scripted) -> None:
    queue(target, 1, 2)
    target.fail(5)
    waits = []
    for _ in range(5):
        drain(target)
        drain(target)
        held = target.store.next_waiting("city")
        assert held is not None
        assert held.hazard.event == "1"
        waits.append(held.due_at - target.now[0])
        target.now[0] = held.due_at
    drain(target)
    assert target.sent == ["1"] * 6 + ["2"]
    assert all(5 <= waits[n] / 2**n <= 15 for n in range(3))
    assert all(50 <= wait <= 150 for wait in waits[4:])
    assert len({notice.id for notice in target.notices[:6]}) == 1


def test_a_clock_that_is_set_back_holds_nothing_for_longer_than_the_longest_wait(target: Scripted) -> None:
    queue(target, 1)
    target.fail(1)
    drain(target)
    target.now[0] -= 30 * 24 * HOUR_S
    drain(target)
    assert target.sent == ["1", "1"]


def test_what_the_target_refuses_is_a_dead_letter_at_once_and_holds_nobody(target: Scripted) -> None:
    queue(target, 1, 2)
    target.answers = [SendOutcome(Result.REFUSED, "the target refused this message (status 422)")]
    drain(target)
    assert target.sent == ["1", "2"]
    (dead,) = target.store.page(DeliveryFilter(state=DeliveryState.DEAD), limit=9)
    assert (dead.hazard.event, dead.attempts) == ("1", 1)
    target.store.replay(dead.id)
    drain(target)
    assert target.sent == ["1", "2", "1"]
    assert target.store.totals()["city"].dead == 0


def test_a_target_that_stays_down_gets_dead_letters_and_then_what_is_new(target: Scripted) -> None:
    queue(target, 1)
    target.fail(1)
    drain(target)
    target.now[0] += HOUR_S + 1
    queue(target, 2)
    target.deliverer.tidy()
    drain(target)
    assert target.sent == ["1", "2"]
    (dead,) = target.store.page(DeliveryFilter(state=DeliveryState.DEAD), limit=9)
    assert dead.outcome == "not delivered within 1 hours: the target answered 500"


def test_tidying_happens_once_a_minute(target: Scripted) -> None:
    target.deliverer.tidy()
    queue(target, 1)
    target.now[0] += HOUR_S
    queue(target, 2)
    target.deliverer.tidy()
    target.now[0] += int(TIDY_EVERY_S) - 1
    target.deliverer.tidy()
    assert target.store.totals()["city"].dead == 0
    target.now[0] += 2
    target.deliverer.tidy()
    assert target.store.totals()["city"].dead == 1


def test_a_test_message_is_sent_past_the_queue_and_logged(target: Scripted) -> None:
    queue(target, 1)
    target.fail(1)
    failed = target.deliverer.test()
    assert (failed.change, failed.state, failed.outcome) == (
        HazardChange.TEST, DeliveryState.DEAD, "the target answered 500"
    )  # fmt: skip
    assert target.deliverer.test().state is DeliveryState.DELIVERED
    assert target.sent == ["0" * 26] * 2
    assert target.store.totals()["city"].waiting == 1


def test_attempts_are_counted_and_timed(target: Scripted) -> None:
    queue(target, 1)
    target.fail(1)
    drain(target)
    target.now[0] += 100
    drain(target)
    text = target.metrics.exposition().decode()
    assert 'blindspot_cloud_deliveries_total{integration="city",result="waiting"} 1.0' in text
    assert 'blindspot_cloud_deliveries_total{integration="city",result="delivered"} 1.0' in text
    assert 'blindspot_cloud_delivery_seconds_count{integration="city"} 2.0' in text
