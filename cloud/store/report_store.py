"""Stored reports of the fleet: inserted once by (site, message id), read back as records.

Insertion runs in one transaction per batch (`report_insertion`); reading never locks. Of a heartbeat the last
is kept.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session

from cloud.errors import NotKnown
from cloud.store.access_records import AuditEntry
from cloud.store.database import Database
from cloud.store.hazard_changes import HazardChanges, Subscription
from cloud.store.lists.fleet_lists import FleetLists
from cloud.store.lists.report_lists import ReportLists
from cloud.store.mapping import Record
from cloud.store.report_insertion import Received, ReportInsertion, note_ledger
from cloud.store.report_records import (
    DeadLetter,
    MisdetectionRow,
    PrototypeRow,
    RecallCount,
    RecallRow,
    ReportRecord,
    Site,
    SiteGuard,
    SiteHeartbeat,
    SiteShadow,
    SwapRow,
)
from cloud.store.report_rows import recall_count, storable
from messaging.receipts import LedgerPosition
from messaging.reports import Heartbeat
from messaging.taxonomy import Condition

R = TypeVar("R", bound=Record)
KEPT_LETTER_BYTES = 8192
KEPT_LETTERS = 1000
CLOCK_ERROR_S = 300


@dataclass(frozen=True)
class Inserted:
    """How many messages of a batch were new, and how many were known already."""

    new: int
    duplicates: int


class ReportStore:
    """Reports of the fleet in the database; changes of hazards are queued for `subscriptions`.

    `lists` and `fleet` read them page by page.
    """

    def __init__(self, database: Database, subscriptions: Sequence[Subscription] = ()) -> None:
        self._db = database
        self.hazard_changes = HazardChanges(database, subscriptions)
        self._insertion = ReportInsertion(database, self.hazard_changes)
        self.lists = ReportLists(database)
        self.fleet = FleetLists(database)

    def now(self) -> int:
        """Whole seconds since 1970, by the store's clock."""
        return self._db.now()

    def insert(self, batch: Sequence[Received]) -> Inserted:
        """Store a batch in one transaction; on return it is committed. Known (site, id) pairs are counted."""
        with self._db.writing() as session:
            new = self._insertion.insert(session, batch)
        return Inserted(new, len(batch) - new)

    def put_heartbeats(self, batch: Sequence[Received]) -> int:
        """Store the last heartbeats of sites in one transaction; the number of those that were new.

        An older one never replaces a later one, except one that was sent in the future, by a wrong clock.
        """
        if not batch:
            return 0  # without waiting for the write lock
        now = self._db.now()
        sites = [Site(received.message.site, now) for received in batch]
        beats = [_heartbeat(received, now) for received in batch]
        with self._db.writing() as session:
            self._db.add_all(session, sites)
            return self._db.put_all(
                session,
                beats,
                key=["site"],
                only_if=lambda new: (
                    (SiteHeartbeat.message_id != new.message_id)
                    & ((SiteHeartbeat.sent_at <= new.sent_at) | (SiteHeartbeat.sent_at > now + CLOCK_ERROR_S))
                ),
            )

    def put_dead_letter(
        self, *, subject: str, message_id: str, reason: str, data: bytes, signed: bool = True
    ) -> None:
        """Keep a refused message for inspection; the same one again is not kept twice.

        Of each site the latest `KEPT_LETTERS` are kept.
        """
        letter = DeadLetter(
            storable(subject)[:160],
            storable(message_id)[:80],
            storable(reason),
            data[:KEPT_LETTER_BYTES],
            self._db.now(),
            signed,
        )
        sender = DeadLetter.subject.startswith(_sender(letter.subject), autoescape=True)
        newest = select(DeadLetter.id).where(sender).order_by(DeadLetter.id.desc())
        with self._db.writing() as session:
            self._db.add(session, letter)
            last_to_go = session.scalar(newest.offset(KEPT_LETTERS).limit(1))
            if last_to_go is not None:
                session.execute(delete(DeadLetter).where(sender, DeadLetter.id <= last_to_go))

    def remove_dead_letter(self, letter: int) -> None:
        """Remove a refused message that is settled; repeating it changes nothing."""
        with self._db.writing() as session:
            session.execute(delete(DeadLetter).where(DeadLetter.id == letter))

    def note_ledger(self, site: str, position: LedgerPosition | None) -> None:
        """Store the position of a ledger entry that is not a report (a refused message)."""
        with self._db.writing() as session:
            self._db.add(session, Site(site, self._db.now()))
            if position is not None:
                note_ledger(session, site, position)

    def add_site(self, site: str) -> Site:
        """Enrol a site, before it reports or again after a revocation."""
        with self._db.writing() as session:
            self._db.add(session, Site(site, self._db.now()))
            return _marked(session, site, revoked=False)

    def revoke_site(self, site: str) -> Site:
        """Mark a site as revoked and forget its key; repeating it changes nothing. Raises `NotKnown`."""
        with self._db.writing() as session:
            return _marked(session, site, revoked=True, key="", ledger_fault="")

    def quarantine_site(self, site: str, quarantined: bool, entry: AuditEntry | None = None) -> Site:
        """Leave a site's evidence out of everything that is learned, or count it again. Raises `NotKnown`.

        `entry` is added to the audit log in the same transaction, if nobody requested it.
        """
        with self._db.writing() as session:
            if entry is not None:
                self._db.add(session, entry)
            return _marked(session, site, quarantined=quarantined)

    def group_site(self, site: str, group: str) -> Site:
        """Put a site into a group of sites; empty for none. Raises `NotKnown`."""
        with self._db.writing() as session:
            return _marked(session, site, site_group=group)

    def sites(self) -> list[Site]:
        """All known sites by name."""
        return self._read(select(Site).order_by(Site.site))

    def site(self, site: str) -> Site:
        """One site. Raises `NotKnown`."""
        with self._db.reading() as session:
            return _known(session, site)

    def revoked_sites(self) -> frozenset[str]:
        """Names of the sites that are revoked."""
        with self._db.reading() as session:
            return frozenset(session.scalars(select(Site.site).where(Site.revoked)))

    def misdetections(self, *, since_utc: int = 0) -> list[MisdetectionRow]:
        """Misdetections of sites that are not quarantined, whose minute is not before `since_utc`."""
        query = select(MisdetectionRow).where(
            MisdetectionRow.minute_utc >= since_utc, _counts(MisdetectionRow)
        )
        return self._read(query.order_by(MisdetectionRow.report_id))

    def prototypes(self) -> list[PrototypeRow]:
        """Every prototype of sites that are not quarantined, oldest first."""
        return self._read(select(PrototypeRow).where(_counts(PrototypeRow)).order_by(PrototypeRow.report_id))

    def recall_counts(self, *, since_utc: int = 0) -> list[RecallCount]:
        """Tallies of sites that are not quarantined, summed over cameras and time."""
        row = RecallRow
        keys = (row.site, row.class_name, row.condition, row.source, row.model_digest)
        sums = (
            func.sum(row.supported),
            func.sum(row.detected),
            func.sum(func.coalesce(row.supported_weight, row.supported)),
            func.sum(func.coalesce(row.detected_weight, row.detected)),
            func.sum(func.coalesce(row.squared_weight, row.supported)),
        )
        query = select(*keys, *sums).where(row.minute_utc >= since_utc, _counts(row)).group_by(*keys)
        with self._db.reading() as session:
            return [recall_count(*row) for row in session.execute(query)]

    def conditions(self, *, since_utc: int) -> dict[str, set[Condition]]:
        """The conditions that each site's cameras have had: of its reports since then, and its heartbeat."""
        found: defaultdict[str, set[Condition]] = defaultdict(set)
        with self._db.reading() as session:
            for row in (MisdetectionRow, RecallRow):
                query = select(row.site, row.condition).where(row.minute_utc >= since_utc).distinct()
                for site, condition in session.execute(query):
                    found[site].add(condition)
        for beat in self.heartbeats():
            found[beat.site] |= {Condition(c.light, c.weather) for c in beat.heartbeat.cameras if c.connected}
        return {site: conditions - {Condition()} for site, conditions in found.items()}

    def shadow_reports(self, candidate_digest: str | None = None) -> list[SiteShadow]:
        """Shadow reports of one candidate or of all, in order of arrival; none of quarantined sites."""
        query = select(SiteShadow).where(_counts(SiteShadow)).order_by(SiteShadow.report_id)
        if candidate_digest is not None:
            query = query.where(SiteShadow.candidate_digest == candidate_digest)
        return self._read(query)

    def guard_reports(self, model_digest: str, since_utc: int, until_utc: int | None) -> list[SiteGuard]:
        """What each site's guard last measured of a model from one time on, and before another if given."""
        row = SiteGuard
        query = select(row).where(row.model_digest == model_digest, row.minute_utc >= since_utc)
        if until_utc is not None:
            query = query.where(row.minute_utc < until_utc)
        last = {one.site: one for one in self._read(query.order_by(row.minute_utc, row.report_id))}
        return list(last.values())

    def swaps(self, site: str | None = None) -> list[SwapRow]:
        """Swap receipts in order of arrival."""
        query = select(SwapRow).order_by(SwapRow.report_id)
        if site is not None:
            query = query.where(SwapRow.site == site)
        return self._read(query)

    def swaps_since_heartbeat(self) -> list[SwapRow]:
        """Receipts that are not older than the last heartbeat of their site, in order of arrival."""
        query = select(SwapRow).join(SiteHeartbeat, SiteHeartbeat.site == SwapRow.site)
        return self._read(query.where(SwapRow.at_utc >= SiteHeartbeat.sent_at).order_by(SwapRow.report_id))

    def heartbeats(self, sites: Collection[str] | None = None) -> list[SiteHeartbeat]:
        """The last heartbeat of every site (or of these) that sent one and is not revoked."""
        enrolled = select(Site.site).where(~Site.revoked)
        query = select(SiteHeartbeat).where(SiteHeartbeat.site.in_(enrolled))
        if sites is not None:
            query = query.where(SiteHeartbeat.site.in_(sites))
        return self._read(query.order_by(SiteHeartbeat.site))

    def dead_letters(
        self, *, site: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Refused messages of a site, or of all, latest first; `before` is the id of the last one seen."""
        query = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit)
        if site is not None:
            query = query.where(DeadLetter.of_site(site))
        return self._read(query if before is None else query.where(DeadLetter.id < before))

    def dead_letter(self, letter: int) -> DeadLetter:
        """One refused message. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(DeadLetter, letter)
        if found is None:
            raise NotKnown(f"dead letter {letter} is not known; `blindspot deadletters list` shows them")
        return found

    def _read(self, query: Select[R]) -> list[R]:
        with self._db.reading() as session:
            return list(session.scalars(query))


def _heartbeat(received: Received, now: int) -> SiteHeartbeat:
    message = received.message
    assert isinstance(message.report, Heartbeat)
    return SiteHeartbeat(
        site=message.site,
        message_id=message.id,
        received_at=now,
        length_bytes=received.length_bytes,
        heartbeat=message.report,
        sent_at=message.at_utc,
    )


def _counts(record: type[ReportRecord]) -> ColumnElement[bool]:
    """Whether the row's site is not quarantined."""
    return record.site.not_in(select(Site.site).where(Site.quarantined))


def _marked(session: Session, site: str, **values: bool | str) -> Site:
    """The site with these columns set. Raises `NotKnown`."""
    session.execute(update(Site).where(Site.site == site).values(values))
    return _known(session, site)


def _known(session: Session, site: str) -> Site:
    known = session.get(Site, site)
    if known is None:
        raise NotKnown(f"site {site[:80]!r} is not known; `blindspot sites list` shows all sites")
    return known


def _sender(subject: str) -> str:
    """What the subjects of one site begin with: `site.NAME.`."""
    return ".".join(subject.split(".")[:2]) + "."
