"""What the fleet reported: inserted once by (site, message id), read back as records.

Insertion is the only way in and runs in the caller's transaction-sized batches; reading never locks.
A report's id is its message's; further reports of one message add their place (`ID.1`) and no bytes.
Misdetections, prototypes and tallies keep one row a report; a hazard event keeps its latest state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from cloud.store.database import Database
from cloud.store.records import (
    DeadLetter,
    HazardRow,
    LedgerTotal,
    MisdetectionRow,
    PrototypeRow,
    RecallCount,
    Site,
    SwapRow,
)
from cloud.store.report_rows import (
    condition_of,
    evidence_row,
    hazard_columns,
    hazard_of,
    misdetection_of,
    prototype_of,
)
from cloud.store.tables import (
    dead_letters,
    hazards,
    heartbeats,
    misdetections,
    prototypes,
    recall_tallies,
    reports,
    shadow_reports,
    sites,
    swap_receipts,
)
from messaging.receipts import LedgerPosition
from messaging.reports import (
    EvidenceSource,
    HazardEvent,
    Heartbeat,
    ShadowReport,
)
from messaging.wire_format.codec import Message


@dataclass(frozen=True)
class Received:
    """A decoded message as it came: its size, and its place in the site's ledger if it said so."""

    message: Message
    length_bytes: int
    ledger: LedgerPosition | None = None


@dataclass(frozen=True)
class Inserted:
    """How many messages of a batch were new, and how many were known already."""

    new: int
    duplicates: int


@dataclass(frozen=True)
class SiteHeartbeat:
    """A site's last heartbeat."""

    site: str
    received_at: int
    heartbeat: Heartbeat


@dataclass(frozen=True)
class SiteShadow:
    """One shadow report of a site."""

    site: str
    report: ShadowReport


