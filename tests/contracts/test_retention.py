"""What the database deletes when it is old, and what it never deletes, on SQLite and PostgreSQL."""

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings, RetentionSettings
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.history.request_store import RequestStore
from cloud.store.lists.filters import AuditFilter, HazardFilter, RequestFilter
from cloud.store.mode_store import ModeStore
from cloud.store.receipt_store import ReceiptStore
from cloud.store.records import CampaignPlan, CampaignState, ModeState, ModeStatus
from cloud.store.report_insertion import Received
from cloud.store.report_records import StoredReport
from cloud.store.report_store import ReportStore
from cloud.store.retention import database_retention
from cloud.store.retention.database_retention import DatabaseRetention
from cloud.store.retention.retention_store import BATCH, RetentionStore
from messaging.reports import HazardState, Report
from tests.support.cloud.sample_reports import MINUTE, MODE, message, misdetection, prototype, tally
from tests.support.messaging.samples import GUARD, HAZARD, SWAP

DAY_S = 86_400
SETTINGS = RetentionSettings(
    evidence_days=100, shadow_days=100, hazards_days=100, dead_letters_days=10, audit_days=20
)


class Aged:
    """A database, a clock that is set, and one pass of retention."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, MINUTE
        database._clock = lambda: self.now
        self.reports, self.metrics = ReportStore(database), CloudMetrics()
        self.retention = DatabaseRetention(RetentionStore(database), SETTINGS, self.metrics)

    def receive(self, *reports: Report, days_ago: float = 0.0) -> None:
        self.now = MINUTE - int(days_ago * DAY_S)
        self.reports.insert([Received(message(report), 100, None) for report in reports])
        self.now = MINUTE

    def kinds(self) -> list[str]:
        with self.database.reading() as session:
            return sorted(session.scalars(select(StoredReport.kind)))


@pytest.fixture
def aged(database: Database, monkeypatch: pytest.MonkeyPatch) -> Aged:
    monkeypatch.setattr(database_retention, "PAUSE_S", 0.0)
    return Aged(database)


def test_old_verdict_requests_go_and_young_ones_stay(aged: Aged) -> None:
    store = RequestStore(aged.database)
    for days in (101, 99):
        aged.now = MINUTE - days * DAY_S
        store.add("harbour", "north", "fire", at_utc=aged.now, by="ana", valid_s=900)
    aged.now = MINUTE
    aged.retention.step()
    (left,) = store.requests(RequestFilter(), limit=10)
    assert left.asked_at == MINUTE - 99 * DAY_S


def test_what_is_older_than_its_days_goes_and_what_is_younger_stays(aged: Aged) -> None:
    closed = HAZARD.model_copy(update={"state": HazardState.CLOSED, "started_at_utc": MINUTE - 200 * DAY_S})
    aged.receive(misdetection(), tally(), closed, SWAP, GUARD, days_ago=101)
    aged.receive(misdetection(), tally(), days_ago=99)
    aged.retention.step()
    assert aged.kinds() == ["misdetection", "recall", "swap"]
    assert len(aged.reports.misdetections()) == 1
    assert aged.reports.lists.hazards(HazardFilter(), limit=10) == []
    assert len(aged.reports.swaps()) == 1, "receipts of swaps are never deleted"
    text = aged.metrics.exposition().decode()
    assert 'blindspot_cloud_rows_deleted_total{table="misdetection"} 1.0' in text
    assert 'blindspot_cloud_rows_deleted_total{table="hazards"} 1.0' in text


def test_the_audit_log_keeps_its_own_days(aged: Aged) -> None:
    log = AuditStore(aged.database)
    for days in [21] * (BATCH + 1) + [19]:
        log.add(AuditEntry(MINUTE - days * DAY_S, "ana", "::1", "POST /classes", "classes", 201, None, None))
    aged.retention.step()
    assert [entry.at_utc for entry in log.entries(AuditFilter(), limit=10)] == [MINUTE - 19 * DAY_S]
    assert f'rows_deleted_total{{table="audit"}} {BATCH + 1}.0' in aged.metrics.exposition().decode()


def test_an_open_hazard_event_is_kept(aged: Aged) -> None:
    old = HAZARD.model_copy(update={"state": HazardState.OPENED, "started_at_utc": MINUTE - 200 * DAY_S})
    aged.receive(old, days_ago=150)
    aged.retention.step()
    assert len(aged.reports.lists.hazards(HazardFilter(), limit=10)) == 1


@pytest.mark.parametrize(
    ("status", "kept"), [(ModeStatus.OPEN, 1), (ModeStatus.WAITING, 1), (ModeStatus.CLOSED, 0)]
)
def test_a_prototype_is_kept_until_its_failure_mode_is_closed(
    aged: Aged, status: ModeStatus, kept: int
) -> None:
    aged.receive(prototype((1, 2)), days_ago=150)
    ModeStore(aged.database).put(ModeState(MODE, status, MINUTE), "")
    aged.retention.step()
    assert len(aged.reports.prototypes()) == kept


def test_a_prototype_with_misdetections_is_kept_although_no_mode_is_stored_yet(aged: Aged) -> None:
    aged.receive(prototype((1, 2)), days_ago=150)
    aged.receive(misdetection())
    aged.retention.step()
    assert len(aged.reports.prototypes()) == 1


def test_evidence_is_kept_as_it_is_while_a_campaign_is_under_way(aged: Aged) -> None:
    campaigns = CampaignStore(aged.database)
    campaign = campaigns.create(
        "01K0", CampaignPlan((MODE,), 3, 7), started_by="test", state=CampaignState.RUNNING
    )
    aged.receive(misdetection(), days_ago=150)
    aged.retention.step()
    assert len(aged.reports.misdetections()) == 1
    campaigns.set_state(campaign.id, CampaignState.DONE, ended=True)
    aged.retention.step()
    assert aged.reports.misdetections() == []


def test_many_old_reports_go_in_small_transactions_and_the_identity_stays(aged: Aged) -> None:
    identity = ReceiptStore(aged.database).identity()
    for _ in range(3):
        aged.receive(*(misdetection() for _ in range(BATCH // 2)), days_ago=150)
    aged.receive(misdetection())
    batch = RetentionStore(aged.database).delete_reports({"misdetection": MINUTE - DAY_S}, after=0)
    assert (batch.deleted, batch.after is None) == ({"misdetection": BATCH}, False)
    aged.retention.step()
    assert len(aged.reports.misdetections()) == 1
    assert ReceiptStore(aged.database).identity() == identity


def test_dead_letters_go_after_their_days(aged: Aged) -> None:
    for days in (11, 9):
        aged.now = MINUTE - days * DAY_S
        aged.reports.put_dead_letter(subject="site.s1.report.x.y", message_id=str(days), reason="r", data=b"")
    aged.now = MINUTE
    aged.retention.step()
    assert [letter.message_id for letter in aged.reports.dead_letters()] == ["9"]


def test_settings_that_delete_what_still_counts_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"evidence_days is 30, and evidence counts for 90 days"):
        CloudSettings(retention=RetentionSettings(evidence_days=30))
