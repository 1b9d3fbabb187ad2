"""Changes of hazards and their deliveries, over every database of the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.errors import NotKnown, NotNow
from cloud.store import report_insertion
from cloud.store.database import Database, open_database
from cloud.store.delivery_records import DeliveryState, HazardChange, HazardDelivery, HazardStatus
from cloud.store.delivery_store import KEPT_DAYS, DeliveryStore
from cloud.store.hazard_changes import Subscription
from cloud.store.lists.filters import DeliveryFilter, HazardFilter
from cloud.store.report_store import ReportStore
from messaging.reports import HazardEvent, HazardState, Report, Verdict
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.sample_reports import MINUTE, received
from tests.support.integrations.notices import FACTS
from tests.support.messaging.samples import HAZARD, SAMPLES

CLOSED = HAZARD.model_copy(update={"state": HazardState.CLOSED, "at_utc": HAZARD.at_utc + 60})
UPDATED = HAZARD.model_copy(update={"state": HazardState.UPDATED, "at_utc": HAZARD.at_utc + 30})
FALSE_ALARM = SAMPLES["verdict"].model_copy(update={"verdict": Verdict.FALSE_ALARM, "event": HAZARD.event})
SITE, EVENT = "harbour", HAZARD.event


@pytest.fixture
def now() -> list[int]:
    return [MINUTE]


@pytest.fixture
def database(store_url: str, now: list[int]) -> Iterator[Database]:
    database = open_database(store_url, clock=lambda: now[0])
    yield database
    database.close()


def store_of(database: Database, *subscriptions: Subscription) -> ReportStore:
    return ReportStore(database, subscriptions or [Subscription("city")])


def insert(store: ReportStore, *reports: Report) -> None:
    for report in reports:
        store.insert([received(report)])


def changes(database: Database, integration: str = "city") -> list[str]:
    """The changes that wait, in the order in which they are sent."""
    found = DeliveryStore(database).page(DeliveryFilter(integration=integration), limit=100)
    return [str(one.change) for one in reversed(found)]


def test_a_hazard_is_delivered_when_it_opens_and_when_it_closes_once_each(database: Database) -> None:
    insert(store_of(database), HAZARD, HAZARD, UPDATED, UPDATED, CLOSED, CLOSED)
    assert changes(database) == ["opened", "closed"]


@pytest.mark.parametrize("first", [UPDATED, CLOSED], ids=["updated", "closed"])
def test_a_hazard_of_which_the_beginning_was_lost_begins_all_the_same(
    database: Database, first: HazardEvent
) -> None:
    insert(store_of(database), first)
    assert changes(database) == (["opened"] if first is UPDATED else ["opened", "closed"])


def test_a_report_that_arrives_late_reopens_nothing(database: Database) -> None:
    insert(store_of(database), CLOSED, HAZARD)
    assert changes(database) == ["opened", "closed"]


def test_what_is_stored_twice_is_delivered_once(database: Database) -> None:
    store, one = store_of(database), received(HAZARD)
    store.insert([one, one])
    store.insert([one])
    assert changes(database) == ["opened"]


def test_an_integration_gets_only_the_hazards_that_it_wants(database: Database) -> None:
    store = store_of(
        database,
        Subscription("all"),
        Subscription("roads", classes=("pothole",)),
        Subscription("quay", sites=("quay",)),
        Subscription("grave", min_severity=5),
    )
    insert(store, HAZARD)
    found = {
        one.integration: one.change_id for one in DeliveryStore(database).page(DeliveryFilter(), limit=10)
    }
    assert set(found) == {"all", "grave"}
    assert len(set(found.values())) == 1


def test_what_operators_decide_is_delivered_and_kept(database: Database) -> None:
    store = store_of(database)
    insert(store, HAZARD)
    for status in (HazardStatus.ACKNOWLEDGED, HazardStatus.RESOLVED):
        store.hazard_changes.handle(SITE, EVENT, status)
    insert(store, CLOSED)
    assert changes(database) == ["opened", "acknowledged", "resolved", "closed"]
    assert store.hazard_changes.statuses(store.lists.hazards(HazardFilter(), limit=9)) == {
        (SITE, EVENT): HazardStatus.RESOLVED
    }


def test_a_resolved_hazard_is_not_acknowledged_again_and_not_resolved_twice(database: Database) -> None:
    store = store_of(database)
    insert(store, HAZARD)
    store.hazard_changes.handle(SITE, EVENT, HazardStatus.RESOLVED)
    with pytest.raises(NotNow, match="is resolved already"):
        store.hazard_changes.handle(SITE, EVENT, HazardStatus.RESOLVED)
    with pytest.raises(NotNow, match="is resolved already"):
        store.hazard_changes.handle(SITE, EVENT, HazardStatus.ACKNOWLEDGED)
    with pytest.raises(NotKnown, match="is not known"):
        store.hazard_changes.handle("quay", EVENT, HazardStatus.ACKNOWLEDGED)


def test_nothing_follows_a_false_alarm_whoever_found_it(database: Database) -> None:
    store = store_of(database)
    insert(store, HAZARD, FALSE_ALARM, FALSE_ALARM, CLOSED)
    assert changes(database) == ["opened", "false_alarm"]
    with pytest.raises(NotNow, match="is false alarm already"):
        store.hazard_changes.handle(SITE, EVENT, HazardStatus.RESOLVED)


def test_a_verdict_on_a_hazard_that_is_not_known_changes_nothing(database: Database) -> None:
    insert(store_of(database), FALSE_ALARM)
    assert changes(database) == []


def test_deliveries_wait_in_the_order_of_the_changes_and_replayed_ones_behind_them(
    database: Database, now: list[int]
) -> None:
    store, deliveries = store_of(database), DeliveryStore(database)
    insert(store, HAZARD)
    first = deliveries.next_waiting("city")
    assert first is not None
    deliveries.note_attempt(first, DeliveryState.DEAD, outcome="refused", seconds=0.1)
    insert(store, CLOSED)
    now[0] += 1
    again = deliveries.replay(first.id)
    assert (again.state, again.change_id, again.attempts) == (DeliveryState.WAITING, first.change_id, 0)
    waiting = deliveries.next_waiting("city")
    assert waiting is not None
    assert waiting.change is HazardChange.CLOSED
    with pytest.raises(NotNow, match="only dead letters are replayed"):
        deliveries.replay(first.id)
    with pytest.raises(NotKnown):
        deliveries.replay(10_000)


def test_the_queue_and_the_log_are_bounded_and_what_is_dropped_is_a_dead_letter(
    database: Database, now: list[int]
) -> None:
    deliveries = DeliveryStore(database, waiting_kept=3, ended_kept=2)
    for number in range(5):
        deliveries.put(delivery(number, now[0]))
    assert deliveries.bury_surplus("city") == 2
    totals = deliveries.totals()["city"]
    assert (totals.waiting, totals.dead) == (3, 2)
    dead = deliveries.page(DeliveryFilter(state=DeliveryState.DEAD), limit=9)
    assert [one.hazard.event for one in dead] == ["1", "0"]
    assert dead[0].outcome == "more than 3 deliveries waited"
    for _ in range(3):
        waiting = deliveries.next_waiting("city")
        assert waiting is not None
        deliveries.note_attempt(waiting, DeliveryState.DELIVERED, outcome="", seconds=0.1)
    deliveries.trim("city")
    assert [one.hazard.event for one in deliveries.page(DeliveryFilter(), limit=9)] == ["4", "3", "1", "0"]
    now[0] += (KEPT_DAYS + 1) * 86_400
    deliveries.trim("city")
    assert deliveries.page(DeliveryFilter(), limit=9) == []


def test_what_waits_too_long_or_for_nobody_is_a_dead_letter_with_its_last_fault(
    database: Database, now: list[int]
) -> None:
    deliveries = DeliveryStore(database)
    one = deliveries.put(delivery(1, now[0]))
    deliveries.note_attempt(one, DeliveryState.WAITING, outcome="it answered 500", seconds=0.1, wait_s=9)
    assert deliveries.bury_old("city", queued_before=now[0], outcome="too old") == 0
    assert deliveries.bury_old("city", queued_before=now[0] + 1, outcome="too old") == 1
    assert deliveries.page(DeliveryFilter(), limit=1)[0].outcome == "too old: it answered 500"
    deliveries.put(delivery(2, now[0]))
    assert deliveries.bury_unknown(["city"]) == 0
    assert deliveries.bury_unknown(["other"]) == 1


def test_deliveries_outlive_a_restart(database: Database, store_url: str) -> None:
    insert(store_of(database), HAZARD)
    database.close()
    again = open_database(store_url)
    waiting = DeliveryStore(again).next_waiting("city")
    again.close()
    assert waiting is not None
    assert waiting.hazard.class_name == "fire"


def test_a_database_that_is_filled_again_repeats_the_ids_of_changes(
    database: Database, tmp_path: Path
) -> None:
    other = open_database(sqlite_url(tmp_path / "other.sqlite"), clock=lambda: MINUTE + 999)
    for one in (database, other):
        insert(store_of(one), HAZARD, CLOSED)
    ids = [
        [row.change_id for row in DeliveryStore(one).page(DeliveryFilter(), limit=9)]
        for one in (database, other)
    ]
    other.close()
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_transaction_of_intake_that_fails_queues_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = store_of(database)
    monkeypatch.setattr(report_insertion, "note_ledgers", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.insert([received(HAZARD)])
    assert changes(database) == []
    assert store.lists.hazards(HazardFilter(), limit=1) == []


def delivery(number: int, queued_at: int) -> HazardDelivery:
    return HazardDelivery(
        integration="city",
        change_id=str(number),
        change=HazardChange.OPENED,
        changed_at=queued_at,
        hazard=type(FACTS)(**{**vars(FACTS), "event": str(number)}),
        state=DeliveryState.WAITING,
        queued_at=queued_at,
        due_at=queued_at,
    )


def test_the_deliveries_of_one_hazard_are_found_by_its_whole_event_and_site(database: Database) -> None:
    store = DeliveryStore(database)
    for number in (1, 11):
        store.put(delivery(number, queued_at=number))
    found = store.page(DeliveryFilter(site="harbour", event="1"), limit=9)
    assert [one.hazard.event for one in found] == ["1"]
    assert store.page(DeliveryFilter(site="harb", event="1"), limit=9) == []
