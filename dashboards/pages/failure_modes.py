"""Failure modes ranked by harm: evidence, estimated recall with its interval and target, status."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill, recall_bar
from dashboards.components.section import card, heading
from dashboards.components.table import Column, Table, link
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.resources import FailureModeResource

RANKED = "harm = frequency × severity × (1 − estimated recall)"
COLUMNS = (
    Column("name", "failure mode", "html", flex=2.4),
    Column("status", "status", "html", width=130),
    Column("harm", "harm", "number", width=100, tooltip=RANKED),
    Column("count", "misdetections", "number", width=140),
    Column("sources", "evidence sources", flex=1.6),
    Column("recall", "estimated recall (dotted: target)", "html", width=330),
    Column("cameras", "cameras", "number", width=110),
)
EMPTY = Empty("No failure mode is known yet. Misdetections that the sites report are grouped here.")
TONES = {"open": "bad", "reopened": "bad", "in_campaign": "busy", "waiting": "busy", "closed": "good"}


async def page(view: PageView) -> None:
    """The list of failure modes."""
    heading("Failure modes", "Where the detector misses, most harmful first.")
    with card("All failure modes", name="failure-modes-card", aside=RANKED):
        table = Table(COLUMNS, name="failure-modes", empty=EMPTY)

    async def refresh() -> None:
        modes = await view.all_items("failure-modes", FailureModeResource, limit=500)
        table.show([row(mode, view.scope) for mode in modes])

    view.live(refresh)


def row(mode: FailureModeResource, scope: Scope) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": mode.id,
        "name": link(mode_text(mode), scope.link("failure-modes", mode.id)),
        "name_value": mode_text(mode),
        "status": pill(phrases.readable(mode.status), TONES.get(mode.status, "plain")),
        "status_value": mode.status,
        "harm": round(mode.harm, 1),
        "count": mode.count,
        "sources": sources_text(mode.sources),
        "recall": recall_bar(mode.recall, mode.target),
        "recall_value": mode.recall.value,
        "cameras": mode.camera_count,
    }


def mode_text(mode: FailureModeResource) -> str:
    """`fallen person missed (night, rain)`."""
    name = phrases.readable(mode.assigned_class or mode.class_name)
    return f"{name} {phrases.readable(mode.kind)} ({phrases.condition(mode.condition)})"


def sources_text(sources: dict[str, int]) -> str:
    """`teacher 12, track gap 3`, the most frequent first."""
    ranked = sorted(sources.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{phrases.readable(name)} {n:,}" for name, n in ranked) or phrases.MISSING
