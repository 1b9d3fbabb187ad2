"""Pages of sites and cameras, and what sites run, from their last heartbeats.

Cameras are part of a heartbeat's JSON. A page reads the heartbeats of some sites at a time, and validates
none but the cameras that it shows.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select, Text, case, func, select, type_coerce

from cloud.store.database import Database
from cloud.store.lists.filters import CameraFilter, SiteFilter
from cloud.store.report_records import PrototypeRow, Site, SiteHeartbeat
from messaging.reports import CameraHealth, Heartbeat

Visible = Collection[str] | None
SITES_AT_A_TIME = 50
_TEXT = type_coerce(SiteHeartbeat.heartbeat, Text)


@dataclass(frozen=True)
class RunningModels:
    """The digests of the detector and the teacher that a site runs by its last heartbeat."""

    site: str
    model_digest: str | None
    teacher_digest: str | None


class _Models(BaseModel):
    """What is read of a heartbeat for `RunningModels`; its cameras are skipped, not made into objects."""

    model_digest: str | None = None
    teacher_digest: str | None = None


class _Skipped(BaseModel):
    """A camera that is counted only."""


class HeartbeatSummary(Heartbeat):
    """A heartbeat whose cameras are counted; to validate ten of each takes most of the time of a list."""

    cameras: tuple[_Skipped, ...]  # type: ignore[assignment]  # a summary is read, never sent


@dataclass(frozen=True)
class SiteBeat:
    """The last heartbeat of a site in a list, and when it was received."""

    received_at: int
    heartbeat: HeartbeatSummary


@dataclass(frozen=True)
class SiteCamera:
    """A camera in the last heartbeat of its site."""

    site: str
    health: CameraHealth


@dataclass(frozen=True)
class StatedBudget:
    """The privacy budget (epsilon) that a camera had spent, as its last stored prototype states.

    `at_utc` is the minute of that prototype. Less may be spent now, since releases leave the window; or more,
    since an account that the site has lost counts as spent.
    """

    epsilon_spent: float
    at_utc: int


class FleetLists:
    """Lists of the fleet. `visible`: names of the sites that are read, None for all."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def sites(
        self,
        wanted: SiteFilter,
        visible: Visible = None,
        *,
        online_since: float,
        after: str | None = None,
        limit: int,
    ) -> list[tuple[Site, SiteBeat | None]]:
        """Sites by name with their last heartbeats; a revoked one has none.

        Online are those whose heartbeat was received at `online_since` or later.
        """
        query = select(Site, SiteHeartbeat.received_at, _TEXT).outerjoin(SiteHeartbeat, _beats_of_enrolled())
        if visible is not None:
            query = query.where(Site.site.in_(visible))
        if wanted.group is not None:
            query = query.where(Site.site_group == wanted.group)
        if wanted.revoked is not None:
            query = query.where(Site.revoked == wanted.revoked)
        if wanted.quarantined is not None:
            query = query.where(Site.quarantined == wanted.quarantined)
        if wanted.online is not None:
            received = func.coalesce(SiteHeartbeat.received_at, -1)
            query = query.where(received >= online_since if wanted.online else received < online_since)
        if after is not None:
            query = query.where(Site.site > after)
        with self._db.reading() as session:
            found = session.execute(query.order_by(Site.site).limit(limit))
            return [
                (site, None if text is None else SiteBeat(at, HeartbeatSummary.model_validate_json(text)))
                for site, at, text in found
            ]

    def count(self, visible: Visible = None, *, online_since: float) -> tuple[int, int]:
        """Numbers of known sites, and of those that are online."""
        received = func.coalesce(SiteHeartbeat.received_at, -1)
        online = func.sum(_as_number(received >= online_since))
        query = select(func.count(), online).select_from(Site).outerjoin(SiteHeartbeat, _beats_of_enrolled())
        if visible is not None:
            query = query.where(Site.site.in_(visible))
        with self._db.reading() as session:
            sites, found = session.execute(query).one()
            return sites, int(found or 0)

    def states(self, sites: Collection[str], *, online_since: float) -> dict[str, str]:
        """Of each of these sites that is known: `revoked`, `quarantined`, `online` or `offline`."""
        received = func.coalesce(SiteHeartbeat.received_at, -1)
        state = case(
            (Site.revoked, "revoked"),
            (Site.quarantined, "quarantined"),
            (received >= online_since, "online"),
            else_="offline",
        )
        query = select(Site.site, state).outerjoin(SiteHeartbeat, _beats_of_enrolled())
        with self._db.reading() as session:
            found = session.execute(query.where(Site.site.in_(sites)))
            return {site: str(named) for site, named in found}

    def groups(
        self, visible: Visible = None, *, after: str | None = None, limit: int
    ) -> list[tuple[str, int]]:
        """Groups by name with their numbers of sites, revoked ones too; sites of no group are left out."""
        query = select(Site.site_group, func.count()).where(Site.site_group > (after or ""))
        if visible is not None:
            query = query.where(Site.site.in_(visible))
        with self._db.reading() as session:
            found = session.execute(query.group_by(Site.site_group).order_by(Site.site_group).limit(limit))
            return [(name, sites) for name, sites in found]

    def running(self, visible: Visible = None) -> list[RunningModels]:
        """What every site (or these) that is not revoked runs, by name of the site."""
        beats = (
            (site, _Models.model_validate_json(text)) for site, text in self._heartbeats(_beats(visible))
        )
        return [RunningModels(site, one.model_digest, one.teacher_digest) for site, one in beats]

    def cameras(
        self,
        wanted: CameraFilter,
        visible: Visible = None,
        *,
        after: tuple[str, int] | None = None,
        limit: int,
    ) -> list[tuple[SiteCamera, int]]:
        """Cameras by site with their places in its heartbeat; `after`: site and place of the last one."""
        query = _beats(visible)
        if wanted.site is not None:
            query = query.where(SiteHeartbeat.site == wanted.site)
        if wanted.group is not None:
            query = query.where(Site.site_group == wanted.group)
        found: list[tuple[SiteCamera, int]] = []
        place = after
        while len(found) < limit:
            rest = query if place is None else query.where(SiteHeartbeat.site >= place[0])
            beats = self._heartbeats(rest.limit(SITES_AT_A_TIME))
            for site, text in beats:
                for number, camera in enumerate(json.loads(text)["cameras"]):
                    if (place is None or (site, number) > place) and _fits(camera, wanted):
                        found.append((SiteCamera(site, CameraHealth.model_validate(camera)), number))
            if len(beats) < SITES_AT_A_TIME:
                break
            place = (beats[-1][0], 2**31)
        return found[:limit]

    def budgets(self, sites: Collection[str]) -> dict[tuple[str, str], StatedBudget]:
        """Of these sites, by site and camera, what the last prototype of each camera states."""
        row = PrototypeRow
        latest = func.row_number().over(
            partition_by=(row.site, row.camera),
            order_by=(row.minute_utc.desc(), row.epsilon_spent.desc(), row.report_id.desc()),
        )
        stated = row.site.in_(sites) & row.epsilon_spent.is_not(None)
        each = select(row.site, row.camera, row.epsilon_spent, row.minute_utc, latest.label("place"))
        found = each.where(stated).subquery()
        last = select(found.c.site, found.c.camera, found.c.epsilon_spent, found.c.minute_utc)
        with self._db.reading() as session:
            rows = session.execute(last.where(found.c.place == 1))
            return {(site, camera): StatedBudget(spent, at) for site, camera, spent, at in rows}

    def _heartbeats(self, query: Select[Any]) -> list[tuple[str, str]]:
        """Sites with their heartbeats as JSON text."""
        with self._db.reading() as session:
            found = session.execute(query.with_only_columns(SiteHeartbeat.site, _TEXT))
            return [(row[0], row[1]) for row in found]


def _beats(visible: Visible) -> Select[Any]:
    query = select(SiteHeartbeat).join(Site, _beats_of_enrolled()).order_by(SiteHeartbeat.site)
    return query if visible is None else query.where(SiteHeartbeat.site.in_(visible))


def _beats_of_enrolled() -> ColumnElement[bool]:
    return (SiteHeartbeat.site == Site.site) & ~Site.revoked


def _as_number(condition: ColumnElement[bool]) -> Any:
    return case((condition, 1), else_=0)


def _fits(camera: dict[str, Any], wanted: CameraFilter) -> bool:
    return (
        (wanted.light is None or camera["light"] == wanted.light)
        and (wanted.weather is None or camera["weather"] == wanted.weather)
        and (wanted.connected is None or camera["connected"] is wanted.connected)
    )