class ReportStore:
    """Reports of the fleet in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- in ------------------------------------------------------------------------------------------

    def insert(self, batch: Sequence[Received]) -> Inserted:
        """Store a batch in one transaction; on return it is committed. Known (site, id) pairs are counted."""
        new = 0
        with self._db.writing() as connection:
            for received in batch:
                new += self._insert_one(connection, received)
                self._note_ledger(connection, received.message.site, received.ledger)
        return Inserted(new, len(batch) - new)

    def _insert_one(self, connection: Connection, received: Received) -> bool:
        """Every report of a message, or none when the message is known."""
        message = received.message
        self._note_site(connection, message.site)
        if not self._insert_report(connection, received):
            return False
        for place, report in enumerate(message.more, start=1):
            alone = replace(message, id=f"{message.id}.{place}", report=report, more=())
            self._insert_report(connection, Received(alone, 0))
        return True

    def _insert_report(self, connection: Connection, received: Received) -> bool:
        message = received.message
        row = connection.execute(
            self._db.insert(reports)
            .values(
                site=message.site,
                message_id=message.id,
                kind=message.kind,
                at_utc=message.at_utc,
                received_at=self._db.now(),
                length_bytes=received.length_bytes,
            )
            .on_conflict_do_nothing()
            .returning(reports.c.id)
        ).first()
        if row is None:
            return False
        self._insert_payload(connection, int(row[0]), message)
        return True

    def _insert_payload(self, connection: Connection, report: int, message: Message) -> None:
        if isinstance(message.report, HazardEvent):
            self._upsert_hazard(connection, message.site, message.report)
        elif (row := evidence_row(message.report)) is not None:
            table, columns = row
            connection.execute(table.insert().values(report=report, site=message.site, **columns))

    def _upsert_hazard(self, connection: Connection, site: str, event: HazardEvent) -> None:
        values = {"site": site, **hazard_columns(event)}
        statement = self._db.insert(hazards).values(values)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["site", "event"],
                set_={key: value for key, value in values.items() if key not in {"site", "event"}},
                where=(hazards.c.state != "closed") & (hazards.c.at_utc <= event.at_utc),
            )
        )

    def _note_site(self, connection: Connection, site: str) -> None:
        connection.execute(
            self._db.insert(sites)
            .values(site=site, added_at=self._db.now(), revoked=False, ledger_n=0, ledger_hash="")
            .on_conflict_do_nothing()
        )

    def _note_ledger(self, connection: Connection, site: str, position: LedgerPosition | None) -> None:
        """Remember the highest ledger entry of a site that is committed."""
        if position is not None:
            connection.execute(
                update(sites)
                .where((sites.c.site == site) & (sites.c.ledger_n < position.n))
                .values(ledger_n=position.n, ledger_hash=position.hash)
            )

    def put_heartbeat(self, message: Message, length_bytes: int) -> bool:
        """Remember a site's last heartbeat; False when it is not newer than the one known."""
        assert isinstance(message.report, Heartbeat)
        values = {
            "site": message.site,
            "message_id": message.id,
            "at_utc": message.at_utc,
            "received_at": self._db.now(),
            "length_bytes": length_bytes,
            "payload_json": message.report.model_dump_json(),
        }
        with self._db.writing() as connection:
            self._note_site(connection, message.site)
            done = connection.execute(
                self._db.insert(heartbeats)
                .values(values)
                .on_conflict_do_update(
                    index_elements=["site"], set_=values, where=heartbeats.c.message_id != message.id
                )
            )
        return bool(done.rowcount)

    def keep_aside(self, *, subject: str, message_id: str, reason: str, data: bytes) -> None:
        """Keep a refused message for inspection; the same one again is not kept twice."""
        with self._db.writing() as connection:
            connection.execute(
                self._db.insert(dead_letters)
                .values(
                    subject=subject[:160],
                    message_id=message_id[:80],
                    reason=reason,
                    data=data[:8192],
                    received_at=self._db.now(),
                )
                .on_conflict_do_nothing()
            )

    def note_ledger(self, site: str, position: LedgerPosition | None) -> None:
        """A ledger entry arrived that is not a report (a refused message)."""
        with self._db.writing() as connection:
            self._note_site(connection, site)
            self._note_ledger(connection, site, position)

    def add_site(self, site: str) -> Site:
        """Make a site known before it reports."""
        with self._db.writing() as connection:
            self._note_site(connection, site)
        return next(known for known in self.sites() if known.site == site)

    # -- out -----------------------------------------------------------------------------------------

    def sites(self) -> list[Site]:
        """All known sites by name."""
        return [
            Site(row.site, row.added_at, row.revoked, row.ledger_n, row.ledger_hash)
            for row in self._rows(select(sites).order_by(sites.c.site))
        ]

    def misdetections(self, *, since_utc: int = 0) -> list[MisdetectionRow]:
        """Misdetections whose minute is not before `since_utc`."""
        query = select(misdetections).where(misdetections.c.minute_utc >= since_utc)
        return [misdetection_of(row) for row in self._rows(query.order_by(misdetections.c.report))]

    def prototypes(self) -> list[PrototypeRow]:
        """Every prototype, oldest first."""
        return [prototype_of(row) for row in self._rows(select(prototypes).order_by(prototypes.c.report))]

    def recall_counts(self, *, since_utc: int = 0) -> list[RecallCount]:
        """Tallies summed over cameras and time."""
        table = recall_tallies.c
        keys = (table.site, table.class_name, table.light, table.weather, table.source, table.model_digest)
        query = (
            select(*keys, func.sum(table.supported).label("s"), func.sum(table.detected).label("d"))
            .where(table.minute_utc >= since_utc)
            .group_by(*keys)
        )
        return [
            RecallCount(
                row.site,
                row.class_name,
                condition_of(row),
                EvidenceSource(row.source),
                row.model_digest,
                int(row.s),
                min(int(row.d), int(row.s)),
            )
            for row in self._rows(query)
        ]

    def shadow_reports(self, candidate_digest: str | None = None) -> list[SiteShadow]:
        """Shadow reports in order of arrival, of one candidate or of all."""
        query = select(shadow_reports).order_by(shadow_reports.c.report)
        if candidate_digest is not None:
            query = query.where(shadow_reports.c.candidate_digest == candidate_digest)
        return [
            SiteShadow(row.site, ShadowReport.model_validate_json(row.payload_json))
            for row in self._rows(query)
        ]

    def swaps(self, site: str | None = None) -> list[SwapRow]:
        """Swap receipts in order of arrival."""
        query = select(swap_receipts).order_by(swap_receipts.c.report)
        if site is not None:
            query = query.where(swap_receipts.c.site == site)
        return [
            SwapRow(
                site=row.site,
                sequence=row.sequence,
                digest=row.digest,
                previous_digest=row.previous_digest,
                channel=row.channel,
                outcome=row.outcome,
                reason=row.reason,
                frames_lost=row.frames_lost,
                at_utc=row.at_utc,
            )
            for row in self._rows(query)
        ]

    def hazards(
        self, *, site: str | None = None, after: tuple[int, str] | None = None, limit: int
    ) -> list[HazardRow]:
        """Hazard events, latest start first; `after` is (started_at_utc, event) of the last one seen."""
        query = select(hazards).order_by(hazards.c.started_at_utc.desc(), hazards.c.event.desc())
        if site is not None:
            query = query.where(hazards.c.site == site)
        if after is not None:
            started, event = after
            query = query.where(
                (hazards.c.started_at_utc < started)
                | ((hazards.c.started_at_utc == started) & (hazards.c.event < event))
            )
        return [hazard_of(row) for row in self._rows(query.limit(limit))]

    def heartbeats(self) -> list[SiteHeartbeat]:
        """The last heartbeat of every site that sent one."""
        return [
            SiteHeartbeat(row.site, row.received_at, Heartbeat.model_validate_json(row.payload_json))
            for row in self._rows(select(heartbeats).order_by(heartbeats.c.site))
        ]

    def ledger_totals(self) -> list[LedgerTotal]:
        """Reports and bytes received by site and kind; heartbeats count as one, the last."""
        query = (
            select(
                reports.c.site,
                reports.c.kind,
                func.count().label("n"),
                func.sum(reports.c.length_bytes).label("b"),
            )
            .group_by(reports.c.site, reports.c.kind)
            .order_by(reports.c.site, reports.c.kind)
        )
        totals = [LedgerTotal(row.site, row.kind, int(row.n), int(row.b)) for row in self._rows(query)]
        latest = select(heartbeats.c.site, heartbeats.c.length_bytes)
        return totals + [
            LedgerTotal(row.site, "heartbeat", 1, int(row.length_bytes)) for row in self._rows(latest)
        ]

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Refused messages, latest first."""
        query = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit)
        return [
            DeadLetter(row.id, row.subject, row.message_id, row.reason, len(row.data), row.received_at)
            for row in self._rows(query)
        ]

    def count_by_kind(self) -> Mapping[str, int]:
        """Reports stored of each kind."""
        query = select(reports.c.kind, func.count().label("n")).group_by(reports.c.kind)
        return {row.kind: int(row.n) for row in self._rows(query)}

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._db.reading() as connection:
            return connection.execute(query).all()
