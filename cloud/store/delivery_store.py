"""The queue and the log of deliveries in the database. Nothing here sends.

Of each integration at most `WAITING_KEPT` deliveries wait; of those that have ended, `ENDED_KEPT` of each
state are kept, for `KEPT_DAYS`. The oldest go first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, Text, case, delete, func, select, type_coerce, update

from cloud.errors import NotKnown, NotNow
from cloud.store.database import Database, written
from cloud.store.delivery_records import DeliveryState, HazardDelivery
from cloud.store.lists.filters import DeliveryFilter

WAITING_KEPT = 10_000
ENDED_KEPT = 10_000
KEPT_DAYS = 30
_DAY_S = 86_400


@dataclass(frozen=True)
class DeliveryTotals:
    """Deliveries of one integration by state, and the end of the latest one that has ended."""

    waiting: int = 0
    delivered: int = 0
    dead: int = 0
    last_delivered_at: int | None = None


class DeliveryStore:
    """Deliveries in the database. Safe to share between threads."""

    def __init__(
        self, database: Database, *, waiting_kept: int = WAITING_KEPT, ended_kept: int = ENDED_KEPT
    ) -> None:
        self._db = database
        self._waiting_kept, self._ended_kept = waiting_kept, ended_kept

    def now(self) -> int:
        """Whole seconds since 1970, by the store's clock."""
        return self._db.now()

    def next_waiting(self, integration: str) -> HazardDelivery | None:
        """The oldest delivery that waits, due or not."""
        query = select(HazardDelivery).where(*_of(integration, DeliveryState.WAITING))
        with self._db.reading() as session:
            return session.scalar(query.order_by(HazardDelivery.queued_at, HazardDelivery.id).limit(1))

    def put(self, delivery: HazardDelivery) -> HazardDelivery:
        """Store a delivery that did not come from a hazard, as a test's; it has its id then."""
        statement = self._db.insert(HazardDelivery).returning(HazardDelivery.id)
        with self._db.writing() as session:
            return session.get_one(HazardDelivery, session.scalar(statement, delivery.values()))

    def note_attempt(
        self,
        delivery: HazardDelivery,
        state: DeliveryState,
        *,
        outcome: str,
        seconds: float,
        wait_s: float = 0.0,
    ) -> None:
        """Store what an attempt has brought; one that still waits is due after `wait_s`."""
        now = self._db.now()
        values = {
            "state": state,
            "attempts": delivery.attempts + 1,
            "due_at": now + round(wait_s),
            "ended_at": None if state is DeliveryState.WAITING else now,
            "seconds": seconds,
            "outcome": outcome,
        }
        waiting = (HazardDelivery.id == delivery.id) & (HazardDelivery.state == DeliveryState.WAITING)
        with self._db.writing() as session:
            session.execute(update(HazardDelivery).where(waiting).values(values))

    def get(self, delivery: int) -> HazardDelivery:
        """One delivery by its id. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(HazardDelivery, delivery)
        if found is None:
            raise _not_known(delivery)
        return found

    def replay(self, delivery: int) -> HazardDelivery:
        """Let a dead letter wait again, after those that wait already. Raises `NotKnown`, `NotNow`."""
        with self._db.writing() as session:
            state = session.scalar(select(HazardDelivery.state).where(HazardDelivery.id == delivery))
            if state is None:
                raise _not_known(delivery)
            if state is not DeliveryState.DEAD:
                raise NotNow(f"delivery {delivery} is {state}; only dead letters are replayed")
            now = self._db.now()
            values = {
                "state": DeliveryState.WAITING,
                "attempts": 0,
                "queued_at": now,
                "due_at": now,
                "ended_at": None,
            }
            session.execute(update(HazardDelivery).where(HazardDelivery.id == delivery).values(values))
            return session.scalars(select(HazardDelivery).where(HazardDelivery.id == delivery)).one()

    def page(
        self,
        wanted: DeliveryFilter,
        *,
        before: int | None = None,
        limit: int,
    ) -> list[HazardDelivery]:
        """Deliveries, latest first; `before` is the id of the last one seen."""
        query = select(HazardDelivery).order_by(HazardDelivery.id.desc()).limit(limit)
        if wanted.integration is not None:
            query = query.where(HazardDelivery.integration == wanted.integration)
        if wanted.state is not None:
            query = query.where(HazardDelivery.state == wanted.state)
        for name, value in (("site", wanted.site), ("event", wanted.event)):
            if value is not None:
                query = query.where(_has_fact(name, value))
        if wanted.since is not None:
            query = query.where(HazardDelivery.queued_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(HazardDelivery.queued_at < wanted.until)
        if before is not None:
            query = query.where(HazardDelivery.id < before)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def totals(self) -> dict[str, DeliveryTotals]:
        """Totals by integration; one without deliveries is left out."""
        row = HazardDelivery
        query = select(row.integration, row.state, func.count(), func.max(row.ended_at))
        found: dict[str, dict[DeliveryState, tuple[int, int | None]]] = {}
        with self._db.reading() as session:
            for name, state, count, last in session.execute(query.group_by(row.integration, row.state)):
                found.setdefault(name, {})[state] = (count, last)
        nothing = (0, None)
        return {
            name: DeliveryTotals(
                waiting=states.get(DeliveryState.WAITING, nothing)[0],
                delivered=states.get(DeliveryState.DELIVERED, nothing)[0],
                dead=states.get(DeliveryState.DEAD, nothing)[0],
                last_delivered_at=states.get(DeliveryState.DELIVERED, nothing)[1],
            )
            for name, states in found.items()
        }

    def bury_old(self, integration: str, *, queued_before: int, outcome: str) -> int:
        """Make dead letters of deliveries that were queued before a time; their number."""
        old = HazardDelivery.queued_at < queued_before
        return self._bury((*_of(integration, DeliveryState.WAITING), old), outcome)

    def bury_surplus(self, integration: str) -> int:
        """Make dead letters of the oldest deliveries where more than `WAITING_KEPT` wait; their number."""
        waiting = _of(integration, DeliveryState.WAITING)
        surplus = HazardDelivery.id <= _last_beyond(waiting, self._waiting_kept)
        return self._bury((*waiting, surplus), f"more than {self._waiting_kept} deliveries waited")

    def bury_unknown(self, integrations: Sequence[str]) -> int:
        """Make dead letters of what waits for integrations that are not configured; their number."""
        unknown = HazardDelivery.integration.not_in(integrations)
        return self._bury(
            (HazardDelivery.state == DeliveryState.WAITING, unknown), "this integration is not configured"
        )

    def trim(self, integration: str) -> None:
        """Remove what has ended long ago, or is more than is kept."""
        old = HazardDelivery.ended_at < self._db.now() - KEPT_DAYS * _DAY_S
        with self._db.writing() as session:
            for state in (DeliveryState.DELIVERED, DeliveryState.DEAD):
                ended = _of(integration, state)
                surplus = HazardDelivery.id <= _last_beyond(ended, self._ended_kept)
                session.execute(delete(HazardDelivery).where(*ended, old | surplus))

    def _bury(self, which: Sequence[ColumnElement[bool]], outcome: str) -> int:
        last = case((HazardDelivery.outcome == "", ""), else_=": " + HazardDelivery.outcome)
        values = {"state": DeliveryState.DEAD, "ended_at": self._db.now(), "outcome": outcome + last}
        with self._db.writing() as session:
            return written(session, update(HazardDelivery).where(*which).values(values))


def _not_known(delivery: int) -> NotKnown:
    return NotKnown(f"delivery {delivery} is not known; `blindspot integrations deliveries` lists them")


def _of(integration: str, state: DeliveryState) -> tuple[ColumnElement[bool], ...]:
    return HazardDelivery.integration == integration, HazardDelivery.state == state


def _last_beyond(which: Sequence[ColumnElement[bool]], kept: int) -> ScalarSelect[int]:
    """The id of the newest delivery that is not among the `kept` newest; NULL if there is none."""
    newest = select(HazardDelivery.id).where(*which).order_by(HazardDelivery.id.desc())
    return newest.offset(kept).limit(1).scalar_subquery()


def _has_fact(name: str, value: str) -> ColumnElement[bool]:
    """That the facts of the hazard, kept as JSON text, have this value; quotes make it the whole one."""
    facts = type_coerce(HazardDelivery.hazard, Text)
    return facts.contains(f'"{name}":{json.dumps(value)}', autoescape=True)
