"""Failure modes ranked by harm: evidence, estimated recall with its interval and target, status."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.charts import Chart, palette
from dashboards.components.empty import Empty
from dashboards.components.pills import recall_bar
from dashboards.components.section import Markup, card, heading
from dashboards.components.table import Column, Table, link
from dashboards.components.theme_switch import present_theme
from dashboards.learning.mode_names import mode_name, mode_status, sources_text
from dashboards.learning.prototype_map import (
    ALL,
    map_in_words,
    map_options,
    modes_of,
    point_choices,
    point_key,
)
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.api.prototype_map import PrototypeMapResource
from messaging.resources import FailureModeResource

RANKED = "harm = frequency × severity × (1 − estimated recall)"
MAP_EVERY_S = 30.0
COLUMNS = (
    Column("name", "failure mode", "html", width=136),
    Column("status", "status", "html", width=102),
    Column("harm", "harm", "number", width=58, tooltip=RANKED),
    Column("count", "misdetections", "number", width=98),
    Column("sources", "evidence sources", width=110),
    Column("recall", "estimated recall (dotted: target)", "html", width=174),
    Column("cameras", "cameras", "number", width=72),
    Column("first", "first seen", "html", width=80),
    Column("last", "last seen", "html", width=80),
    Column("campaign", "campaign", "html", width=70),
)
EMPTY = Empty(
    "No failure mode is known here yet. Misdetections that the sites report are grouped here; "
    "this command reports a hazard that a camera missed:",
    command="blindspot hazards missed SITE CAMERA CLASS",
)
NO_PROTOTYPE = Empty(
    "No prototype is known yet. Sites send one a class and condition when enough tracks agree; "
    "this command shows which sites are online:",
    command="blindspot sites list",
)


async def page(view: PageView) -> None:
    """The list of failure modes."""
    heading("Failure modes", "Where the detector misses, most harmful first.")
    with card("All failure modes", name="failure-modes-card", aside=RANKED):
        with ui.row().classes("filters"):
            points = ui.select({ALL: "all failure modes"}, value=ALL)
            points.props('dense outlined options-dense aria-label="Failure modes of a prototype"')
            points.classes("choice")
        table = Table(COLUMNS, name="failure-modes", empty=EMPTY)

    with card(
        "Prototypes",
        name="prototypes-card",
        aside="what is near looks alike to the fleet; a click shows its failure modes alone",
    ):
        chart = Chart(
            name="prototypes", description="map of the prototypes", height_px=300, empty=NO_PROTOTYPE
        )
        in_words = Markup()
    colours = palette(present_theme())
    asked = view.query.get("prototype", ALL)

    async def read_map() -> PrototypeMapResource:
        return await view.get("prototypes", PrototypeMapResource)

    async def refresh_map() -> None:
        found = await read_map()
        choices = point_choices(found)
        if choices != points.options:
            wanted = points.value or asked
            points.set_options(choices, value=wanted if wanted in choices else ALL)
        if not found.points:
            chart.show_empty()
            in_words.show(Html(""))
            return
        chart.show(map_options(found, colours, points.value))
        in_words.show(element("p", map_in_words(found), cls="rest"))

    async def refresh() -> None:
        group = view.scope.group or None
        modes = await view.all_items("failure-modes", FailureModeResource, group=group)
        shown = modes_of(await read_map(), modes, points.value) if points.value else modes
        table.show([row(mode, view.scope, view.now()) for mode in shown])

    refresh_now = view.live(refresh)
    refresh_map_now = view.live(refresh_map, every_s=MAP_EVERY_S)

    async def choose() -> None:
        view.remember("failure-modes", prototype=points.value)
        await refresh_map_now()
        await refresh_now()

    async def clicked(position: int) -> None:
        key = point_key((await read_map()).points[position])
        points.value = ALL if points.value == key else key

    points.on_value_change(choose)
    chart.on_point(clicked)


def row(mode: FailureModeResource, scope: Scope, now: float) -> dict[str, Any]:
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
        "first": Html(phrases.ago(mode.first_seen_utc, now)),
        "first_value": mode.first_seen_utc,
        "last": Html(phrases.ago(mode.last_seen_utc, now)),
        "last_value": mode.last_seen_utc,
        "campaign": campaign_link(mode, scope),
        "campaign_value": mode.campaign,
    }


def campaign_link(mode: FailureModeResource, scope: Scope) -> Html:
    """A link to the campaign that it is in, or to the plan of one."""
    if mode.campaign and mode.status in ("in_campaign", "waiting"):
        return link("follow", scope.link("campaigns", mode.campaign))
    return link("plan", scope.link("campaigns", "new", modes=mode.id))
