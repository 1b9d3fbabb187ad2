"""Hazards that people report as missed: the dialog that asks a site, and what the sites have answered."""

import uuid
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import answer_of
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.section import card
from dashboards.components.table import Column, Table
from dashboards.errors import DashboardError
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from messaging.access_resources import UserRole
from messaging.api.sites import CameraResource
from messaging.api.verdict_requests import MissedHazard, VerdictRequestResource
from messaging.plurals import quantity
from messaging.resources import ClassesResource

SHOWN = 100
CAMERAS_OFFERED = 500
COLUMNS = (
    Column("hazard", "hazard", width=100),
    Column("state", "state", "html", width=110),
    Column("place", "place", width=110),
    Column("seen", "seen", "html", width=80),
    Column("by", "reported by", width=90),
    Column("meaning", "what that means", width=380),
)
EMPTY = Empty(
    "Nobody has reported a missed hazard. This command does; the site searches the frames that it keeps:",
    command="blindspot hazards missed SITE CAMERA CLASS",
)
TONES = {
    "sent": "busy",
    **dict.fromkeys(("confirmed", "detected"), "good"),
    **dict.fromkeys(("not_found", "no_teacher", "not_kept", "not_known", "expired"), "plain"),
}
MINUTES_AGO = {
    0: "now",
    **{minutes: f"about {quantity(minutes, 'minute')} ago" for minutes in (1, 2, 3, 5, 8, 15, 30)},
}
TITLE = "A hazard was missed"


def build(view: PageView) -> None:
    """The list of reports with their states; operators have a button for another one."""
    with card("Reported as missed", name="missed-card", aside=f"the latest {SHOWN}"):
        if view.may(UserRole.OPERATOR, one_site=True):
            with ui.row().classes("actions"):
                button = ui.button(TITLE, icon="visibility_off", on_click=lambda: ask(view))
                button.props("unelevated no-caps")
        table = Table(COLUMNS, name="missed", empty=EMPTY)

    async def refresh() -> None:
        found = await view.page(
            "verdict-requests", VerdictRequestResource, limit=SHOWN, group=view.scope.group or None
        )
        table.show([row(one, view.now()) for one in found.items])

    view.live(refresh)


def row(request: VerdictRequestResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": str(request.number),
        "hazard": phrases.readable(request.class_name),
        "place": f"{request.site} / {request.camera}",
        "seen": Html(phrases.ago(request.at_utc, now)),
        "seen_value": request.at_utc,
        "by": request.by,
        "state": pill(phrases.readable(request.state), TONES[request.state]),
        "state_value": request.state,
        "meaning": request.meaning,
    }


async def ask(view: PageView, *, camera: str = "") -> None:
    """Ask for camera, class and time, and send the report to the site; `camera`, `SITE/CAMERA`, is preset."""
    try:
        found = await view.page(
            "cameras", CameraResource, limit=CAMERAS_OFFERED, group=view.scope.group or None
        )
        classes = await view.get("classes", ClassesResource)
    except DashboardError as error:
        ui.notify(str(error), type="negative", multi_line=True)
        return
    cameras = {f"{one.site}/{one.camera}": f"{one.site} / {one.camera}" for one in found.items}
    if camera:
        cameras.setdefault(camera, camera.replace("/", " / "))
    names = {one.name: phrases.readable(one.name) for one in classes.classes}
    if not cameras:
        ui.notify("no site has reported a camera yet", type="warning")
        return
    more = " Others are offered for a site group, which is chosen at the top." if found.next else ""
    sentence = (
        "The site searches the frames of the last minutes, which it keeps, and answers within seconds; no "
        f"image leaves it.{more}"
    )
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props(f'aria-label="{TITLE}"')
        ui.html(element("h2", TITLE), sanitize=False)
        ui.html(element("p", sentence), sanitize=False)
        chosen = [
            ui.select(options, label=label, value=value, with_input=with_input).props(
                f'outlined dense options-dense aria-label="{label}"'
            )
            for label, options, value, with_input in (
                ("Camera", cameras, camera or next(iter(cameras)), True),
                ("Hazard class", names, next(iter(names)), False),
                ("Seen", MINUTES_AGO, 0, False),
            )
        ]
        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Report", on_click=lambda: dialog.submit([one.value for one in chosen])).props(
                "unelevated no-caps"
            )
    answer = await answer_of(dialog)
    if answer is not None and all(value is not None for value in answer):
        await _report(view, *answer)


async def _report(view: PageView, place: str, class_name: str, minutes_ago: int) -> None:
    site, camera = place.split("/")
    at_utc = round(view.now() - 60 * minutes_ago) if minutes_ago else None
    body = MissedHazard(camera=camera, class_name=class_name, at_utc=at_utc)
    key = str(uuid.uuid4())
    await view.act(
        lambda: view.viewer.client.send(
            "POST", f"sites/{site}/verdict-requests", VerdictRequestResource, body, key=key
        ),
        f"Site {site} is asked; its answer appears in the list.",
    )
