"""Hazards: the live list, and one hazard with what operators make of it."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill, severity
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Column, Table, link
from dashboards.markup import Html
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.resources import HazardResource, HazardStatusRequest

SHOWN = 500
COLUMNS = (
    Column("severity", "severity", "html", width=100),
    Column("hazard", "hazard", "html", flex=1.2),
    Column("state", "at the site", "html", width=120),
    Column("status", "handled", "html", width=150),
    Column("place", "place", flex=1.4),
    Column("condition", "condition"),
    Column("confidence", "confidence", "number", width=120),
    Column("began", "began", "html", width=130),
)
EMPTY = Empty("No hazard in this time range. A hazard appears here when a site opens a hazard event.")
STATUS_TONES = {"open": "bad", "acknowledged": "busy", "resolved": "good", "false_alarm": "plain"}
CHOICES = (("acknowledged", "Acknowledge"), ("resolved", "Resolve"), ("false_alarm", "False alarm"))


async def page(view: PageView) -> None:
    """The list of hazards, latest first."""
    heading("Hazards", "What the cameras report now and reported before.")
    with card("Hazard events", name="hazards-card", aside=f"the latest {SHOWN}"):
        table = Table(COLUMNS, name="hazards", empty=EMPTY)

    async def refresh() -> None:
        found = await view.page("hazards", HazardResource, limit=SHOWN)
        since = view.scope.since(view.now())
        table.show([row(one, view.scope, view.now()) for one in found.items if one.at_utc >= since])

    view.live(refresh)


def row(hazard: HazardResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    name = phrases.readable(hazard.class_name)
    return {
        "id": f"{hazard.site}/{hazard.event}",
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
    }


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
    heading("Hazard", f"{event} at {site}")
    with card("What the site reports", name="hazard"):
        shown = Markup()
        with ui.row().classes("actions"):
            for status, text in CHOICES if view.may(UserRole.OPERATOR) else ():
                ui.button(text, on_click=lambda status=status: set_status(status)).props("outline no-caps")

    async def set_status(status: str) -> None:
        path = f"hazards/{site}/{event}/status"
        body = HazardStatusRequest(status=status)  # type: ignore[arg-type]  # one of CHOICES
        await view.act(
            lambda: view.viewer.client.send("PUT", path, HazardResource, body),
            f"The hazard is {phrases.readable(status)} now; integrations are notified.",
        )
        await refresh()

    async def refresh() -> None:
        hazard = await view.get(f"hazards/{site}/{event}", HazardResource)
        shown.show(_facts(hazard, view.now()))

    view.live(refresh)


def _facts(hazard: HazardResource, now: float) -> Html:
    x, y, width, height = hazard.box
    return facts(
        {
            "class": phrases.readable(hazard.class_name),
            "severity": severity(hazard.severity),
            "at the site": state_pill(hazard.state),
            "handled": status_pill(hazard.status),
            "place": place_text(hazard),
            "condition": phrases.condition(hazard.condition),
            "confidence": phrases.percent(hazard.confidence),
            "began": phrases.ago(hazard.started_at_utc, now),
            "last report": phrases.ago(hazard.at_utc, now),
            "box": f"centre {x:.2f}, {y:.2f}, size {width:.2f} × {height:.2f} of the frame",
            "model": hazard.model_digest,
        }
    )
