"""Notices changes of hazards and queues them for the integrations that want them, in the same transaction.

What is stored is queued, and what is queued was stored: a kill between the two cannot happen. An integration
gets `opened` of a hazard before anything else of it, and nothing more after `false_alarm`.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.errors import NotKnown, NotNow
from cloud.store.database import Database
from cloud.store.delivery_records import (
    CHANGE_ID_DIGITS,
    DeliveryState,
    HazardChange,
    HazardDelivery,
    HazardFacts,
    HazardHandling,
    HazardStatus,
    facts_of,
)
from cloud.store.report_records import HazardRow, VerdictRow
from messaging.reports import HazardState, Verdict

_CHANGES = {
    HazardStatus.ACKNOWLEDGED: HazardChange.ACKNOWLEDGED,
    HazardStatus.RESOLVED: HazardChange.RESOLVED,
    HazardStatus.FALSE_ALARM: HazardChange.FALSE_ALARM,
}
_BEFORE = {
    HazardStatus.ACKNOWLEDGED: {HazardStatus.OPEN},
    HazardStatus.RESOLVED: {HazardStatus.OPEN, HazardStatus.ACKNOWLEDGED},
    HazardStatus.FALSE_ALARM: {HazardStatus.OPEN, HazardStatus.ACKNOWLEDGED, HazardStatus.RESOLVED},
}


@dataclass(frozen=True)
class Subscription:
    """Which hazards an integration selects; empty `sites` or `classes` means all."""

    integration: str
    sites: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_severity: int = 1

    def wants(self, hazard: HazardFacts) -> bool:
        """Whether its changes are queued."""
        return (
            hazard.severity >= self.min_severity
            and (not self.sites or hazard.site in self.sites)
            and (not self.classes or hazard.class_name in self.classes)
        )


def change_id_of(hazard: HazardFacts, change: HazardChange, changed_at: int) -> str:
    """The id of a change: the same when a database that was lost is filled again from the hub."""
    what = f"{hazard.site}/{hazard.event}/{change}/{changed_at}"
    return hashlib.sha256(what.encode()).hexdigest()[:CHANGE_ID_DIGITS]


class HazardChanges:
    """Hazards as operators and integrations see them. Safe to share between threads."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription] = ()) -> None:
        self._db, self._subscriptions = database, tuple(subscriptions)

    def reported(self, session: Session, before: HazardState | None, hazard: HazardRow) -> None:
        """A site's report has changed a hazard, which was not known if `before` is None."""
        if before is None:
            self._queue(session, hazard, HazardChange.OPENED, hazard.started_at_utc)
        if hazard.state is HazardState.CLOSED and before is not HazardState.CLOSED:
            handled = session.get(HazardHandling, (hazard.site, hazard.event))
            if handled is None or handled.status is not HazardStatus.FALSE_ALARM:
                self._queue(session, hazard, HazardChange.CLOSED, hazard.at_utc)

    def judged(self, session: Session, verdict: VerdictRow) -> None:
        """An operator at the site has judged a hazard."""
        if verdict.verdict is Verdict.FALSE_ALARM and verdict.event is not None:
            hazard = session.get(HazardRow, (verdict.site, verdict.event))
            handled = session.get(HazardHandling, (verdict.site, verdict.event))
            known = handled is not None and handled.status is HazardStatus.FALSE_ALARM
            if hazard is not None and not known:
                self._set(session, hazard, HazardStatus.FALSE_ALARM)

    def handle(self, site: str, event: str, status: HazardStatus) -> HazardRow:
        """Acknowledge or resolve a hazard, or call it a false alarm.

        Raises `NotKnown`, and `NotNow` for a hazard that is this already, so that the second of two people
        learns of the first, for one that is a false alarm, and for a resolved one that is to be acknowledged.
        """
        with self._db.writing() as session:
            hazard = _known(session, site, event)
            handled = session.get(HazardHandling, (site, event))
            now = HazardStatus.OPEN if handled is None else handled.status
            if now not in _BEFORE[status]:
                raise NotNow(f"hazard {event} is {now.replace('_', ' ')} already")
            self._set(session, hazard, status)
            return hazard

    def hazard(self, site: str, event: str) -> tuple[HazardRow, HazardStatus]:
        """One hazard and what operators have made of it. Raises `NotKnown`."""
        with self._db.reading() as session:
            hazard = _known(session, site, event)
            handled = session.get(HazardHandling, (site, event))
            return hazard, HazardStatus.OPEN if handled is None else handled.status

    def statuses(self, hazards: Collection[HazardRow]) -> dict[tuple[str, str], HazardStatus]:
        """What operators have made of these hazards, by site and event; those that are open are left out."""
        events = {hazard.event for hazard in hazards}
        query = select(HazardHandling).where(HazardHandling.event.in_(events))
        with self._db.reading() as session:
            return {(found.site, found.event): found.status for found in session.scalars(query)}

    def _set(self, session: Session, hazard: HazardRow, status: HazardStatus) -> None:
        now = self._db.now()
        self._db.put(session, HazardHandling(hazard.site, hazard.event, status, now), key=["site", "event"])
        self._queue(session, hazard, _CHANGES[status], now)

    def _queue(self, session: Session, hazard: HazardRow, change: HazardChange, changed_at: int) -> None:
        facts, now = facts_of(hazard), self._db.now()
        change_id = change_id_of(facts, change, changed_at)
        rows = [
            HazardDelivery(
                integration=one.integration,
                change_id=change_id,
                change=change,
                changed_at=changed_at,
                hazard=facts,
                state=DeliveryState.WAITING,
                queued_at=now,
                due_at=now,
            )
            for one in self._subscriptions
            if one.wants(facts)
        ]
        self._db.add_all(session, rows)


def _known(session: Session, site: str, event: str) -> HazardRow:
    hazard = session.get(HazardRow, (site, event))
    if hazard is None:
        raise NotKnown(f"hazard {event[:40]!r} of site {site[:40]!r} is not known")
    return hazard
