"""Pages of what sites reported: hazards, misdetections, and totals of the ledger.

Each page is one query that begins after the last row of the page before (keyset paging), along an index.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, func, select, tuple_

from cloud.store.database import Database
from cloud.store.delivery_records import HazardHandling, HazardStatus
from cloud.store.lists.filters import HazardFilter, MisdetectionFilter
from cloud.store.report_records import (
    EvidenceCount,
    HazardRow,
    LedgerTotal,
    MisdetectionRow,
    Site,
    SiteHeartbeat,
    StoredReport,
)
from messaging.errors import ConfigurationError
from messaging.reports import HazardState
from messaging.taxonomy import Condition

Visible = Collection[str] | None


class CameraHazards(NamedTuple):
    """Open hazards of one camera: how many, and the severity of the worst."""

    site: str
    camera: str
    number: int
    severity: int


class ReportLists:
    """Lists of reports. `visible`: names of the sites whose rows are read, None for all."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def hazards(
        self,
        wanted: HazardFilter,
        visible: Visible = None,
        *,
        after: tuple[int, str] | None = None,
        limit: int,
    ) -> list[HazardRow]:
        """Hazard events, latest start first; `after`: start and event of the last one seen."""
        row = HazardRow
        query = select(row).order_by(row.started_at_utc.desc(), row.event.desc()).limit(limit)
        query = query.where(*of_sites(row.site, wanted.site, wanted.group, visible))
        query = query.where(*_period(row.started_at_utc, wanted.since, wanted.until))
        for column, value in (
            (row.camera, wanted.camera),
            (row.class_name, wanted.class_name),
            (row.state, wanted.state),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.severity is not None:
            query = query.where(row.severity >= wanted.severity)
        if wanted.status is not None:
            query = query.where(_has_status(wanted.status))
        if after is not None:
            query = query.where(tuple_(row.started_at_utc, row.event) < after)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def count_hazards(self, *, since_utc: int, visible: Visible = None) -> int:
        """Number of hazard events that started at or after `since_utc`."""
        query = select(func.count()).select_from(HazardRow).where(HazardRow.started_at_utc >= since_utc)
        query = query.where(*of_sites(HazardRow.site, None, None, visible))
        with self._db.reading() as session:
            return session.scalar(query) or 0

    def open_hazards(self, *, since_utc: int, visible: Visible = None) -> list[CameraHazards]:
        """Hazards that began since then, that no site has closed and no operator has ended, by camera."""
        row, handled = HazardRow, HazardHandling
        ended = exists().where(
            (handled.site == row.site) & (handled.event == row.event),
            handled.status.in_((HazardStatus.RESOLVED, HazardStatus.FALSE_ALARM)),
        )
        query = select(row.site, row.camera, func.count(), func.max(row.severity))
        query = query.where(row.started_at_utc >= since_utc, row.state != HazardState.CLOSED, ~ended)
        query = query.where(*of_sites(row.site, None, None, visible)).group_by(row.site, row.camera)
        with self._db.reading() as session:
            return [CameraHazards(*one) for one in session.execute(query)]

    def misdetections(
        self,
        wanted: MisdetectionFilter,
        visible: Visible = None,
        *,
        after: tuple[int, int] | None = None,
        learned: bool = False,
        limit: int,
    ) -> list[MisdetectionRow]:
        """Misdetections, latest first; `after`: minute and report number of the last one seen.

        Those of quarantined sites are among them, unless only those are wanted that something is `learned`
        from.
        """
        row = MisdetectionRow
        query = select(row).order_by(row.minute_utc.desc(), row.report_id.desc()).limit(limit)
        query = query.where(*of_sites(row.site, wanted.site, wanted.group, visible))
        query = query.where(*_period(row.minute_utc, wanted.since, wanted.until))
        if wanted.condition is not None:
            try:
                query = query.where(row.condition == Condition.parse(wanted.condition))
            except ConfigurationError:
                return []
        for column, value in (
            (row.camera, wanted.camera),
            (row.class_name, wanted.class_name),
            (row.kind, wanted.kind),
            (row.evidence, wanted.evidence),
        ):
            if value is not None:
                query = query.where(column == value)
        if learned:
            query = query.where(_counts(row.site))
        if after is not None:
            query = query.where(tuple_(row.minute_utc, row.report_id) < after)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def evidence(self, *, since_utc: int) -> list[EvidenceCount]:
        """Misdetections since a minute, counted, without those of quarantined sites; the oldest report first.

        The database counts: a fleet has a million of them, and a few thousand counts.
        """
        row = MisdetectionRow
        by = (row.class_name, row.condition, row.kind, row.site, row.camera, row.model_digest)
        by_all = (*by, row.evidence, row.size, row.region)
        sums = (func.count(), func.sum(row.probability), func.min(row.minute_utc), func.max(row.minute_utc))
        query = select(*by_all, *sums).where(row.minute_utc >= since_utc, _counts(row.site))
        with self._db.reading() as session:
            found = session.execute(query.group_by(*by_all).order_by(func.min(row.report_id)))
            return [EvidenceCount(*tuple(one)) for one in found]

    def ledger_totals(
        self, visible: Visible = None, *, after: tuple[str, str] | None = None, limit: int
    ) -> list[LedgerTotal]:
        """Reports and bytes received by site and kind, in that order; heartbeats count as one, the last."""
        row, beat = StoredReport, SiteHeartbeat
        query = select(row.site, row.kind, func.count(), func.sum(row.length_bytes))
        query = query.group_by(row.site, row.kind).order_by(row.site, row.kind).limit(limit)
        latest = select(beat.site, beat.length_bytes).order_by(beat.site).limit(limit)
        if after is not None:
            site, kind = after
            query = query.where(row.site >= site, (row.site > site) | (row.kind > kind))
            latest = latest.where(beat.site > site if kind >= "heartbeat" else beat.site >= site)
        query = query.where(*of_sites(row.site, None, None, visible))
        latest = latest.where(*of_sites(beat.site, None, None, visible))
        with self._db.reading() as session:
            found = [LedgerTotal(*one[:3], length_bytes=int(one[3])) for one in session.execute(query)]
            found += [LedgerTotal(one[0], "heartbeat", 1, one[1]) for one in session.execute(latest)]
        return sorted(found, key=lambda one: (one.site, one.kind))[:limit]


def of_sites(column: Any, site: str | None, group: str | None, visible: Visible) -> list[ColumnElement[bool]]:
    """Conditions on a column of site names."""
    found: list[ColumnElement[bool]] = []
    if site is not None:
        found.append(column == site)
    if group is not None:
        found.append(column.in_(_names(Site.site_group == group)))
    if visible is not None:
        found.append(column.in_(visible))
    return found


def _counts(column: Any) -> ColumnElement[bool]:
    """Whether a column names a site that is not quarantined."""
    counts: ColumnElement[bool] = column.not_in(select(Site.site).where(Site.quarantined))
    return counts


def _names(condition: ColumnElement[bool]) -> Select[str]:
    return select(Site.site).where(condition)


def _period(column: Any, since: int | None, until: int | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(column >= since)
    if until is not None:
        found.append(column < until)
    return found


def _has_status(status: HazardStatus) -> ColumnElement[bool]:
    same = (HazardHandling.site == HazardRow.site) & (HazardHandling.event == HazardRow.event)
    if status is HazardStatus.OPEN:
        return ~exists().where(same, HazardHandling.status != HazardStatus.OPEN)
    has = select(HazardHandling.event).where(HazardHandling.status == status)
    return HazardRow.event.in_(has) & exists().where(same, HazardHandling.status == status)
