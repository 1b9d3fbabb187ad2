"""The audit log: every change that was asked for, and what the cloud signed by itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import shown_to_copy
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.markup import Html
from dashboards.page_view import PageView
from messaging.access_resources import AuditResource

SHOWN = 200
COLUMNS = (
    Column("when", "when", "html", width=86),
    Column("user", "by", width=100),
    Column("address", "from", width=120),
    Column("action", "what", width=150),
    Column("object", "object", width=170),
    Column("status", "answer", "number", width=76),
    Column("change", "", "html", width=100),
)
EMPTY = Empty(
    "Nothing has been changed yet. Every change that is asked for is entered here, and every release "
    "that the cloud signs by itself. This command adds a user, which is such a change:",
    command="blindspot users add NAME --role viewer",
)

NONE_FITS = Empty("No entry is of this person, or of this object.")


@dataclass(frozen=True)
class WantedEntries:
    """What the list is limited to; it is in the address. Empty is no limit."""

    user: str = ""
    object: str = ""

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "WantedEntries":
        """The filter in the query of an address."""
        return cls(query.get("user", "")[:160], query.get("object", "")[:160])

    def query(self) -> dict[str, str | None]:
        """The filter as query parameters, of the page and of the cloud."""
        return {name: value or None for name, value in vars(self).items()}


async def build(view: PageView) -> None:
    """The latest entries, of a person or an object if that is chosen."""
    wanted = WantedEntries.of_query(view.query)
    with card("Audit log", name="audit-card", aside=f"the latest {SHOWN} changes"):
        _filters(view, wanted)
        table = Table(COLUMNS, name="audit", empty=EMPTY if wanted == WantedEntries() else NONE_FITS)

    async def entries() -> Sequence[AuditResource]:
        return (await view.page("audit", AuditResource, limit=SHOWN, **wanted.query())).items

    async def refresh() -> None:
        table.show([row(entry, view.now()) for entry in await entries()])

    async def show(number: str) -> None:
        for entry in await entries():
            if str(entry.id) == number:
                await shown_to_copy("Before and after", sentence(entry), change_text(entry))

    table.on_action("change", show)
    view.live(refresh)


def _filters(view: PageView, wanted: WantedEntries) -> None:
    """Fields for person and object; Enter opens the list with that filter."""
    with ui.row().classes("filters"):
        for name, label in (("user", "By"), ("object", "Object")):
            field = ui.input(label, value=getattr(wanted, name)).props("outlined dense clearable")

            def choose(name: str = name, field: ui.input = field) -> None:
                chosen = replace(wanted, **{name: (field.value or "").strip()})
                view.go("settings", "audit", **chosen.query())

            field.on("keydown.enter", choose)
            field.on("clear", choose)


def sentence(entry: AuditResource) -> str:
    """Who asked for what."""
    return f"{entry.user}: {entry.action}, {entry.object}; answered {entry.status}."


def change_text(entry: AuditResource) -> str:
    """The object before and after, as JSON by field; a side that was not entered says so."""
    sides = (("before", entry.before), ("after", entry.after))
    return "\n".join(
        f"{name}: " + ("not entered" if side is None else json.dumps(side, indent=2, ensure_ascii=False))
        for name, side in sides
    )


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
        "change": ""
        if entry.before is None and entry.after is None
        else action("Change", f"Before and after of entry {entry.id}"),
    }
