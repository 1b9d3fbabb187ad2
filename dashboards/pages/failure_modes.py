"""Failure modes ranked by harm: evidence, estimated recall with its interval and target, status."""

from typing import Any

from dashboards.components.empty import Empty
from dashboards.components.pills import recall_bar
from dashboards.components.section import card, heading
from dashboards.components.table import Column, Table, link
from dashboards.learning.mode_names import mode_name, mode_status, sources_text
from dashboards.markup import Html
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
    Column("campaign", "campaign", "html", width=120),
)
EMPTY = Empty("No failure mode is known yet. Misdetections that the sites report are grouped here.")


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
        "name": link(mode_name(mode), scope.link("failure-modes", mode.id)),
        "name_value": mode_name(mode),
        "status": mode_status(mode.status),
        "status_value": mode.status,
        "harm": round(mode.harm, 1),
        "count": mode.count,
        "sources": sources_text(mode.sources),
        "recall": recall_bar(mode.recall, mode.target),
        "recall_value": mode.recall.value,
        "cameras": mode.camera_count,
        "campaign": campaign_link(mode, scope),
        "campaign_value": mode.campaign,
    }


def campaign_link(mode: FailureModeResource, scope: Scope) -> Html:
    """A link to the campaign that it is in, or to the plan of one."""
    if mode.campaign and mode.status in ("in_campaign", "waiting"):
        return link("follow", scope.link("campaigns", mode.campaign))
    return link("plan", scope.link("campaigns", "new", modes=mode.id))
