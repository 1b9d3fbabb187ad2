"""Cameras in the last heartbeats of their sites: whether they deliver frames, how fast, and how old."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.choice import choice
from dashboards.components.empty import Empty
from dashboards.components.long_table import LongTable
from dashboards.components.pills import pill
from dashboards.components.section import card, heading
from dashboards.components.table import Column, link
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.api.sites import CameraResource

RATES = "per second, between the last two heartbeats of its site"
COLUMNS = (
    Column("camera", "camera", "html", width=78),
    Column("site", "site", "html", width=66),
    Column("state", "state", "html", width=96),
    Column("condition", "condition", width=80),
    Column("fps", "frames/s", "number", width=62, tooltip=RATES),
    Column("processed", "of them processed", "number", width=76, tooltip=RATES),
    Column("skipped", "of them skipped", "number", width=62, tooltip=f"{RATES}; they show no motion"),
    Column("p50", "inference p50 (ms)", "number", width=74),
    Column("p95", "inference p95 (ms)", "number", width=74),
    Column("age", "frame age (s)", "number", width=58),
    Column("lost", "lost frames", "number", width=58),
    Column("undecoded", "decode errors", "number", width=64),
    Column("misdetections", "misdetections", "number", width=98),
    Column(
        "epsilon",
        "ε at last prototype",
        "number",
        width=80,
        tooltip="privacy budget that the camera had spent when it released its last prototype",
    ),
    Column("left", "ε left", width=118, tooltip="by the account at its site, in its last heartbeat"),
)
EMPTY = Empty(
    "No camera is known yet. Cameras appear with the first heartbeat of their site. "
    "This command enrols a site with a camera:",
    command="blindspot sites add NAME --out NAME --camera CAMERA=ADDRESS",
)
NONE_FITS = Empty("No camera of this group is in that state.")
CONNECTED = {"": "any state", "true": "connected", "false": "no image"}
STEP = 200


async def page(view: PageView) -> None:
    """The list of cameras."""
    heading("Cameras", "Health of every camera; live images are only on the site's own network.")
    wanted = view.query.get("connected", "")
    wanted = wanted if wanted in CONNECTED else ""
    with card("All cameras", name="cameras-card"):
        with ui.row().classes("filters"):
            choice("State", CONNECTED, wanted, lambda value: view.go("cameras", connected=value or None))
        table = LongTable(COLUMNS, name="cameras", empty=NONE_FITS if wanted else EMPTY, step=STEP)

    async def refresh() -> None:
        found = await view.first_items(
            "cameras", CameraResource, table.most, group=view.scope.group or None, connected=wanted or None
        )
        rows = [row(camera, view.scope) for camera in found.items]
        table.show_first(rows, more=found.next is not None)

    table.on_more(view.live(refresh))


def row(camera: CameraResource, scope: Scope) -> dict[str, Any]:
    """A row of the table."""
    state = "connected" if camera.connected else "no image"
    return {
        "id": f"{camera.site}/{camera.camera}",
        "camera": link(camera.camera, scope.link("cameras", camera.site, camera.camera)),
        "camera_value": camera.camera,
        "site": link(camera.site, scope.link("sites", camera.site)),
        "site_value": camera.site,
        "state": pill(state, "good" if camera.connected else "bad"),
        "state_value": state,
        "condition": phrases.condition(f"{camera.light}-{camera.weather}"),
        "fps": round(camera.fps, 1),
        "processed": camera.processed_fps,
        "skipped": camera.skipped_fps,
        "p50": round(camera.inference_p50_ms),
        "p95": round(camera.inference_p95_ms),
        "age": round(camera.frame_age_s, 1),
        "lost": camera.dropped,
        "undecoded": camera.decode_errors,
        "misdetections": camera.misdetections,
        "epsilon": None if camera.epsilon_spent is None else round(camera.epsilon_spent, 3),
        "left": camera.left_text,
    }
