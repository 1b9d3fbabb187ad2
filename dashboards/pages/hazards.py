"""Hazards: the live list, and one hazard with what operators make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.choice import choice
from dashboards.components.empty import Empty
from dashboards.components.long_table import LongTable
from dashboards.components.pills import SEVERITY_NAMES, pill, severity
from dashboards.components.place_map import NO_POSITIONS, MapPlace, PlaceMap
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Column, Table, link
from dashboards.errors import DashboardError
from dashboards.markup import Html, join
from dashboards.page_view import PageView
from dashboards.pages import deliveries, hazard_changes, missed_hazards
from dashboards.scope import Scope
from messaging.api.places import PlaceResource
from messaging.integration_resources import DeliveryResource
from messaging.plurals import quantity
from messaging.resources import ClassesResource, HazardResource

SHOWN = 500
COLUMNS = (
    Column("severity", "severity", "html", width=70),
    Column("hazard", "hazard", "html", width=94),
    Column("place", "place", width=112),
    Column("state", "at the site", "html", width=80),
    Column("status", "handled", "html", width=112),
    Column("began", "began", "html", width=74),
    Column("lasted", "duration", "html", width=74, tooltip="until it was closed at the site, or until now"),
    Column("condition", "condition", width=76),
    Column("confidence", "confidence", "number", width=84),
)
EMPTY = Empty(
    "No hazard in this time range. A hazard appears here when a site opens a hazard event; "
    "this command shows which sites are online:",
    command="blindspot sites list",
)
NONE_FITS = Empty("No hazard in this time range fits the filter.")
SEVERITIES = {
    "": "any severity",
    **{str(n): f"{n} or worse: {SEVERITY_NAMES[n]}" for n in range(2, 6)},
}
STATUSES = {
    "": "handled or not",
    **{name: name.replace("_", " ") for name in ("open", "acknowledged", "resolved", "false_alarm")},
}
STATUS_TONES = {"open": "bad", "acknowledged": "busy", "resolved": "good", "false_alarm": "plain"}
MAP_COLOURS = {0: "var(--soft)", 1: "#7f8c9b", 2: "#7f8c9b", 3: "#d99a00", 4: "#d9641e", 5: "#b3261e"}
"""By the severity of the worst open hazard; 0: none is open."""
NOT_DELIVERED = Empty(
    "Nothing of this hazard was queued for another system. Integrations are in cloud.yaml; this command "
    "lists them:",
    command="blindspot integrations list",
)


async def page(view: PageView) -> None:
    """The list of hazards, latest first."""
    heading("Hazards", "What the cameras report now and reported before.")
    wanted = Wanted.of_query(view.query)
    with card("Map", name="map-card", aside="open hazards of the last 30 days"):
        city = PlaceMap(NO_POSITIONS, view.ground, description="map of open hazards")
    with card("Hazard events", name="hazards-card", aside="latest first"):
        await _choices(view, wanted)
        empty = EMPTY if wanted == Wanted() else NONE_FITS
        table = LongTable(columns_for(view), name="hazards", empty=empty, step=SHOWN)
    known: dict[str, HazardResource] = {}

    missed_hazards.build(view)

    async def refresh() -> None:
        since = view.scope.since(view.now())
        found = await view.first_items(
            "hazards",
            HazardResource,
            table.most,
            group=view.scope.group or None,
            since=since,
            **wanted.query(),
        )
        known.clear()
        known.update((row_id(one), one) for one in found.items)
        rows = [row(one, view.scope, view.now()) | hazard_changes.cells(one) for one in found.items]
        table.show_first(rows, more=found.next is not None)

    async def refresh_map() -> None:
        found = await view.all_items("places", PlaceResource, group=view.scope.group or None)
        await city.show([map_place(one, view.scope) for one in found])

    table.on_more(view.live(refresh))
    view.live(refresh_map)
    hazard_changes.connect(view, table, known)


def columns_for(view: PageView) -> tuple[Column, ...]:
    """The columns, with buttons beside the status for operators."""
    place = [column.field for column in COLUMNS].index("status") + 1
    return (*COLUMNS[:place], *hazard_changes.columns(view), *COLUMNS[place:])


def map_place(place: PlaceResource, scope: Scope) -> MapPlace:
    """A place with its open hazards in words."""
    name = f"{place.site} / {place.camera}" if place.camera else place.site
    number = place.open_hazards
    hazards = "no open hazard" if not number else quantity(number, "open hazard")
    popup = join(link(name, scope.link("sites", place.site)), f": {hazards}")
    worst = place.severity or 0
    return MapPlace(place.latitude, place.longitude, MAP_COLOURS[worst], worst, popup, filled=bool(number))


@dataclass(frozen=True)
class Wanted:
    """What the list is limited to; it is in the address. Empty is no limit; `severity` is the least."""

    class_name: str = ""
    severity: str = ""
    status: str = ""

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Wanted":
        """The filter in the query of an address; a value that is not known is no limit."""
        severity, status = query.get("severity", ""), query.get("status", "")
        return cls(
            query.get("class_name", "")[:40],
            severity if severity in SEVERITIES else "",
            status if status in STATUSES else "",
        )

    def query(self) -> dict[str, str | None]:
        """The filter as query parameters, of the page and of the cloud."""
        return {name: value or None for name, value in vars(self).items()}


async def _choices(view: PageView, wanted: Wanted) -> None:
    """Selects for class, severity and status; a change opens the list with that filter."""

    def choose(name: str, value: str) -> None:
        view.go("hazards", **replace(wanted, **{name: value}).query())

    names = {"": "all classes"}
    try:
        known = await view.get("classes", ClassesResource)
        names |= {one.name: phrases.readable(one.name) for one in known.classes}
    except DashboardError:
        pass  # the list itself states that the cloud cannot be read
    names |= {wanted.class_name: phrases.readable(wanted.class_name)} if wanted.class_name else {}
    with ui.row().classes("filters"):
        for field, label, options in (
            ("class_name", "Class", names),
            ("severity", "Severity", SEVERITIES),
            ("status", "Handled", STATUSES),
        ):
            choice(label, options, getattr(wanted, field), partial(choose, field))


def row_id(hazard: HazardResource) -> str:
    """The row of a hazard in the table."""
    return f"{hazard.site}/{hazard.event}"


def row(hazard: HazardResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    name, lasted = phrases.readable(hazard.class_name), lasted_s(hazard, now)
    return {
        "id": row_id(hazard),
        "severity": severity(hazard.severity),
        "severity_value": hazard.severity,
        "hazard": link(name, scope.link("hazards", hazard.site, hazard.event)),
        "hazard_value": name,
        "state": state_pill(hazard.state),
        "state_value": hazard.state,
        "status": status_pill(hazard.status),
        "status_value": hazard.status,
        "place": place_text(hazard),
        "condition": phrases.condition(hazard.condition),
        "confidence": round(hazard.confidence, 2),
        "began": Html(phrases.ago(hazard.started_at_utc, now)),
        "began_value": hazard.started_at_utc,
        "lasted": Html(phrases.duration(lasted)),
        "lasted_value": lasted
        if hazard.state == "closed"
        else lasted // 60 * 60,  # not a new row each second
    }


def lasted_s(hazard: HazardResource, now: float) -> float:
    """Seconds from its beginning until the site closed it, or until `now` while it is open; never below 0."""
    end = hazard.at_utc if hazard.state == "closed" else now
    return max(0.0, end - hazard.started_at_utc)


def state_pill(state: str) -> Html:
    """Whether the site still sees the hazard."""
    return pill("closed", "plain") if state == "closed" else pill("open", "bad")


def status_pill(status: str) -> Html:
    """What operators have made of it."""
    return pill(phrases.readable(status), STATUS_TONES.get(status, "plain"))


def place_text(hazard: HazardResource) -> str:
    """`north / bridge, zone crossing`."""
    zone = f", zone {hazard.zone}" if hazard.zone else ""
    return f"{hazard.site} / {hazard.camera}{zone}"


async def detail(view: PageView) -> None:
    """One hazard."""
    site, event = view.parameters["site"], view.parameters["event"]
    path = f"hazards/{site}/{event}"
    heading("Hazard", f"{event} at {site}")
    with card("What the site reports", name="hazard"):
        shown = Markup()
        with ui.row().classes("actions"):
            buttons = hazard_changes.page_buttons(view, site, event)
    with card("Deliveries", name="deliveries-card", aside="to other systems, latest first"):
        sent = Table(deliveries.COLUMNS, name="deliveries", empty=NOT_DELIVERED)

    async def refresh() -> None:
        now = view.now()
        hazard = await view.get(path, HazardResource)
        shown.show(facts_markup(hazard, view.scope, now))
        for status, button in buttons.items():
            button.set_visibility(hazard.status in hazard_changes.MAY_FOLLOW[status])
        found = await view.page(f"{path}/deliveries", DeliveryResource, limit=100)
        sent.show([deliveries.row(one, now) for one in found.items])

    view.live(refresh)


def facts_markup(hazard: HazardResource, scope: Scope, now: float) -> Html:
    """What is known of one hazard."""
    x, y, width, height = hazard.box
    return facts(
        {
            "class": phrases.readable(hazard.class_name),
            "severity": severity(hazard.severity),
            "at the site": state_pill(hazard.state),
            "handled": status_pill(hazard.status),
            "place": join(
                link(hazard.site, scope.link("sites", hazard.site)),
                place_text(hazard).removeprefix(hazard.site),
            ),
            "condition": phrases.condition(hazard.condition),
            "confidence": phrases.percent(hazard.confidence),
            "began": phrases.ago(hazard.started_at_utc, now),
            "duration": phrases.duration(lasted_s(hazard, now)),
            "last report": phrases.ago(hazard.at_utc, now),
            "box": f"centre {x:.2f}, {y:.2f}, size {width:.2f} × {height:.2f} of the frame",
            "model": link(hazard.model_digest, scope.link("models", hazard.model_digest)),
        }
    )
