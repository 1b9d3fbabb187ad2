"""Deletes what the database need not keep, in small transactions, the oldest first.

A report's row and the record of what it contains go together. Lanes, orders, receipts of swaps, releases,
rollouts and campaigns are never deleted here, and no prototype of a failure mode that is not closed.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.store.access_records import AuditEntry
from cloud.store.database import Database, written
from cloud.store.history.request_store import VerdictRequestRow
from cloud.store.records import (
    ACTIVE_STATES,
    AnsweredRequest,
    Campaign,
    CampaignState,
    ModeState,
    ModeStatus,
)
from cloud.store.report_records import DeadLetter, HazardRow, MisdetectionRow, PrototypeRow, StoredReport
from messaging.reports import HazardState
from messaging.taxonomy import Condition

BATCH = 500
_PROTOTYPE = "prototype"


@dataclass(frozen=True)
class DeletedReports:
    """What one transaction deleted, by kind; the next one begins after report `after`, None at the end."""

    deleted: Mapping[str, int]
    after: int | None


class RetentionStore:
    """Deletions. All times are seconds since 1970; what is older than a time goes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> int:
        """The time by the database's clock."""
        return self._db.now()

    def campaign_under_way(self) -> bool:
        """Whether a campaign runs or waits, so that evidence must stay as it is."""
        states = (*ACTIVE_STATES, CampaignState.AWAITING_APPROVAL)
        with self._db.reading() as session:
            return session.scalar(select(Campaign.id).where(Campaign.state.in_(states)).limit(1)) is not None

    def delete_reports(self, older_than: Mapping[str, int], *, after: int) -> DeletedReports:
        """Delete reports of these kinds that were received before their kind's time, from an id on."""
        youngest = max(older_than.values(), default=0)
        with self._db.writing() as session:
            query = select(StoredReport.id, StoredReport.kind, StoredReport.received_at)
            rows = session.execute(
                query.where(StoredReport.id > after).order_by(StoredReport.id).limit(BATCH)
            )
            found = [row for row in rows.all() if row.received_at < youngest]
            old = {row.id: row.kind for row in found if row.received_at < older_than.get(row.kind, 0)}
            kept = self._needed_prototypes([n for n, kind in old.items() if kind == _PROTOTYPE], session)
            going = [report for report in old if report not in kept]
            if going:
                session.execute(delete(StoredReport).where(StoredReport.id.in_(going)))
        deleted = Counter(old[report] for report in going)
        return DeletedReports(deleted, found[-1].id if len(found) == BATCH else None)

    def delete_hazards(self, older_than: int) -> int:
        """Delete hazard events that have ended and began before a time; how many."""
        row = HazardRow
        old = select(row.site, row.event).where(
            row.started_at_utc < older_than, row.state == HazardState.CLOSED
        )
        with self._db.writing() as session:
            keys = session.execute(old.limit(BATCH)).all()
            return sum(
                written(session, delete(row).where(row.site == site, row.event == event))
                for site, event in keys
            )

    def delete_dead_letters(self, older_than: int) -> int:
        """Delete dead letters that were received before a time; how many."""
        old = select(DeadLetter.id).where(DeadLetter.received_at < older_than).limit(BATCH)
        with self._db.writing() as session:
            return written(session, delete(DeadLetter).where(DeadLetter.id.in_(session.scalars(old).all())))

    def delete_requests(self, older_than: int) -> int:
        """Delete answers to requests with an idempotency key that were given before a time; how many."""
        with self._db.writing() as session:
            return written(session, delete(AnsweredRequest).where(AnsweredRequest.at < older_than))

    def delete_verdict_requests(self, older_than: int) -> int:
        """Delete verdict requests that were asked before a time; how many."""
        with self._db.writing() as session:
            return written(session, delete(VerdictRequestRow).where(VerdictRequestRow.asked_at < older_than))

    def delete_audit(self, older_than: int) -> int:
        """Delete entries of the audit log from before a time; how many."""
        old = select(AuditEntry.id).where(AuditEntry.at_utc < older_than).order_by(AuditEntry.id).limit(BATCH)
        with self._db.writing() as session:
            return written(session, delete(AuditEntry).where(AuditEntry.id.in_(session.scalars(old).all())))

    def _needed_prototypes(self, reports: Collection[int], session: Session) -> set[int]:
        """Those of a class and condition with misdetections, or with a failure mode that is not closed."""
        query = select(PrototypeRow.report_id, PrototypeRow.class_name, PrototypeRow.condition)
        rows = session.execute(query.where(PrototypeRow.report_id.in_(reports))).all() if reports else []
        needed = {
            pair for pair in {(row.class_name, row.condition) for row in rows} if _needed(*pair, session)
        }
        return {row.report_id for row in rows if (row.class_name, row.condition) in needed}


def _needed(class_name: str, condition: Condition, session: Session) -> bool:
    state, row = ModeState, MisdetectionRow
    open_mode = select(state.mode).where(
        state.mode.startswith(f"{class_name}.{condition.key}."), state.status != ModeStatus.CLOSED
    )
    evidence = select(row.report_id).where(row.class_name == class_name, row.condition == condition)
    return any(session.scalar(query.limit(1)) is not None for query in (open_mode, evidence))
