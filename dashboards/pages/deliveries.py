"""Rows of the delivery log: how changes of hazards reached other systems, or why they did not."""

from typing import Any

from dashboards import phrases
from dashboards.components.pills import pill
from dashboards.components.table import Column
from dashboards.markup import Html
from messaging.integration_resources import DeliveryResource

COLUMNS = (
    Column("number", "number", "number", width=76),
    Column("queued", "queued", "html", width=80),
    Column("integration", "integration", width=100),
    Column("change", "change", width=110),
    Column("state", "state", "html", width=104),
    Column("attempts", "attempts", "number", width=80),
    Column("seconds", "seconds", "number", width=76),
    Column("outcome", "last outcome", width=220),
)
TONES = {"delivered": "good", "dead": "bad", "waiting": "busy"}


def row(delivery: DeliveryResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": str(delivery.id),
        "number": delivery.id,
        "queued": Html(phrases.ago(delivery.queued_at, now)),
        "queued_value": delivery.queued_at,
        "integration": delivery.integration,
        "change": phrases.readable(delivery.change),
        "state": pill(delivery.state, TONES.get(delivery.state, "plain")),
        "state_value": delivery.state,
        "attempts": delivery.attempts,
        "seconds": None if delivery.seconds is None else round(delivery.seconds, 2),
        "outcome": delivery.outcome,
    }
