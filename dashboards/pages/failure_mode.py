"""One failure mode: its status and why, its history, its cameras on a map, its boxes, its campaigns."""

from nicegui import ui

from dashboards import phrases
from dashboards.components.charts import Chart, palette
from dashboards.components.empty import Empty
from dashboards.components.place_map import PlaceMap
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Table
from dashboards.components.theme_switch import present_theme
from dashboards.learning import mode_cameras
from dashboards.learning.geometry import frame_map, size_table
from dashboards.learning.history_chart import description, history_options
from dashboards.learning.mode_facts import campaigns_table, changes_table, mode_facts
from dashboards.learning.mode_names import UNKNOWN, mode_text
from dashboards.page_view import PageView, Refresh
from messaging.access_resources import UserRole
from messaging.api.mode_cameras import ModeCameraResource
from messaging.api.mode_history import ModeHistoryResource
from messaging.resources import AssignRequest, ClassesResource, FailureModeResource

LEAST_DAYS, MOST_DAYS = 30, 400
DAY_S = 86_400
HISTORY_EVERY_S = 10.0
CHART_PX = 350


def days_shown(range_s: int) -> int:
    """How many days the history has for a time range; at least `LEAST_DAYS`, for it counts by day."""
    return max(LEAST_DAYS, range_s // DAY_S)


async def page(view: PageView) -> None:
    """One failure mode."""
    mode_id, days = view.parameters["mode"], days_shown(view.scope.seconds)
    heading(mode_text(mode_id).capitalize(), mode_id)
    with card("Failure mode", name="failure-mode"):
        known, actions = Markup(), ui.row().classes("actions")
    with card("History", name="mode-history", aside=f"the last {days} days, in UTC"):
        chart = Chart(
            name="history-chart",
            description="misdetections and estimated recall of each day; the numbers are below the chart",
            height_px=CHART_PX,
            empty=Empty(
                f"Neither misdetections nor tracks of the last {days} days. This command goes further back:",
                command=f"blindspot failures history {mode_id} --days {MOST_DAYS}",
            ),
        )
        in_words = Markup()
    _show_cameras(view, mode_id)
    with card("Where it is in the frame", name="mode-geometry", wide=False):
        heat, sizes = Markup(), Markup()
    with card("Changes of its status", name="mode-changes", wide=False):
        changes = Markup()
    with card("Campaigns against it", name="mode-campaigns"):
        campaigns = Markup()
    theme = present_theme()

    async def refresh() -> None:
        mode = await view.get(f"failure-modes/{mode_id}", FailureModeResource)
        history = await view.get(f"failure-modes/{mode_id}/history", ModeHistoryResource, days=days)
        now = view.now()
        known.show(mode_facts(mode, history, view.scope, now))
        if history.evidence or history.recall:
            chart.show(history_options(history, palette(theme)))
        else:
            chart.show_empty()
        in_words.show(facts(description(history)))
        heat.show(frame_map(history.heat_map))
        sizes.show(size_table(mode.geometry))
        changes.show(changes_table(history, now))
        campaigns.show(campaigns_table(history, view.scope, now))

    if view.may(UserRole.TRAINER):
        with actions:
            _offer_actions(view, mode_id, refresh)
    view.live(refresh, every_s=HISTORY_EVERY_S)


def _show_cameras(view: PageView, mode_id: str) -> None:
    """The cameras hit, on a map and in a table, those of the chosen site group alone."""
    group = view.scope.group
    aside = f"of site group {group}" if group else ""
    with card("Map of the cameras hit", name="map-card", aside=mode_cameras.MAP_NOTE) as map_card:
        city = PlaceMap(mode_cameras.NO_POSITION, view.ground, description="map of the cameras hit")
        unplaced = Markup()
    map_card.set_visibility(False)
    with card("Cameras hit", name="mode-cameras-card", aside=aside):
        empty = mode_cameras.no_camera(mode_id)
        table = Table(mode_cameras.COLUMNS, name="mode-cameras", empty=empty)

    async def refresh() -> None:
        path = f"failure-modes/{mode_id}/cameras"
        cameras = await view.all_items(path, ModeCameraResource, group=group or None)
        table.show(mode_cameras.rows(cameras, view.scope, view.now()))
        map_card.set_visibility(bool(cameras))
        unplaced.show(mode_cameras.without_position(cameras))
        await city.show(mode_cameras.map_places(cameras, view.scope))

    view.live(refresh, every_s=HISTORY_EVERY_S)


def _offer_actions(view: PageView, mode_id: str, refresh: Refresh) -> None:
    """What a trainer may do: plan a campaign; give an unknown failure mode its class."""
    plan = ui.button("Plan a campaign", on_click=lambda: view.go("campaigns", "new", modes=mode_id))
    plan.props("unelevated no-caps")
    if mode_id.startswith(f"{UNKNOWN}."):
        _offer_assignment(view, mode_id, refresh)


def _offer_assignment(view: PageView, mode_id: str, refresh: Refresh) -> None:
    """The choice of a class for an unknown failure mode."""

    async def read_classes() -> None:
        found = await view.get("classes", ClassesResource)
        names = {one.name: phrases.readable(one.name) for one in found.classes if one.name != UNKNOWN}
        if names != choice.options:
            choice.set_options(names, value=choice.value)

    async def assign() -> None:
        name = str(choice.value)
        path, body = f"failure-modes/{mode_id}/assign", AssignRequest(class_name=name)
        done = f"The class of the failure mode is {phrases.readable(name)} now."
        if await view.act(lambda: view.viewer.client.send("POST", path, FailureModeResource, body), done):
            await refresh()

    choice = ui.select({}, label="Class").props("outlined dense options-dense").classes("choice")
    give = ui.button("Assign the class", on_click=assign).props("outline no-caps")
    give.bind_enabled_from(choice, "value", bool)
    view.live(read_classes, every_s=60.0)
