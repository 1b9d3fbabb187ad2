"""The audit log: every change that was asked for, and what the cloud signed by itself."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table
from dashboards.markup import Html
from dashboards.page_view import PageView
from messaging.access_resources import AuditResource

SHOWN = 200
COLUMNS = (
    Column("when", "when", "html", width=130),
    Column("user", "by"),
    Column("address", "from", width=140),
    Column("action", "what", flex=1.6),
    Column("object", "object", flex=1.6),
    Column("status", "answer", "number", width=100),
)
EMPTY = Empty(
    "Nothing has been changed yet. Every change that is asked for is entered here, and every release "
    "that the cloud signs by itself."
)


async def build(view: PageView) -> None:
    """The latest entries."""
    with card("Audit log", name="audit-card", aside=f"the latest {SHOWN} changes"):
        table = Table(COLUMNS, name="audit", empty=EMPTY)

    async def refresh() -> None:
        entries = await view.page("audit", AuditResource, limit=SHOWN)
        table.show([row(entry, view.now()) for entry in entries.items])

    view.live(refresh)


def row(entry: AuditResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": str(entry.id),
        "when": Html(phrases.ago(entry.at_utc, now)),
        "when_value": entry.at_utc,
        "user": entry.user,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object,
        "status": entry.status,
    }
