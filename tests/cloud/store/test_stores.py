"""The store: one schema by migration, one row a report, and writers that do not trip over each other."""

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cloud.errors import NotKnown, StoreUnavailable
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database, sqlite_url
from cloud.store.mapping import Record
from cloud.store.records import CampaignPlan, CampaignStage, CampaignState, StageState, SyntheticImage
from cloud.store.report_records import LedgerTotal
from cloud.store.report_store import ReportStore
from messaging.reports import HazardState
from tests.support.cloud.sample_reports import (
    counts,
    heartbeat,
    message,
    misdetection,
    open_store,
    received,
    tally,
)
from tests.support.messaging.samples import HAZARD, SAMPLES


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    database, _ = open_store(tmp_path)
    with database.reading() as session:
        context = MigrationContext.configure(session.connection())
        assert compare_metadata(context, Record.metadata) == []


def test_opening_a_store_twice_keeps_what_is_in_it(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    store.insert([received(misdetection())])
    database.close()
    _, again = open_store(tmp_path)
    assert len(again.misdetections()) == 1


def test_a_store_that_cannot_be_opened_says_where_and_what_to_check(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(StoreUnavailable, match=r"not a database\); check the path"):
        open_database(sqlite_url(path))


def test_the_same_message_is_counted_once_however_often_it_comes(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    one, two = received(misdetection()), received(tally())
    assert store.insert([one, two]).new == 2
    again = store.insert([two, one, one])
    assert (again.new, again.duplicates) == (0, 3)
    assert len(store.misdetections()) == 1
    assert [count.supported for count in store.recall_counts()] == [40]


def test_the_same_id_from_two_sites_is_two_messages(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    one = received(misdetection())
    other = received(misdetection(), site="tunnel")
    same_id = type(other)(type(other.message)(one.message.id, "tunnel", 0, other.message.report), 100)
    assert store.insert([one, same_id]).new == 2


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_every_payload_type_of_the_table_finds_its_place(kind: str, tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    assert store.insert([received(SAMPLES[kind])]).new == 1
    assert counts(store) == {kind: 1}


def test_a_hazard_event_keeps_its_latest_state_and_never_leaves_closed(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    later = {"at_utc": HAZARD.at_utc + 60}
    closed = HAZARD.model_copy(update={"state": HazardState.CLOSED, **later})
    stale = HAZARD.model_copy(update={"state": HazardState.UPDATED})
    for event in (HAZARD, closed, stale):
        store.insert([received(event)])
    rows = store.hazards(limit=10)
    assert [(row.state, row.at_utc) for row in rows] == [("closed", HAZARD.at_utc + 60)]


def test_a_heartbeat_replaces_the_one_before_and_repeats_are_not_news(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    first, second = message(heartbeat()), message(heartbeat(uptime_s=20))
    assert [store.put_heartbeat(m, 100) for m in (first, first, second)] == [True, False, True]
    assert [beat.heartbeat.uptime_s for beat in store.heartbeats()] == [20]


def test_ledger_totals_are_counted_by_site_and_kind(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    batch = [received(misdetection()) for _ in range(3)]
    store.insert([*batch, received(tally(), site="tunnel")])
    totals = store.ledger_totals()
    assert totals[0] == LedgerTotal("harbour", "misdetection", 3, sum(r.length_bytes for r in batch))
    assert (totals[1].site, totals[1].kind, totals[1].count) == ("tunnel", "recall", 1)


def test_many_threads_may_write_at_once(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                store.insert([received(misdetection())])
                ReportStore(database).misdetections()
        except Exception as error:  # noqa: BLE001  # whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(store.misdetections()) == 40


def test_a_finished_stage_is_found_and_not_begun_again(tmp_path: Path) -> None:
    database, _ = open_store(tmp_path)
    store = CampaignStore(database)
    store.create("C1", CampaignPlan(("a.day-clear.missed",), 5), started_by="test")
    begun = store.begin_stage("C1", CampaignStage.PLAN, "d")
    store.end_stage("C1", CampaignStage.PLAN, "d", state=StageState.DONE, output={"x": 1})
    store.end_stage("C1", CampaignStage.PLAN, "d", state=StageState.FAILED, output={"x": 2})
    found = store.begin_stage("C1", CampaignStage.PLAN, "d")
    assert begun.state is StageState.RUNNING
    assert (found.state, found.output, found.runs) == (StageState.DONE, {"x": 1}, 1)


def test_outputs_are_found_of_campaigns_that_ended_well_only(tmp_path: Path) -> None:
    database, _ = open_store(tmp_path)
    store = CampaignStore(database)
    for number, state in enumerate((CampaignState.DONE, CampaignState.REJECTED, CampaignState.DONE)):
        store.create(f"C{number}", CampaignPlan(("a.day-clear.missed",), 5), started_by="test")
        for stage in (CampaignStage.PLAN, CampaignStage.FILTER):
            store.begin_stage(f"C{number}", stage, "d")
            output = {"of": f"{stage} {number}"}
            store.end_stage(f"C{number}", stage, "d", state=StageState.DONE, output=output)
        store.set_state(f"C{number}", state, ended=True)
    found = store.outputs_of_done(CampaignStage.FILTER, newest=3)
    assert found == [{"of": "filter 2"}, {"of": "filter 0"}]
    assert store.outputs_of_done(CampaignStage.FILTER, newest=1) == [{"of": "filter 2"}]
    assert store.outputs_of_done(CampaignStage.FILTER, newest=0) == []


def test_an_idempotency_key_gives_the_campaign_that_it_made_before(tmp_path: Path) -> None:
    database, _ = open_store(tmp_path)
    store = CampaignStore(database)
    plan = CampaignPlan(("a.day-clear.missed",), 5)
    first = store.create("C1", plan, started_by="test", idempotency_key="k")
    second = store.create("C2", plan, started_by="test", idempotency_key="k")
    assert first.id == second.id == "C1"
    assert store.by_idempotency_key("other") is None


def test_an_image_entered_twice_is_one_row_with_the_later_word(tmp_path: Path) -> None:
    database, _ = open_store(tmp_path)
    store = CampaignStore(database)
    store.create("C1", CampaignPlan(("a.day-clear.missed",), 5), started_by="test")
    store.put_images([SyntheticImage("C1", "i1", "a.day-clear.missed", True)])
    store.put_images([SyntheticImage("C1", "i1", "a.day-clear.missed", False, "duplicate")])
    assert [image.reason for image in store.images("C1")] == ["duplicate"]
    assert store.image_counts("C1") == {(False, "duplicate"): 1}


def test_a_revoked_site_has_no_heartbeat_until_it_is_enrolled_again(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    for site in ("harbour", "tunnel"):
        store.put_heartbeat(message(heartbeat(), site), 100)
    assert store.revoke_site("harbour").revoked
    assert store.revoke_site("harbour").revoked
    assert [beat.site for beat in store.heartbeats()] == ["tunnel"]
    assert {site.site: site.revoked for site in store.sites()} == {"harbour": True, "tunnel": False}
    assert not store.add_site("harbour").revoked
    assert [beat.site for beat in store.heartbeats()] == ["harbour", "tunnel"]


def test_a_site_that_is_not_known_cannot_be_revoked(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    with pytest.raises(NotKnown, match="site 'attic' is not known"):
        store.revoke_site("attic")
