"""The drawn plan of the maps: what is drawn of a GeoJSON file, and which files are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboards import app
from dashboards.map_plan import PLAN_LIMIT_BYTES, read_plan

RING = [[13.0, 52.0], [13.1, 52.0], [13.1, 52.1], [13.0, 52.0]]


def feature(geometry_type: str, coordinates: Any, /, **properties: str) -> dict[str, Any]:
    geometry = {"type": geometry_type, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"highway": "primary"}, "street"),
        ({"natural": "water"}, "water"),
        ({"waterway": "river"}, "water"),
        ({"building": "yes"}, "building"),
        ({"leisure": "park"}, "green"),
        ({"kind": "street", "building": "yes"}, "street"),
        ({"kind": "anything"}, "other"),
        ({}, "other"),
    ],
)
def test_a_shape_has_a_kind_by_its_properties(properties: dict[str, str], kind: str, tmp_path: Path) -> None:
    file = tmp_path / "city.geojson"
    file.write_text(collection(feature("Polygon", [RING], **properties)))
    (drawn,) = json.loads(read_plan(file))["features"]
    assert drawn["properties"] == {"kind": kind}


def test_only_geometry_without_points_is_kept_and_streets_are_drawn_last(tmp_path: Path) -> None:
    street = feature("LineString", [[13.0000004, 52.0, 34.5], [13.1, 52.1, 35.0]], highway="path", name="A")
    water = feature("MultiPolygon", [[RING]], natural="water")
    both = {
        "type": "Feature",
        "geometry": {"type": "GeometryCollection", "geometries": [water["geometry"], street["geometry"]]},
    }
    file = tmp_path / "city.geojson"
    file.write_text(collection(street, feature("Point", [13.0, 52.0]), both, water))
    drawn = json.loads(read_plan(file))["features"]
    assert [one["properties"]["kind"] for one in drawn] == ["water", "street", "other", "other"]
    assert drawn[1]["geometry"] == {"type": "LineString", "coordinates": [[13.0, 52.0], [13.1, 52.1]]}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("streets", "not valid JSON"),
        ("[1]", "it is not GeoJSON, because it has no GeoJSON type"),
        ('{"type": "Topology"}', "it is not GeoJSON, because it has no GeoJSON type"),
        ('{"type": "FeatureCollection"}', "its features are not a list"),
        ('{"type": "FeatureCollection", "features": [7]}', "feature 1 is not of the type Feature"),
        (collection(), "it has no line and no polygon"),
        (collection(feature("Point", [13.0, 52.0])), "it has no line and no polygon"),
        (collection(feature("Circle", [13.0, 52.0])), "feature 1 is no point, line or polygon"),
        (collection(feature("LineString", [[13.0, 52.0]])), "a line or ring of 1 positions, fewer than 2"),
        (collection(feature("Polygon", [RING[:3]])), "a line or ring of 3 positions, fewer than 4"),
        (collection(feature("Polygon", RING)), "feature 1 are not positions of its type"),
        (collection(feature("LineString", [[13.0], [13.1]])), "feature 1 are not positions of its type"),
        (collection(feature("LineString", [[True, 1], [2, 3]])), "feature 1 are not positions of its type"),
        (collection(feature("LineString", [[392000, 5820000], [1, 1]])), "outside [-180, 180]"),
        (collection(feature("LineString", [[13.0, 90.5], [1, 1]])), "[13, 90.5], outside [-180, 180]"),
        (collection(feature("LineString", [[float("nan"), 5], [1, 1]])), "outside [-180, 180]"),
        (collection(feature("LineString", [[10**400, 5], [1, 1]])), "outside [-180, 180]"),
        (" " * (PLAN_LIMIT_BYTES + 1), "is longer than 8388608 bytes"),
    ],
)
def test_a_plan_that_cannot_be_drawn_is_one_sentence_at_the_start(
    content: str | None, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = tmp_path / "page.yaml", tmp_path / "city.geojson"
    config.write_text(f"map: {{plan: {file}}}\n")
    if content is not None:
        file.write_text(content)
    assert app.main(["--data", str(tmp_path), "--config", str(config)]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert (str(file) in line, fault in line) == (True, True), line
    assert "map.plan must be a GeoJSON file (RFC 7946)" in line


def test_tiles_and_a_plan_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "page.yaml"
    config.write_text(
        "map:\n  plan: city.geojson\n  attribution: City\n  tiles: https://city.example/{z}/{x}/{y}.png\n"
    )
    assert app.main(["--data", str(tmp_path), "--config", str(config)]) == 1
    assert "tiles and plan exclude each other: set one of them" in capsys.readouterr().err
