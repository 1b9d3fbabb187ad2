"""What operators make of a hazard: the changes that its status permits, by buttons of its page and row."""

from collections.abc import Mapping
from functools import partial

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import confirmed
from dashboards.components.table import Column, Table, action
from dashboards.markup import Html
from dashboards.page_view import PageView
from dashboards.pages import missed_hazards
from messaging.access_resources import UserRole
from messaging.resources import HazardResource, HazardStatusRequest

CHOICES = {"acknowledged": "Acknowledge", "resolved": "Resolve", "false_alarm": "False alarm"}
MAY_FOLLOW = {
    "acknowledged": {"open"},
    "resolved": {"open", "acknowledged"},
    "false_alarm": {"open", "acknowledged", "resolved"},
}
"""What a hazard may be before each of the choices, as the cloud permits it."""
COLUMNS = (
    Column("acknowledged", "", "html", width=100),
    Column("resolved", "", "html", width=74),
    Column("false_alarm", "", "html", width=94),
    Column("missed", "", "html", width=68),
)
"""Buttons of a row, after the status."""
FINAL = "A false alarm stays one: it cannot be opened again. Other systems are notified."
MISSED = "Missed"


def columns(view: PageView) -> tuple[Column, ...]:
    """The columns of buttons that the viewer's role permits."""
    return COLUMNS if view.may(UserRole.OPERATOR, one_site=True) else ()


def cells(hazard: HazardResource) -> dict[str, Html]:
    """The buttons of a row; `missed` asks about another hazard at the same camera."""
    name = f"{phrases.readable(hazard.class_name)} at {hazard.site} / {hazard.camera}"
    offered = {
        status: action(text, f"{text}: {name}") if hazard.status in MAY_FOLLOW[status] else Html("")
        for status, text in CHOICES.items()
    }
    missed = action(MISSED, f"{missed_hazards.TITLE} at {hazard.site} / {hazard.camera}")
    return {**offered, "missed": missed}


def connect(view: PageView, table: Table, known: Mapping[str, HazardResource]) -> None:
    """Let the buttons of a table's rows work; `known` holds the hazards that it shows, by row."""

    async def clicked(status: str, row: str) -> None:
        if row in known and (status != "false_alarm" or await _is_sure(known[row])):
            await change(view, known[row].site, known[row].event, status)

    async def missed(row: str) -> None:
        if row in known:
            await missed_hazards.ask(view, camera=f"{known[row].site}/{known[row].camera}")

    for status in CHOICES:
        table.on_action(status, partial(clicked, status))
    table.on_action("missed", missed)


def page_buttons(view: PageView, site: str, event: str) -> dict[str, ui.button]:
    """The buttons of a hazard's page by status; none for whose role permits none."""
    buttons = {}
    for status, text in CHOICES.items() if view.may(UserRole.OPERATOR, one_site=True) else ():
        button = ui.button(text, on_click=lambda status=status: change(view, site, event, status))
        buttons[status] = button.props("outline no-caps")
        button.set_visibility(False)  # until the status is known
    return buttons


async def change(view: PageView, site: str, event: str, status: str) -> None:
    """Change the status of a hazard and say how it went."""
    body = HazardStatusRequest(status=status)  # type: ignore[arg-type]  # one of CHOICES
    await view.act(
        lambda: view.viewer.client.send("PUT", f"hazards/{site}/{event}/status", HazardResource, body),
        f"The hazard is {phrases.readable(status)} now; integrations are notified.",
    )


async def _is_sure(hazard: HazardResource) -> bool:
    name = phrases.readable(hazard.class_name)
    title = f"Is {name} at {hazard.site} / {hazard.camera} a false alarm?"
    return await confirmed(title, FINAL, CHOICES["false_alarm"])
