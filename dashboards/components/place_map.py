"""A map of places: a circle for each, in the colour of its worst open hazard, with a popup that links.

Leaflet without tiles: nothing is fetched from other hosts, so the ground is plain and places lie as they do
in the city.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from dashboards.components.empty import Empty
from dashboards.markup import Html

FARTHEST_ZOOM, NEAREST_ZOOM = 2, 15
COLOURS = {0: "#5f6b7a", 1: "#7f8c9b", 2: "#7f8c9b", 3: "#d99a00", 4: "#d9641e", 5: "#b3261e"}


@dataclass(frozen=True)
class MapPlace:
    """A place: degrees (WGS 84), severity of its worst hazard (0: none is open), and the popup."""

    latitude: float
    longitude: float
    severity: int
    popup: Html


class PlaceMap:
    """The map, or an empty state while there is no place."""

    def __init__(self, empty: Empty) -> None:
        self._shown: tuple[MapPlace, ...] | None = None
        self._empty = empty.element()
        options = {"attributionControl": False, "zoomControl": True}
        self._map = ui.leaflet(zoom=FARTHEST_ZOOM, options=options).classes("place-map")
        self._map.clear_layers()  # NiceGUI begins with tiles of another host
        self._map.set_visibility(False)

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
        await self._map.initialized()
        self._map.clear_layers()
        for place in sorted(places, key=lambda one: one.severity):
            options = {
                "radius": 6 + place.severity,
                "color": COLOURS[place.severity],
                "fillOpacity": 0.75 if place.severity else 0.25,
            }
            circle = self._map.generic_layer(
                name="circleMarker", args=[[place.latitude, place.longitude], options]
            )
            circle.run_method("bindPopup", str(place.popup))
        if moved:
            self._map.run_map_method("invalidateSize")
            bounds = [list(spot) for spot in _spots(places)]
            self._map.run_map_method("fitBounds", bounds, {"maxZoom": NEAREST_ZOOM, "padding": [32, 32]})


def _spots(places: Sequence[MapPlace]) -> list[tuple[float, float]]:
    return [(place.latitude, place.longitude) for place in places]
