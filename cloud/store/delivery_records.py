"""Changes of hazards that reach other systems, as records: how a hazard is handled, and every delivery.

A delivery is a waiting message, a log entry, or a dead letter, by its state. It holds the facts of the hazard
at the time of the change, so that a message that waits states what was true then.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.mapping import Json, Record
from cloud.store.report_records import HazardRow

CHANGE_ID_DIGITS = 32


class HazardStatus(StrEnum):
    """What operators have made of a hazard."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"


class HazardChange(StrEnum):
    """What happened to a hazard; `test` is no hazard."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"
    CLOSED = "closed"
    TEST = "test"


class DeliveryState(StrEnum):
    """State of a delivery; a `dead` one is sent again only when a person replays it."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True)
class HazardFacts:
    """What other systems get to know of a hazard. Times are seconds since 1970, `confidence` 0 to 1."""

    site: str
    event: str
    camera: str
    class_name: str
    severity: int
    confidence: float
    condition: str
    zone: str | None
    started_at_utc: int
    at_utc: int


def facts_of(hazard: HazardRow) -> HazardFacts:
    """The facts of a stored hazard."""
    return HazardFacts(
        site=hazard.site,
        event=hazard.event,
        camera=hazard.camera,
        class_name=hazard.class_name,
        severity=hazard.severity,
        confidence=hazard.confidence,
        condition=hazard.condition.key,
        zone=hazard.zone,
        started_at_utc=hazard.started_at_utc,
        at_utc=hazard.at_utc,
    )


class HazardHandling(Record):
    """What operators have made of one hazard; without a row it is open."""

    __tablename__ = "hazard_handling"
    __table_args__ = (Index("ix_hazard_handling_status", "status"),)

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    event: Mapped[str] = mapped_column(String(26), primary_key=True)
    status: Mapped[HazardStatus]
    at_utc: Mapped[int]


class HazardDelivery(Record):
    """One change of one hazard on its way to one integration.

    `change_id` is the same for all integrations. `due_at`: the next attempt is not before. `outcome`: what
    the last attempt brought, in one sentence. `seconds`: how long it took.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_integration_state", "integration", "state", "queued_at"),
        Index("ix_deliveries_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    integration: Mapped[str] = mapped_column(String(40))
    change_id: Mapped[str] = mapped_column(String(CHANGE_ID_DIGITS))
    change: Mapped[HazardChange]
    changed_at: Mapped[int]
    hazard: Mapped[HazardFacts] = mapped_column(Json(HazardFacts))
    state: Mapped[DeliveryState]
    queued_at: Mapped[int]
    due_at: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[int | None] = mapped_column(default=None)
    seconds: Mapped[float | None] = mapped_column(default=None)
    outcome: Mapped[str] = mapped_column(Text, default="")
