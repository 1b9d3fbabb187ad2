"""Inserts a batch of messages in one transaction, by few statements whatever the number of messages.

A report's id is its message's; further reports of one message add their place (`ID.1`) and no bytes.
Misdetections, prototypes and tallies keep one row per report; of a hazard event the latest state is kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud.errors import StoreUnavailable
from cloud.store.database import Database, written
from cloud.store.hazard_changes import HazardChanges
from cloud.store.history.request_store import note_answer
from cloud.store.mapping import Record
from cloud.store.report_records import HazardRow, Site, StoredReport, VerdictRow
from cloud.store.report_rows import columns_of, record_type
from messaging.receipts import LedgerPosition
from messaging.reports import HazardEvent, HazardState, OperatorVerdict, VerdictAnswer
from messaging.wire_format.codec import Message

Key = tuple[str, str]
"""The site and the id of a message."""


@dataclass(frozen=True)
class Received:
    """A decoded message: its size, and its place in the site's ledger if it has one."""

    message: Message
    length_bytes: int
    ledger: LedgerPosition | None = None

    @property
    def key(self) -> Key:
        """What is stored once."""
        return (self.message.site, self.message.id)


class ReportInsertion:
    """Messages as rows of the database; changes of hazards go to `hazard_changes`."""

    def __init__(self, database: Database, hazard_changes: HazardChanges) -> None:
        self._db, self._hazard_changes = database, hazard_changes

    def insert(self, session: Session, batch: Sequence[Received]) -> int:
        """Insert every report of each message that is not known; the number of messages that were new."""
        sites = {received.message.site for received in batch}
        self._db.add_all(session, [Site(site, self._db.now()) for site in sites])
        messages: dict[Key, Received] = {}
        for received in batch:
            messages.setdefault(received.key, received)
        ids = self._insert_reports(session, list(messages.values()))
        new = [_reports(received) for key, received in messages.items() if key in ids]
        ids |= self._insert_reports(session, [one for reports in new for one in reports[1:]])
        self._insert_contents(session, [(one, ids[one.key]) for reports in new for one in reports])
        note_ledgers(session, batch)
        return len(new)

    def _insert_reports(self, session: Session, batch: Sequence[Received]) -> dict[Key, int]:
        """The new rows' ids; a known message has none.

        Under the write lock they are those above the last id. Reading them costs PostgreSQL less time
        than an INSERT of many rows that returns them. Raises `StoreUnavailable` unless all are found.
        """
        if not batch:
            return {}
        last = session.scalar(select(func.max(StoredReport.id))) or 0
        statement = self._db.insert(StoredReport).on_conflict_do_nothing(
            index_elements=["site", "message_id"]
        )
        number = written(session, statement, [_row(received, self._db.now()) for received in batch])
        columns = (StoredReport.site, StoredReport.message_id, StoredReport.id)
        found = session.execute(select(*columns).where(StoredReport.id > last))
        ids = {(site, message_id): row for site, message_id, row in found}
        if len(ids) != number:
            raise StoreUnavailable(
                f"store {self._db.place} gave {number} new reports ids, {number - len(ids)} of them below its"
                f" last one, {last}; set the sequence of reports.id above it"
            )
        return ids

    def _insert_contents(self, session: Session, reports: Iterable[tuple[Received, int]]) -> None:
        """What the reports hold, in the order of the reports where one depends on another."""
        rows: defaultdict[type[Record], list[dict[str, Any]]] = defaultdict(list)
        for received, report_id in reports:
            site, report = received.message.site, received.message.report
            if isinstance(report, HazardEvent):
                self._put_hazard(session, HazardRow(**columns_of(site, report)))
            elif (record := record_type(report)) is not None:
                rows[record].append({"report_id": report_id, **columns_of(site, report)})
            if isinstance(report, VerdictAnswer):
                note_answer(session, site, report, self._db.now())
            if isinstance(report, OperatorVerdict):
                self._hazard_changes.judged(session, VerdictRow(**columns_of(site, report)))
        for record, values in rows.items():
            session.execute(self._db.insert(record), values)

    def _put_hazard(self, session: Session, hazard: HazardRow) -> None:
        """Store a hazard's state, unless it is closed already or a later state is stored."""
        later = (HazardRow.state != HazardState.CLOSED) & (HazardRow.at_utc <= hazard.at_utc)
        same = (HazardRow.site == hazard.site) & (HazardRow.event == hazard.event)
        before = session.scalar(select(HazardRow.state).where(same))
        if self._db.put(session, hazard, key=["site", "event"], only_if=later):
            self._hazard_changes.reported(session, before, hazard)


def note_ledgers(session: Session, batch: Iterable[Received]) -> None:
    """Store the highest entry of each site's ledger that is committed."""
    last: dict[str, LedgerPosition] = {}
    for received in batch:
        site, position = received.message.site, received.ledger
        if position is not None and (site not in last or last[site].n < position.n):
            last[site] = position
    for site, position in last.items():
        note_ledger(session, site, position)


def note_ledger(session: Session, site: str, position: LedgerPosition) -> None:
    """Store an entry of a site's ledger that is committed, unless a higher one is stored."""
    session.execute(
        update(Site)
        .where(Site.site == site, Site.ledger_n < position.n)
        .values(ledger_n=position.n, ledger_hash=position.hash)
    )


def _reports(received: Received) -> list[Received]:
    """The message, and its further reports as messages of their own."""
    message = received.message
    further = (
        replace(message, id=f"{message.id}.{place}", report=report, more=())
        for place, report in enumerate(message.more, start=1)
    )
    return [received, *(Received(one, 0) for one in further)]


def _row(received: Received, now: int) -> dict[str, Any]:
    """The columns of a `StoredReport`."""
    message, ledger = received.message, received.ledger
    return {
        "site": message.site,
        "message_id": message.id,
        "kind": message.kind,
        "at_utc": message.at_utc,
        "received_at": now,
        "length_bytes": received.length_bytes,
        "ledger_n": None if ledger is None else ledger.n,
        "ledger_hash": None if ledger is None else ledger.hash,
    }
