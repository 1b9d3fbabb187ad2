"""The cameras of one failure mode: places of a map, rows of a table, who has no position. Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.place_map import MapPlace
from dashboards.components.table import Column, link
from dashboards.markup import Html, element, join
from dashboards.scope import Scope
from messaging.api.mode_cameras import ModeCameraResource
from messaging.plurals import quantity

COLUMNS = (
    Column("camera", "camera", "html", width=150),
    Column("position", "position", width=110),
    Column("last", "last reported", "html", width=100),
    Column("misdetections", "misdetections", "number", width=110),
)
MAP_NOTE = "misdetections of each camera; the larger the circle, the more"
NO_POSITION = Empty(
    "No camera of this failure mode has a position yet. Add longitude and latitude to cloud.yaml and restart "
    "the cloud:",
    command="positions: {SITE/CAMERA: [13.40, 52.52]}",
)
POSITIONS = {"camera": "its own", "site": "that of its site", None: "none"}
LARGEST_RANK = 10
NAMES_SHOWN = 20


def no_camera(mode_id: str) -> Empty:
    """In the place of the table, where no site of the chosen group has a camera of the failure mode."""
    return Empty(
        "No camera of this site group has this failure mode. This command lists those of all groups:",
        command=f"blindspot failures cameras {mode_id}",
    )


def map_places(cameras: Sequence[ModeCameraResource], scope: Scope) -> list[MapPlace]:
    """One place for each position; cameras without one of their own are together at that of their site."""
    spots: dict[tuple[float, float], list[ModeCameraResource]] = {}
    for one in cameras:
        if one.latitude is not None and one.longitude is not None:
            spots.setdefault((one.latitude, one.longitude), []).append(one)
    most = max((_sum(here) for here in spots.values()), default=1)
    return [_map_place(spot, here, most, scope) for spot, here in spots.items()]


def _map_place(
    spot: tuple[float, float], here: Sequence[ModeCameraResource], most: int, scope: Scope
) -> MapPlace:
    latitude, longitude = spot
    lines = (
        element(
            "div",
            link(name_of(one), _address(one, scope)),
            f": {quantity(one.misdetections, 'misdetection')}",
        )
        for one in here
    )
    number = _sum(here)
    return MapPlace(
        latitude,
        longitude,
        "var(--accent)",
        rank=round(LARGEST_RANK * sqrt(number / most)),
        popup=join(*lines),
        label=f"{number:,}",
    )


def rows(cameras: Sequence[ModeCameraResource], scope: Scope, now: float) -> list[dict[str, Any]]:
    """A row of the table for each camera."""
    return [
        {
            "id": f"{one.site}/{one.camera}",
            "camera": link(name_of(one), _address(one, scope)),
            "camera_value": name_of(one),
            "misdetections": one.misdetections,
            "last": Html(phrases.ago(one.last_seen_utc, now)),
            "last_value": one.last_seen_utc,
            "position": POSITIONS[one.position_of],
        }
        for one in cameras
    ]


def without_position(cameras: Sequence[ModeCameraResource]) -> Html:
    """Which cameras are not on the map; nothing if none or all of them are."""
    names = [name_of(one) for one in cameras if one.position_of is None]
    if not names or len(names) == len(cameras):
        return Html("")
    named, rest = ", ".join(names[:NAMES_SHOWN]), len(names) - NAMES_SHOWN
    more = f" and {rest:,} more" if rest > 0 else ""
    sentence = f"Not on the map, for want of a position: {named}{more}."
    return element("p", sentence, cls="rest")


def name_of(camera: ModeCameraResource) -> str:
    """The name of a camera for people."""
    return f"{camera.site} / {camera.camera}"


def _address(camera: ModeCameraResource, scope: Scope) -> str:
    return scope.link("cameras", camera.site, camera.camera)


def _sum(cameras: Sequence[ModeCameraResource]) -> int:
    return sum(one.misdetections for one in cameras)
