"""One camera: its health in the last heartbeat, its place, its hazards, missed hazards and failure modes."""

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.place_map import NO_POSITIONS, PlaceMap
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Table, link
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.pages import failure_modes, hazards, missed_hazards
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.api.places import PlaceResource
from messaging.api.sites import CameraResource
from messaging.api.verdict_requests import VerdictRequestResource
from messaging.resources import FailureModeResource, HazardResource

SHOWN = 100
LIVE = (
    "There is no live image here, since images never leave the site: this camera can be watched only at its "
    "own node on the local network of the site, at /live of its page_port, once its node.yaml has a token "
    "for live_view (docs/deploy-a-site.md, “Watch a camera at the site”)."
)
NOT_KNOWN = Empty(
    "This camera is in no heartbeat of its site, or the site is not known. This command lists the cameras:",
    command="blindspot cameras list",
)
NO_HAZARD = Empty(
    "This camera has reported no hazard in this time range. This command lists all hazards:",
    command="blindspot hazards list",
)
NONE_MISSED = missed_hazards.EMPTY
NO_MODE = Empty(
    "No failure mode has evidence of this camera. This command lists them all:",
    command="blindspot failures list",
)


async def page(view: PageView) -> None:
    """The camera of the address."""
    site, camera = view.parameters["site"], view.parameters["camera"]
    heading(camera, f"Camera of {site}")
    with card("Health", name="camera"):
        health = Markup()
        ui.html(element("p", LIVE, cls="rest note"), sanitize=False)
    with card("Map", name="map-card"):
        city = PlaceMap(NO_POSITIONS, view.ground, description=f"map with camera {camera}")
    with card("Hazards", name="hazards-card", aside=f"the latest {SHOWN}"):
        seen = Table(hazards.COLUMNS, name="hazards", empty=NO_HAZARD)
    with card("Reported as missed", name="missed-card", aside=f"the latest {SHOWN}"):
        if view.may(UserRole.OPERATOR, one_site=True):
            with ui.row().classes("actions"):
                ask = ui.button(missed_hazards.TITLE, icon="visibility_off")
                ask.on_click(lambda: missed_hazards.ask(view, camera=f"{site}/{camera}"))
                ask.props("unelevated no-caps")
        missed = Table(missed_hazards.COLUMNS, name="missed", empty=NONE_MISSED)
    with card("Failure modes", name="camera-modes-card", aside=f"the {SHOWN} most harmful"):
        modes = Table(failure_modes.COLUMNS, name="camera-modes", empty=NO_MODE)

    async def refresh() -> None:
        now, own = view.now(), {"site": site, "camera": camera}
        cameras = await view.all_items("cameras", CameraResource, site=site)
        health.show(health_markup(next((one for one in cameras if one.camera == camera), None), view.scope))
        since = view.scope.since(now)
        found = await view.page("hazards", HazardResource, limit=SHOWN, since=since, **own)
        seen.show([hazards.row(one, view.scope, now) for one in found.items])
        asked = await view.page("verdict-requests", VerdictRequestResource, limit=SHOWN, **own)
        missed.show([missed_hazards.row(one, now) for one in asked.items])
        ranked = await view.page("failure-modes", FailureModeResource, limit=SHOWN, **own)
        modes.show([failure_modes.row(one, view.scope, now) for one in ranked.items])

    async def refresh_map() -> None:
        places = await view.all_items("places", PlaceResource)
        place = place_of(places, site, camera)
        await city.show([] if place is None else [hazards.map_place(place, view.scope)])

    view.live(refresh)
    view.live(refresh_map)


def place_of(places: tuple[PlaceResource, ...], site: str, camera: str) -> PlaceResource | None:
    """The place of a camera: its own, or that of its site; None if neither has a position."""
    of_site = {place.camera: place for place in places if place.site == site}
    return of_site.get(camera) or of_site.get(None)


def health_markup(camera: CameraResource | None, scope: Scope) -> Html:
    """What the last heartbeat of its site states; counters are since the start of its node."""
    if camera is None:
        return join(NOT_KNOWN.markup(), element("p", link("All cameras", scope.link("cameras")), cls="pages"))
    state = pill("connected", "good") if camera.connected else pill("no image", "bad")
    spent = camera.epsilon_spent
    return facts(
        {
            "site": link(camera.site, scope.link("sites", camera.site)),
            "state": state,
            "light and weather now": phrases.condition(f"{camera.light}-{camera.weather}"),
            "frames per second": camera.rates_text,
            "frame age": f"{camera.frame_age_s:.1f} s",
            "inference": f"p50 {camera.inference_p50_ms:.0f} ms, p95 {camera.inference_p95_ms:.0f} ms",
            "frames": f"{camera.frames:,}",
            "of them processed": f"{camera.frames - camera.skipped:,}",
            "skipped without motion": f"{camera.skipped:,}",
            "lost frames": f"{camera.dropped:,}",
            "failed frames": f"{camera.failures:,}",
            "decode errors": camera.decode_errors_text,
            "frames by light": camera.light_text,
            "detections": f"{camera.detections:,}",
            "misdetections": f"{camera.misdetections:,}",
            "ε at last prototype": phrases.MISSING if spent is None else f"{spent:.3g}",
            "ε left": camera.left_text,
        }
    )
