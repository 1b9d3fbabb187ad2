"""One suite for every database of the store: SQLite, and a real PostgreSQL where it is installed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cloud.errors import NotKnown
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database, open_database
from cloud.store.history.stores import HistoryStores
from cloud.store.lane_progress import Arrival
from cloud.store.ledger_store import LedgerStore
from cloud.store.lists.filters import HazardFilter
from cloud.store.mapping import Record
from cloud.store.mode_store import ModeStore
from cloud.store.receipt_store import ReceiptStore
from cloud.store.records import (
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    ModeState,
    ModeStatus,
    StageState,
    SyntheticImage,
)
from cloud.store.report_insertion import Received
from cloud.store.report_records import LedgerTotal
from cloud.store.report_store import ReportStore
from messaging.receipts import LanePlace, LaneReceipt, LedgerPosition
from messaging.reports import ShadowReport, SwapOutcome
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.sample_reports import (
    MINUTE,
    NEW,
    OLD,
    guard,
    heartbeat,
    message,
    misdetection,
    received,
    swap,
    tally,
)
from tests.support.messaging.samples import GUARD, HAZARD, SAMPLES
from tests.support.messaging.site_keys import site_key

MODE = "a.day-clear.missed"
PLAN = CampaignPlan((MODE,), 5)


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(database: Database) -> None:
    HistoryStores.of(database)  # whose modules define tables of their own
    with database.reading() as session:
        context = MigrationContext.configure(session.connection())
        assert compare_metadata(context, Record.metadata) == []


def test_what_a_site_has_signed_is_kept_and_verified_again(database: Database) -> None:
    store, key = LedgerStore(database), site_key("harbour")
    ledger = [LedgerPosition(n, f"{n:064x}") for n in range(1, 6)]
    ReportStore(database).insert([replace(received(misdetection()), ledger=ledger[2])])
    assert store.take([key.checkpoint(ledger[1], MINUTE)]) == {"harbour": ""}
    assert store.take([key.checkpoint(ledger[1], MINUTE)]) == {}
    assert store.take([key.checkpoint(ledger[4], MINUTE)]) == {"harbour": ""}
    assert store.entries("harbour", after=2, limit=9) == [ledger[2], ledger[4]]
    found = store.audit("harbour")
    assert (found.fault, found.last and found.last.n) == ("", 5)
    assert "went back" in store.take([key.checkpoint(ledger[1], MINUTE)])["harbour"]
    assert "went back" in store.audit("harbour").fault


def test_a_database_has_one_identity_and_another_has_another(
    database: Database, store_url: str, tmp_path: Path
) -> None:
    identity = ReceiptStore(database).identity()
    database.close()
    again, other = open_database(store_url), open_database(sqlite_url(tmp_path / "other.sqlite"))
    assert ReceiptStore(again).identity() == identity
    assert ReceiptStore(other).identity() != identity
    again.close()
    other.close()


def test_the_lanes_of_sites_are_kept_apart(database: Database) -> None:
    store, ledger = ReceiptStore(database), LedgerPosition(7, "ab" * 32)
    store.settle(
        [
            Arrival("harbour", "hazards", LanePlace("one", 1, 0, 0), ledger),
            Arrival("harbour", "evidence", LanePlace("two", 5, 4, 0), ledger),
            Arrival("harbour", "hazards", LanePlace("one", 2, 1, 0), ledger),
            Arrival("quay", "hazards", LanePlace("three", 1, 0, 0), ledger),
        ]
    )
    found = store.receipts(["harbour", "quay", "tunnel"])
    assert {site: {lane: r.through for lane, r in lanes.items()} for site, lanes in found.items()} == {
        "harbour": {"hazards": 2, "evidence": 0},
        "quay": {"hazards": 1},
        "tunnel": {},
    }
    store.settle([Arrival("harbour", "evidence", LanePlace("two", 4, 0, 0), ledger)])
    assert store.receipts(["harbour"])["harbour"]["evidence"] == LaneReceipt("two", 5, 7, "ab" * 32)


def test_opening_a_store_twice_keeps_what_is_in_it(database: Database, store_url: str) -> None:
    ReportStore(database).insert([received(misdetection())])
    database.close()
    again = open_database(store_url)
    assert len(ReportStore(again).misdetections()) == 1
    again.close()


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    images = [SyntheticImage(campaign, "i1", MODE, True) for campaign in ("C1", "not a campaign")]
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    with pytest.raises(IntegrityError):
        store.put_images(images)
    assert store.images("C1") == []


def test_a_reader_keeps_its_snapshot_while_a_writer_commits(database: Database) -> None:
    states = ModeStore(database)
    states.put(ModeState(MODE, ModeStatus.OPEN, 1), "")
    with database.reading() as session:
        before = session.scalars(select(ModeState.status)).all()
        states.put(ModeState(MODE, ModeStatus.CLOSED, 2), "")
        assert session.scalars(select(ModeState.status)).all() == before == [ModeStatus.OPEN]
    assert states.states()[MODE].status is ModeStatus.CLOSED


def test_a_record_is_a_value_that_is_read_anywhere_and_changed_nowhere(database: Database) -> None:
    made = CampaignStore(database).create("C1", PLAN, started_by="test")
    found = CampaignStore(database).get("C1")
    database.close()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (found.plan, found.state)).result() == (PLAN, CampaignState.QUEUED)
    assert found == made
    with pytest.raises(FrozenInstanceError, match=r"Campaign\.state is set"):
        found.state = CampaignState.DONE
    assert replace(found, attempt=3).attempt == 3


def test_hazards_come_latest_first_and_after_the_last_one_seen(database: Database) -> None:
    store = ReportStore(database)
    starts = {"a": 10, "b": 30, "c": 20, "d": 20}
    for event, started in starts.items():
        times = {"started_at_utc": HAZARD.started_at_utc + started, "at_utc": HAZARD.at_utc + started}
        changed = HAZARD.model_copy(update={"event": HAZARD.event[:-1] + event.upper(), **times})
        store.insert([received(changed, "tunnel" if event == "a" else "harbour")])
    first = store.lists.hazards(HazardFilter(), limit=2)
    rest = store.lists.hazards(HazardFilter(), after=(first[-1].started_at_utc, first[-1].event), limit=5)
    assert [row.event[-1] for row in (*first, *rest)] == ["B", "D", "C", "A"]
    assert [row.event[-1] for row in store.lists.hazards(HazardFilter("tunnel"), limit=5)] == ["A"]
    assert store.lists.count_hazards(since_utc=HAZARD.started_at_utc + 20) == 3


def test_tallies_are_summed_by_site_class_condition_source_and_model(database: Database) -> None:
    store = ReportStore(database)
    again, other = tally(camera="south", supported=2, detected=1), tally(minute_utc=MINUTE - 600)
    store.insert([received(tally()), received(again), received(other), received(tally(), "tunnel")])
    found = {count.site: (count.supported, count.detected) for count in store.recall_counts(since_utc=MINUTE)}
    assert found == {"harbour": (42, 11), "tunnel": (40, 10)}


def test_shadow_reports_are_found_by_candidate_and_swaps_by_site(database: Database) -> None:
    store = ReportStore(database)
    shadow = SAMPLES["shadow"]
    assert isinstance(shadow, ShadowReport)
    store.insert([received(shadow), received(shadow.model_copy(update={"candidate_digest": NEW}), "tunnel")])
    assert [one.site for one in store.shadow_reports()] == ["harbour", "tunnel"]
    assert [(one.site, one.report.candidate_digest) for one in store.shadow_reports(NEW)] == [("tunnel", NEW)]
    done = swap(1, NEW, SwapOutcome.INSTALLED)
    store.insert([received(done), received(done, "tunnel")])
    assert [row.site for row in store.swaps()] == ["harbour", "tunnel"]
    assert [(row.site, row.outcome) for row in store.swaps("tunnel")] == [("tunnel", SwapOutcome.INSTALLED)]


def test_of_a_guard_the_last_report_of_each_site_within_a_time_is_found(database: Database) -> None:
    store = ReportStore(database)
    of_north = [guard(NEW, OLD, MINUTE + 600 * n, frames=100 * (n + 1)) for n in range(4)]
    store.insert([received(one, "north") for one in of_north])
    store.insert([received(guard(NEW, OLD, MINUTE + 600), "south"), received(guard(OLD, NEW, MINUTE + 600))])
    found = store.guard_reports(NEW, MINUTE + 600, MINUTE + 1800)
    assert {one.site: one.report.frames for one in found} == {"north": 300, "south": GUARD.frames}
    assert {one.site: one.report.frames for one in store.guard_reports(NEW, MINUTE, None)}["north"] == 400
    assert store.guard_reports(NEW, MINUTE + 1801, None) == []


def test_a_heartbeat_replaces_the_one_before_and_a_repeated_one_changes_nothing(database: Database) -> None:
    store = ReportStore(database)
    first, second = message(heartbeat()), message(heartbeat(uptime_s=20))
    assert [store.put_heartbeats([Received(m, 100)]) for m in (first, first, second)] == [1, 0, 1]
    assert [beat.heartbeat.uptime_s for beat in store.heartbeats()] == [20]


def test_ledger_totals_are_counted_by_site_and_kind(database: Database) -> None:
    store = ReportStore(database)
    batch = [received(misdetection()) for _ in range(3)]
    store.insert([*batch, received(tally(), site="tunnel")])
    totals = store.lists.ledger_totals(limit=99)
    assert totals[0] == LedgerTotal("harbour", "misdetection", 3, sum(r.length_bytes for r in batch))
    assert (totals[1].site, totals[1].kind, totals[1].count) == ("tunnel", "recall", 1)


def test_many_threads_may_write_at_once(database: Database) -> None:
    store = ReportStore(database)
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


def test_a_finished_stage_is_found_and_not_begun_again(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    begun = store.begin_stage("C1", CampaignStage.PLAN, "d")
    store.end_stage("C1", CampaignStage.PLAN, "d", state=StageState.DONE, output={"x": 1})
    store.end_stage("C1", CampaignStage.PLAN, "d", state=StageState.FAILED, output={"x": 2})
    found = store.begin_stage("C1", CampaignStage.PLAN, "d")
    assert begun.state is StageState.RUNNING
    assert (found.state, found.output, found.runs) == (StageState.DONE, {"x": 1}, 1)


def test_metrics_are_stored_while_a_stage_runs_and_stay_until_it_is_done(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    stage = ("C1", CampaignStage.TRAIN, "d")
    store.begin_stage(*stage)
    store.show_metrics(*stage, {"losses": [1.5]})
    store.show_metrics(*stage, {"losses": [1.5, 1.25]})
    store.report_progress(*stage, progress=0.5, note="epoch 3 of 4")
    store.end_stage(*stage, state=StageState.FAILED, note="the cloud was killed")
    assert store.begin_stage(*stage).metrics == {"losses": [1.5, 1.25]}
    store.end_stage(*stage, state=StageState.DONE, metrics={"losses": [1.5, 1.25, 1.0], "steps": 9})
    store.show_metrics(*stage, {"losses": []})
    assert store.stages("C1")[0].metrics == {"losses": [1.5, 1.25, 1.0], "steps": 9}


def test_outputs_are_found_of_campaigns_whose_model_was_rolled_out_only(database: Database) -> None:
    store = CampaignStore(database)
    outcomes = (StageState.DONE, StageState.STOPPED, StageState.DONE)
    for number, rolled_out in enumerate(outcomes):
        store.create(f"C{number}", PLAN, started_by="test")
        for stage, digest in ((CampaignStage.FILTER, "d"), (CampaignStage.FILTER, "e")):
            store.begin_stage(f"C{number}", stage, digest)
            output = {"of": f"{digest} {number}"}
            store.end_stage(f"C{number}", stage, digest, state=StageState.DONE, output=output)
        store.begin_stage(f"C{number}", CampaignStage.ROLL_OUT, "d")
        store.end_stage(f"C{number}", CampaignStage.ROLL_OUT, "d", state=rolled_out)
        state = CampaignState.RUNNING if number == 2 else CampaignState.DONE
        store.set_state(f"C{number}", state)
    found = store.outputs_of_rolled_out(CampaignStage.FILTER, newest=3)
    assert found == [{"of": "e 2"}, {"of": "e 0"}], "of each campaign the last"
    assert store.outputs_of_rolled_out(CampaignStage.FILTER, newest=1) == [{"of": "e 2"}]
    assert store.outputs_of_rolled_out(CampaignStage.FILTER, newest=0) == []


def test_an_idempotency_key_gives_the_campaign_that_it_made_before(database: Database) -> None:
    store = CampaignStore(database)
    first = store.create("C1", PLAN, started_by="test", idempotency_key="k")
    second = store.create("C2", PLAN, started_by="test", idempotency_key="k")
    assert first.id == second.id == "C1"
    assert store.by_idempotency_key("other") is None


def test_an_image_stored_twice_is_one_row_with_the_later_values(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    store.put_images([SyntheticImage("C1", "i1", MODE, True)])
    store.put_images([SyntheticImage("C1", "i1", MODE, False, "duplicate")])
    assert [image.reason for image in store.images("C1")] == ["duplicate"]
    assert store.image_counts("C1") == {(False, "duplicate"): 1}


def test_a_revoked_site_has_no_heartbeat_until_it_is_enrolled_again(database: Database) -> None:
    store = ReportStore(database)
    for site in ("harbour", "tunnel"):
        store.put_heartbeats([Received(message(heartbeat(), site), 100)])
    assert store.revoke_site("harbour").revoked
    assert store.revoke_site("harbour").revoked
    assert [beat.site for beat in store.heartbeats()] == ["tunnel"]
    assert {site.site: site.revoked for site in store.sites()} == {"harbour": True, "tunnel": False}
    assert not store.add_site("harbour").revoked
    assert [beat.site for beat in store.heartbeats()] == ["harbour", "tunnel"]


def test_a_site_that_is_not_known_cannot_be_revoked(database: Database) -> None:
    store = ReportStore(database)
    with pytest.raises(NotKnown, match="site 'attic' is not known"):
        store.revoke_site("attic")


def test_a_refused_message_is_kept_once_and_without_characters_that_no_database_stores(
    database: Database,
) -> None:
    store = ReportStore(database)
    for _ in range(2):
        store.put_dead_letter(
            subject="a\x00b", message_id="m\x00", reason="not \x00 valid", data=b"\x00" * 9000
        )
    (letter,) = store.dead_letters()
    assert (letter.subject, letter.message_id, letter.reason) == ("a?b", "m?", "not ? valid")
    assert letter.length_bytes == 8192


def test_images_come_in_order_and_after_the_last_one_seen(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    store.put_images([SyntheticImage("C1", f"i{n}", MODE, n != 1) for n in range(4)])
    first = store.images("C1", limit=2)
    rest = store.images("C1", after=first[-1].id)
    assert [image.name for image in (*first, *rest)] == ["i0", "i1", "i2", "i3"]
    assert [image.name for image in store.images("C1", kept=False)] == ["i1"]


def test_evaluations_are_replaced_by_campaign_model_role_class_and_condition(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    one = EvaluationRow("C1", OLD, "holdout", "fire", "day-clear", {"recall": 0.25})
    store.put_evaluations([one])
    store.put_evaluations([replace(one, metrics={"recall": 0.5, "losses": [1.5, None]})])
    assert [row.metrics for row in store.evaluations("C1")] == [{"recall": 0.5, "losses": [1.5, None]}]
    assert store.evaluations("C2") == []


def test_a_campaign_moves_only_from_the_states_that_were_named(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test")
    assert not store.move("C1", CampaignState.CANCELLING, only_from=[CampaignState.RUNNING])
    assert store.move("C1", CampaignState.CANCELLING, only_from=[CampaignState.QUEUED], reason="asked")
    found = store.get("C1")
    assert (found.state, found.reason, found.ended_at) == (CampaignState.CANCELLING, "asked", None)
    assert store.next_attempt("C1") == 1
    assert store.set_incumbent("C1", OLD).plan == replace(PLAN, incumbent_digest=OLD)


def test_the_state_of_a_failure_mode_is_replaced_as_a_whole(database: Database) -> None:
    store = ModeStore(database)
    store.put(ModeState(MODE, ModeStatus.IN_CAMPAIGN, 1, "C1", OLD, 0.5), "")
    store.put(ModeState(MODE, ModeStatus.OPEN, 2), "")
    assert store.states() == {MODE: ModeState(MODE, ModeStatus.OPEN, 2)}
