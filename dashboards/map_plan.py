"""The drawn plan under the maps: a GeoJSON file of lines and polygons, checked, and reduced to its geometry.

Only coordinates and the kind of each shape reach browsers; names and other properties of the file do not.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.text_files import read_json

PLAN_LIMIT_BYTES = 8 * 2**20
KINDS = ("green", "water", "building", "street", "other")
"""What a shape shows, in the order in which shapes are drawn."""
_REMEDY = (
    "map.plan must be a GeoJSON file (RFC 7946) of lines and polygons in degrees, longitude first, of at "
    f"most {PLAN_LIMIT_BYTES // 2**20} MiB"
)
_GREEN = {"forest", "garden", "grass", "meadow", "park", "pitch", "recreation_ground", "wood"}
_DEPTHS: Final = {"LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_POINTS = {"Point", "MultiPoint"}


def read_plan(path: Path) -> bytes:
    """The plan as a GeoJSON `FeatureCollection` with a `kind` for each shape; points are left out.

    Raises `ConfigurationError`, one sentence with file, fault and remedy: for a file that is absent, too
    large, not JSON or not GeoJSON, without any line or polygon, or with positions that are not degrees.
    """
    try:
        shapes = _drawn(read_json(path, limit_bytes=PLAN_LIMIT_BYTES))
    except FileFault as error:
        named = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise ConfigurationError(f"the plan of the maps {named}; {_REMEDY}") from None
    drawn = [{"type": "Feature", "properties": {"kind": kind}, "geometry": shape} for kind, shape in shapes]
    return json.dumps({"type": "FeatureCollection", "features": drawn}, separators=(",", ":")).encode()


def _drawn(document: Any) -> list[tuple[str, dict[str, Any]]]:
    """Kind and geometry of every shape, in the order of drawing. Raises `FileFault`."""
    shapes = [
        (_kind(feature), shape)
        for number, feature in enumerate(_features(document), 1)
        for shape in _shapes(feature.get("geometry"), f"feature {number}")
    ]
    if not shapes:
        raise FileFault("it has no line and no polygon")
    return sorted(shapes, key=lambda one: KINDS.index(one[0]))


def _features(document: Any) -> list[dict[str, Any]]:
    """The features of any GeoJSON document. Raises `FileFault`."""
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        found = document.get("features")
    elif kind == "Feature":
        found = [document]
    elif kind in {*_DEPTHS, *_POINTS, "GeometryCollection"}:
        found = [{"type": "Feature", "geometry": document}]
    else:
        raise FileFault("it is not GeoJSON, because it has no GeoJSON type at its top")
    if not isinstance(found, list):
        raise FileFault("it is not GeoJSON, because its features are not a list")
    for number, feature in enumerate(found, 1):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise FileFault(f"it is not GeoJSON, because feature {number} is not of the type Feature")
    return found


def _shapes(geometry: Any, where: str) -> Iterator[dict[str, Any]]:
    """Lines and polygons of a geometry, with two coordinates a position. Raises `FileFault`."""
    if geometry is None:
        return
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    parts = geometry.get("geometries") if kind == "GeometryCollection" else [geometry]
    if not isinstance(parts, list):
        raise FileFault(f"the geometries of {where} are not a list")
    for part in parts:
        name = part.get("type") if isinstance(part, dict) else None
        if name in _POINTS:
            continue
        if not isinstance(name, str) or name not in _DEPTHS:
            raise FileFault(f"the geometry of {where} is no point, line or polygon of GeoJSON")
        fewest = 4 if "Polygon" in name else 2
        yield {"type": name, "coordinates": _nested(part.get("coordinates"), _DEPTHS[name], fewest, where)}


def _nested(values: Any, depth: int, fewest: int, where: str) -> list[Any]:
    """Positions as `[longitude, latitude]` in `depth` levels of lists; the innermost has `fewest` or more."""
    if not isinstance(values, list) or not values:
        raise FileFault(f"the coordinates of {where} are not positions of its type")
    if depth > 1:
        return [_nested(value, depth - 1, fewest, where) for value in values]
    positions = [_position(value, where) for value in values]
    if len(positions) < fewest:
        raise FileFault(f"{where} has a line or ring of {len(positions)} positions, fewer than {fewest}")
    return positions


def _position(value: Any, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) < 2 or any(type(one) not in {int, float} for one in value):
        raise FileFault(f"the coordinates of {where} are not positions of its type")
    longitude, latitude = value[:2]
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        shown = f"{longitude:.6g}, {latitude:.6g}" if max(map(abs, value[:2])) < 1e300 else "a huge number"
        raise FileFault(f"{where} has the position [{shown}], outside [-180, 180] and [-90, 90] degrees")
    return [round(longitude, 6), round(latitude, 6)]


def _kind(feature: dict[str, Any]) -> str:
    """What a feature shows, by its property `kind` or by the keys of OpenStreetMap."""
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return "other"
    given = properties.get("kind")
    if isinstance(given, str) and given in KINDS:
        return given
    if properties.get("waterway") or properties.get("natural") in ("water", "bay", "coastline"):
        return "water"
    if properties.get("building"):
        return "building"
    if properties.get("highway"):
        return "street"
    uses = [properties.get(key) for key in ("leisure", "landuse", "natural")]
    return "green" if any(isinstance(use, str) and use in _GREEN for use in uses) else "other"
