"""A map of places: a circle for each, in the colour of its state, with a popup that links, and a label.

Drawn by Leaflet. Without configured tiles nothing is fetched from other hosts: the ground is the configured
plan, or a graticule with degrees. Every map has a scale bar.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nicegui import ui
from nicegui.elements.leaflet.leaflet_layer import Layer

from dashboards.components.empty import Empty
from dashboards.markup import Html, join
from dashboards.settings import PLAN_ADDRESS, MapSettings

FARTHEST_ZOOM, NEAREST_ZOOM = 2, 15
ASK_AFTER_S = 1.0
_GROUND = (Path(__file__).parent / "map_ground.js").read_text(encoding="utf-8")
MOST_LABELS = 40
"""With more places than this, a label is shown only under the pointer."""
NO_POSITIONS = Empty(
    "No site or camera has a position yet. Add longitude and latitude to cloud.yaml and restart the cloud:",
    command="positions: {SITE/CAMERA: [13.40, 52.52]}",
)


@dataclass(frozen=True)
class MapPlace:
    """A place: degrees (WGS 84), a colour of CSS, and the popup.

    A circle of a higher `rank` is larger and above others; one that is not `filled` is pale. `ring`: the
    colour of a ring around it.
    """

    latitude: float
    longitude: float
    colour: str
    rank: int
    popup: Html
    label: str = ""
    filled: bool = True
    ring: str | None = None


class PlaceMap:
    """The map, or an empty state while there is no place."""

    def __init__(self, empty: Empty, ground: MapSettings, *, description: str) -> None:
        """`description` is what screen readers announce."""
        self._shown: tuple[MapPlace, ...] | None = None
        self._empty = empty.element()
        options = {"attributionControl": ground.attribution is not None, "zoomControl": True}
        self._map = ui.leaflet(zoom=FARTHEST_ZOOM, options=options).classes("place-map")
        self._map.props(f'role=region aria-label="{description}"')
        self._map.clear_layers()  # NiceGUI begins with tiles of another host
        named = {"attribution": str(join(ground.attribution))} if ground.attribution is not None else {}
        if ground.tiles is not None:
            self._map.tile_layer(url_template=ground.tiles, options=named)
        self._map.set_visibility(False)
        plan = None if ground.plan is None else PLAN_ADDRESS
        given = ", ".join(json.dumps(one) for one in (plan, ground.tiles is None, named.get("attribution")))
        self._ground = f"({_GROUND.strip()})(getElement({self._map.id})?.map, {given})"
        self._grounded = False
        self._circles: list[Layer] = []

    async def show(self, places: Sequence[MapPlace]) -> None:
        """Show these places instead of those before; the view is kept while they lie where they did."""
        if tuple(places) == self._shown:
            return
        moved = _spots(places) != _spots(self._shown or ())
        self._shown = tuple(places)
        self._empty.set_visibility(not places)
        self._map.set_visibility(bool(places))
        if not places:
            return
        await self._drawn()
        if not self._grounded:
            self._grounded = True
            self._map.client.run_javascript(self._ground)
        for circle in self._circles:
            self._map.remove_layer(circle)
        self._circles = [
            self._circle(place, labelled=len(places) <= MOST_LABELS)
            for place in sorted(places, key=lambda one: one.rank)
        ]
        if moved:
            self._map.run_map_method("invalidateSize")
            bounds = [list(spot) for spot in _spots(places)]
            self._map.run_map_method("fitBounds", bounds, {"maxZoom": NEAREST_ZOOM, "padding": [32, 32]})

    async def _drawn(self) -> None:
        """Wait until the browser has the map.

        It sends one event, which is lost if that was before its connection was acknowledged; so it sends
        the event again while there is none.
        """
        while not self._map.is_initialized:
            try:
                await asyncio.wait_for(self._map.initialized(), ASK_AFTER_S)
            except TimeoutError:
                self._map.client.run_javascript(
                    f"const place = getElement({self._map.id}); if (place?.map) place.$emit('init');"
                )

    def _circle(self, place: MapPlace, *, labelled: bool) -> Layer:
        opacity = 0.75 if place.filled else 0.25
        options = {
            "radius": 6 + place.rank,
            "color": place.ring or place.colour,
            "weight": 3,
            "fillColor": place.colour,
            "fillOpacity": opacity,
        }
        circle = self._map.generic_layer(
            name="circleMarker", args=[[place.latitude, place.longitude], options]
        )
        circle.run_method("bindPopup", str(place.popup))
        if place.label:
            beside = {"permanent": labelled, "direction": "auto", "offset": [6 + place.rank, 0]}
            circle.run_method("bindTooltip", str(join(place.label)), beside)
        return circle


def _spots(places: Sequence[MapPlace]) -> list[tuple[float, float]]:
    return [(place.latitude, place.longitude) for place in places]
