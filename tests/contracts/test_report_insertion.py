"""Reports as a batch inserts them, in every database of the store."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import IntegrityError

from cloud.errors import StoreUnavailable
from cloud.store.database import Database, open_database
from cloud.store.lists.filters import HazardFilter
from cloud.store.report_records import StoredReport
from cloud.store.report_store import ReportStore
from messaging.receipts import LedgerPosition
from messaging.reports import HazardState
from tests.support.cloud.postgres import PostgresServer
from tests.support.cloud.sample_reports import (
    MINUTE,
    counts,
    misdetection,
    received,
    tally,
)
from tests.support.messaging.samples import HAZARD, SAMPLES


def test_the_same_message_is_counted_once_however_often_it_comes(database: Database) -> None:
    store = ReportStore(database)
    one, two = received(misdetection()), received(tally())
    assert store.insert([one, two]).new == 2
    again = store.insert([two, one, one])
    assert (again.new, again.duplicates) == (0, 3)
    assert len(store.misdetections()) == 1
    assert [count.supported for count in store.recall_counts()] == [40]


def test_the_same_id_from_two_sites_is_two_messages(database: Database) -> None:
    store = ReportStore(database)
    one = received(misdetection())
    other = received(misdetection(), site="tunnel")
    same_id = type(other)(type(other.message)(one.message.id, "tunnel", 0, other.message.report), 100)
    assert store.insert([one, same_id]).new == 2


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_every_payload_type_of_the_table_is_stored(kind: str, database: Database) -> None:
    store = ReportStore(database)
    assert store.insert([received(SAMPLES[kind])]).new == 1
    assert counts(store) == {kind: 1}


def test_a_hazard_event_keeps_its_latest_state_and_never_leaves_closed(database: Database) -> None:
    store = ReportStore(database)
    later = {"at_utc": HAZARD.at_utc + 60}
    closed = HAZARD.model_copy(update={"state": HazardState.CLOSED, **later})
    stale = HAZARD.model_copy(update={"state": HazardState.UPDATED})
    for event in (HAZARD, closed, stale):
        store.insert([received(event)])
    rows = store.lists.hazards(HazardFilter(), limit=10)
    assert [(row.state, row.at_utc) for row in rows] == [("closed", HAZARD.at_utc + 60)]


def test_a_batch_stores_each_message_once_and_in_order(database: Database) -> None:
    store = ReportStore(database)
    known = received(misdetection(camera="known"))
    store.insert([known])
    grown = replace(known, message=replace(known.message, more=(misdetection(camera="added"),)))
    cameras = [f"camera-{n}" for n in range(300)]
    fresh = [received(misdetection(camera=name)) for name in cameras]
    found = store.insert([fresh[0], grown, *fresh])
    assert (found.new, found.duplicates) == (300, 2)
    assert [row.camera for row in store.misdetections()] == ["known", *cameras]


def test_new_reports_of_a_database_whose_sequence_fell_back_are_not_taken_for_known_ones(
    postgres: PostgresServer,
) -> None:
    database = open_database(postgres.new_database(), clock=lambda: MINUTE)
    store = ReportStore(database)
    store.insert([received(misdetection()) for _ in range(4)])
    with database.writing() as session:
        session.execute(delete(StoredReport).where(StoredReport.id < 3))
        session.execute(text("SELECT setval(pg_get_serial_sequence('reports', 'id'), 1, false)"))
    with pytest.raises(StoreUnavailable, match="2 of them below its last one, 4; set the sequence"):
        store.insert([received(misdetection()) for _ in range(2)])
    with pytest.raises(IntegrityError, match="pk_reports"):
        store.insert([received(misdetection())])
    assert len(store.misdetections()) == 2
    database.close()


def test_a_hazard_that_opens_and_closes_in_one_batch_is_closed(database: Database) -> None:
    store = ReportStore(database)
    closed = HAZARD.model_copy(update={"state": HazardState.CLOSED, "at_utc": HAZARD.at_utc + 60})
    store.insert([received(HAZARD), received(closed), received(HAZARD)])
    rows = store.lists.hazards(HazardFilter(), limit=10)
    assert [(row.state, row.at_utc) for row in rows] == [("closed", HAZARD.at_utc + 60)]


def test_the_reports_of_one_message_are_stored_together_and_once(database: Database) -> None:
    store = ReportStore(database)
    one = received(misdetection())
    more = (misdetection(camera="south"), misdetection(camera="west"))
    several = replace(one, message=replace(one.message, more=more))
    assert [store.insert([several]).new for _ in range(2)] == [1, 0]
    assert [row.camera for row in store.misdetections()] == ["north", "south", "west"]
    assert counts(store) == {"misdetection": 3}
    assert sum(total.length_bytes for total in store.lists.ledger_totals(limit=99)) == several.length_bytes


def test_the_highest_ledger_entry_of_a_site_is_kept(database: Database) -> None:
    store = ReportStore(database)
    for n in (3, 9, 4):
        store.insert([replace(received(misdetection()), ledger=LedgerPosition(n=n, hash=f"{n:064x}"))])
    store.note_ledger("tunnel", LedgerPosition(n=1, hash="1" * 64))
    store.note_ledger("harbour", None)
    assert {site.site: (site.ledger_n, site.ledger_hash) for site in store.sites()} == {
        "harbour": (9, f"{9:064x}"),
        "tunnel": (1, "1" * 64),
    }
