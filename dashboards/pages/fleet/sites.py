"""Sites: the list and the map."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.choice import choice
from dashboards.components.empty import Empty
from dashboards.components.long_table import LongTable
from dashboards.components.pills import pill
from dashboards.components.place_map import NO_POSITIONS, MapPlace, PlaceMap
from dashboards.components.section import card, heading
from dashboards.components.table import Column, action, link
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.pages.fleet.enrolment import enrol
from dashboards.pages.fleet.site_changes import CHANGES, change, may, offered
from dashboards.pages.fleet.site_group import rename
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.api.places import PlaceResource
from messaging.plurals import quantity
from messaging.resources import SiteResource

COLUMNS = (
    Column("site", "site", "html", width=76),
    Column("group", "group", width=76),
    Column("state", "state", "html", width=104),
    Column("seen", "last heartbeat", "html", width=74),
    Column("cameras", "cameras", "number", width=72),
    Column("modes", "open failure modes", "number", width=74),
    Column("unsent", "unsent messages", "number", width=78),
    Column("model", "model", "html", width=76),
    Column("teacher", "teacher", "html", width=80),
    Column("ledger", "ledger verified", "html", width=86),
)
ACTIONS = {
    "evidence": (Column("evidence", "", "html", width=100), ("quarantine", "release")),
    "revoke": (Column("revoke", "", "html", width=72), ("revoke",)),
}
"""Columns of buttons by their fields, with the changes that each may offer."""
EMPTY = Empty(
    "No site of this group is enrolled yet. This command enrols one and makes its folder:",
    command="blindspot sites add NAME --out NAME --camera CAMERA=ADDRESS",
)
NONE_FITS = Empty("No site of this group is in that state.")
ONLINE = {"": "any state", "true": "online", "false": "offline"}
STEP = 200
MAP_NOTE = "sites with a position; a ring: open failure modes"


async def page(view: PageView) -> None:
    """The list of sites."""
    heading("Sites", "Where cameras are, and what runs there.")
    if view.may(UserRole.ADMIN):
        with ui.row().classes("actions"):
            ui.button("Enrol a site", icon="add", on_click=lambda: enrol(view)).props("unelevated no-caps")
    with card("Map", name="map-card", aside=MAP_NOTE):
        city = PlaceMap(NO_POSITIONS, view.ground, description="map of sites")
    wanted = view.query.get("online", "")
    wanted = wanted if wanted in ONLINE else ""
    with card("All sites", name="sites-card"):
        with ui.row().classes("filters"):
            choice("State", ONLINE, wanted, lambda value: view.go("sites", online=value or None))
            if view.scope.group and view.may(UserRole.ADMIN):
                renames = ui.button("Rename this group", on_click=lambda: rename(view, view.scope.group))
                renames.props("outline no-caps")
        empty = NONE_FITS if wanted else EMPTY
        table = LongTable(columns_for(view), name="sites", empty=empty, step=STEP)
    known: dict[str, SiteResource] = {}

    group = view.scope.group or None

    async def refresh() -> None:
        found = await view.first_items("sites", SiteResource, table.most, group=group, online=wanted or None)
        known.clear()
        known.update((site.site, site) for site in found.items)
        rows = [
            row(site, view.scope, view.now()) | buttons(site, offered(view, site)) for site in found.items
        ]
        table.show_first(rows, more=found.next is not None)

    async def refresh_map() -> None:
        await city.show(await places_of(view))

    table.on_more(view.live(refresh))
    view.live(refresh_map)
    for field in ACTIONS:
        table.on_action(field, partial(_clicked, view, known, field))


def columns_for(view: PageView) -> tuple[Column, ...]:
    """The columns; those of buttons, beside the state, are for whose role permits one of their changes."""
    wanted = (column for column, verbs in ACTIONS.values() if any(may(view, verb) for verb in verbs))
    place = [column.field for column in COLUMNS].index("state") + 1
    return (*COLUMNS[:place], *wanted, *COLUMNS[place:])


def buttons(site: SiteResource, verbs: Collection[str]) -> dict[str, Html]:
    """The cells of the buttons of a row: for each column the change, of these, that it has."""
    cells = {}
    for field, (_, own) in ACTIONS.items():
        verb = next((verb for verb in own if verb in verbs), None)
        text = CHANGES[verb][2] if verb else ""
        cells[field] = action(text, f"{text} {site.site}") if verb else Html("")
    return cells


async def _clicked(view: PageView, known: Mapping[str, SiteResource], field: str, name: str) -> None:
    """A button of a row is clicked: the change is that of the state which the row showed."""
    verbs = offered(view, known[name]) if name in known else ()
    for verb in ACTIONS[field][1]:
        if verb in verbs:
            await change(view, name, verb)


async def places_of(view: PageView) -> list[MapPlace]:
    """The sites of the scope that have a position."""
    group = view.scope.group or None
    return map_places(await view.all_items("places", PlaceResource, group=group), view.scope)


def map_places(places: Sequence[PlaceResource], scope: Scope) -> list[MapPlace]:
    """The known sites that have a position; one whose cameras alone have positions is at their mean."""
    own = {place.site for place in places if place.camera is None}
    by_site: dict[str, list[PlaceResource]] = {}
    for place in places:
        if place.site_state is not None and (place.camera is None or place.site not in own):
            by_site.setdefault(place.site, []).append(place)
    return [_map_place(found, scope) for found in by_site.values()]


def _map_place(places: Sequence[PlaceResource], scope: Scope) -> MapPlace:
    site, state, opened = places[0].site, places[0].site_state, places[0].open_failure_modes
    good = state == "online"
    known = f", {quantity(opened, 'open failure mode')}" if opened else ""
    return MapPlace(
        fmean(place.latitude for place in places),
        fmean(place.longitude for place in places),
        "var(--good)" if good else "var(--bad)",
        rank=0 if good else 2,
        popup=join(link(site, scope.link("sites", site)), f": {state}{known}"),
        label=f"{site}: {state}",
        ring="var(--busy)" if opened else None,
    )


def row(site: SiteResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    state, tone = state_of(site)
    return {
        "id": site.site,
        "site": link(site.site, scope.link("sites", site.site)),
        "site_value": site.site,
        "group": site.site_group,
        "state": pill(state, tone),
        "state_value": state,
        "model": digest(site.model_digest, scope),
        "model_value": site.model_digest,
        "teacher": teacher_text(site, scope),
        "teacher_value": site.cannot_close or site.teacher_digest,
        "cameras": site.cameras,
        "modes": site.open_failure_modes,
        "unsent": site.outbox_messages,
        "seen": Html(phrases.ago(site.last_seen_at, now)),
        "seen_value": site.last_seen_at,
        "ledger": ledger_text(site, now),
        "ledger_value": site.ledger_verified_n,
    }


def state_of(site: SiteResource) -> tuple[str, str]:
    """The state of a site and its tone."""
    if site.revoked:
        return "revoked", "bad"
    if site.quarantined:
        return "quarantined", "bad"
    return ("online", "good") if site.online else ("offline", "bad")


def digest(value: str | None, scope: Scope) -> Html:
    """The beginning of a model's digest, which leads to its page; the whole of it is the tooltip."""
    shown = element("code", phrases.short(value), title=value)
    return element("a", shown, href=scope.link("models", value)) if value else shown


def teacher_text(site: SiteResource, scope: Scope) -> Html:
    """The teacher and its share of frames, or why the site closes no failure mode."""
    if site.cannot_close:
        label = pill("cannot close failure modes", "bad")
        return element("span", label, element("span", f" {site.cannot_close}", cls="rest"))
    seen = f" {phrases.percent(site.teacher_fraction)} of frames" if site.teacher_fraction else ""
    return element("span", digest(site.teacher_digest, scope), element("span", seen, cls="rest"))


def ledger_text(site: SiteResource, now: float) -> Html:
    """Up to which entry and when the cloud verified the site's signed ledger."""
    if site.ledger_fault:
        return pill("contradicts itself", "bad")
    if site.ledger_verified_n is None:
        return Html(phrases.MISSING)
    return element("span", f"to {site.ledger_verified_n:,} {phrases.ago(site.ledger_verified_at, now)}")
