"""Marks of everything that live events are about: an object has changed when its mark is another one.

A few small queries, whatever the number of viewers. Hazards, campaigns and rollouts are the newest ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from cloud.store.database import Database
from cloud.store.delivery_records import HazardHandling
from cloud.store.history.request_store import VerdictRequestRow
from cloud.store.records import Campaign, ModeState, Rollout, StageRecord
from cloud.store.report_records import HazardRow, Site, SiteHeartbeat
from messaging.api.events import EventKind

NEWEST_HAZARDS, NEWEST = 300, 30


class Changeable(NamedTuple):
    """What has a mark: `site` is None for what is about all sites."""

    kind: EventKind
    id: str
    site: str | None = None


Marks = Mapping[Changeable, tuple[Any, ...]]


class ChangeMarks:
    """Reads the marks."""

    def __init__(self, database: Database, *, online_s: float) -> None:
        self._db, self._online_s = database, online_s

    def read(self) -> Marks:
        """The marks as they are now, from one snapshot."""
        since = self._db.now() - self._online_s
        with self._db.reading() as session:
            return {
                **dict(_hazards(session)),
                **dict(_sites(session, since)),
                **dict(_modes(session)),
                **dict(_campaigns(session)),
                **dict(_rollouts(session)),
                **dict(_requests(session)),
            }


def _hazards(session: Session) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    row, handled = HazardRow, HazardHandling
    same = and_(handled.site == row.site, handled.event == row.event)
    query = select(row.site, row.event, row.state, row.at_utc, handled.status).outerjoin(handled, same)
    newest = query.order_by(row.started_at_utc.desc(), row.event.desc()).limit(NEWEST_HAZARDS)
    for site, event, *mark in session.execute(newest):
        yield Changeable(EventKind.HAZARD, event, site), tuple(mark)


def _sites(session: Session, since: float) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    query = select(Site.site, Site.revoked, Site.quarantined, Site.site_group, SiteHeartbeat.received_at)
    joined = query.outerjoin(SiteHeartbeat, SiteHeartbeat.site == Site.site)
    for site, revoked, quarantined, group, received_at in session.execute(joined):
        online = received_at is not None and received_at >= since
        yield Changeable(EventKind.SITE, site, site), (revoked, quarantined, group, online)


def _modes(session: Session) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    query = select(ModeState.mode, ModeState.status, ModeState.since, ModeState.assigned_class)
    for mode, *mark in session.execute(query):
        yield Changeable(EventKind.FAILURE_MODE, mode), tuple(mark)


def _campaigns(session: Session) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    newest = select(Campaign.id, Campaign.state).order_by(Campaign.id.desc()).limit(NEWEST)
    found: dict[str, list[Any]] = {campaign: [state] for campaign, state in session.execute(newest)}
    row = StageRecord
    query = select(row.campaign, row.stage, row.state, row.progress, row.runs).order_by(row.id)
    for campaign, *stage in session.execute(query.where(row.campaign.in_(found))):
        found[campaign] += stage
    for campaign, mark in found.items():
        yield Changeable(EventKind.CAMPAIGN, campaign), tuple(mark)


def _rollouts(session: Session) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    row = Rollout
    query = select(row.id, row.phase, row.paused, row.updated_at)
    newest = query.order_by(row.created_at.desc(), row.id.desc()).limit(NEWEST)
    for rollout, *mark in session.execute(newest):
        yield Changeable(EventKind.ROLLOUT, rollout), tuple(mark)


def _requests(session: Session) -> Iterator[tuple[Changeable, tuple[Any, ...]]]:
    row = VerdictRequestRow
    query = select(row.number, row.site, row.outcome)
    for number, site, outcome in session.execute(query.order_by(row.number.desc()).limit(NEWEST)):
        yield Changeable(EventKind.VERDICT_REQUEST, str(number), site), (outcome,)
