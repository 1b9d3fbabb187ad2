"""Failure modes ranked by harm: evidence, estimated recall with its interval and target, status."""

from typing import Any

from dashboards.components.charts import Chart, palette
from dashboards.components.empty import Empty
from dashboards.components.pills import recall_bar
from dashboards.components.section import Markup, card, heading
from dashboards.components.table import Column, Table, link
from dashboards.components.theme_switch import present_theme
from dashboards.learning.mode_names import mode_name, mode_status, sources_text
from dashboards.learning.prototype_map import map_in_words, map_options
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.api.prototype_map import PrototypeMapResource
from messaging.resources import FailureModeResource

RANKED = "harm = frequency × severity × (1 − estimated recall)"
MAP_EVERY_S = 30.0
COLUMNS = (
    Column("name", "failure mode", "html", width=240),
    Column("status", "status", "html", width=110),
    Column("harm", "harm", "number", width=85, tooltip=RANKED),
    Column("count", "misdetections", "number", width=115),
    Column("sources", "evidence sources", flex=1.6),
    Column("recall", "estimated recall (dotted: target)", "html", width=265),
    Column("cameras", "cameras", "number", width=85),
    Column("campaign", "campaign", "html", width=95),
)
EMPTY = Empty("No failure mode is known yet. Misdetections that the sites report are grouped here.")


async def page(view: PageView) -> None:
    """The list of failure modes."""
    heading("Failure modes", "Where the detector misses, most harmful first.")
    with card("All failure modes", name="failure-modes-card", aside=RANKED):
        table = Table(COLUMNS, name="failure-modes", empty=EMPTY)

    with card("Prototypes", name="prototypes-card", aside="what is near looks alike to the fleet"):
        chart = Chart(name="prototypes", description="map of the prototypes", height_px=300)
        in_words = Markup()
    colours = palette(present_theme())

    async def refresh_map() -> None:
        found = await view.get("prototypes", PrototypeMapResource)
        chart.show(map_options(found, colours))
        in_words.show(element("p", map_in_words(found), cls="rest"))

    async def refresh() -> None:
        modes = await view.all_items("failure-modes", FailureModeResource)
        table.show([row(mode, view.scope) for mode in modes])

    view.live(refresh)
    view.live(refresh_map, every_s=MAP_EVERY_S)


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
