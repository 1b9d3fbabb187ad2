"""The maps in a real browser: with a graticule, a drawn plan, or tiles of one configured host."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from messaging.reports import EvidenceSource
from tests.support.cloud.filled_cloud import NIGHT, FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab

pytestmark = BROWSER_TEST
FIRE = "fire.night-clear.missed"
TILE = cv2.imencode(".png", np.full((256, 256, 3), 230, np.uint8))[1].tobytes()

TILE_IS_SHOWN = (
    "[...document.querySelectorAll('#map-card img.leaflet-tile')].some(tile => tile.naturalWidth === 256)"
)
LABELS_ARE_INSIDE = """() => {
    const edge = document.querySelector("#map-card .place-map").getBoundingClientRect();
    return [...document.querySelectorAll("#map-card .leaflet-tooltip")].every((label) => {
        const { left, right } = label.getBoundingClientRect();
        return edge.left <= left && right <= edge.right;
    });
}"""
FIRST_OF_THE_MAP_IS_LOST = """
Object.defineProperty(window, "socket", {
  get() { return this.kept; },
  set(socket) {
    this.kept = socket;
    const emit = socket.emit.bind(socket);
    socket.emit = (name, message, ...rest) => {
      const sender = name === "event" ? document.getElementById("c" + message.id) : null;
      if (window.lost || !sender?.classList.contains("place-map")) return emit(name, message, ...rest);
      window.lost = true;
    };
  },
});
"""


def _shape(kind: str, geometry: str, coordinates: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"kind": kind},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }


PLAN = {
    "type": "FeatureCollection",
    "features": [
        _shape("street", "LineString", [[13.380, 52.505], [13.404, 52.520], [13.420, 52.530]]),
        _shape("street", "LineString", [[13.380, 52.520], [13.404, 52.520], [13.411, 52.523]]),
        _shape("water", "Polygon", [[[13.385, 52.512], [13.41, 52.515], [13.41, 52.517], [13.385, 52.512]]]),
        _shape("building", "Polygon", [[[13.398, 52.509], [13.40, 52.509], [13.4, 52.51], [13.398, 52.509]]]),
    ],
}


class TileServer(BaseHTTPRequestHandler):
    """Answers every address with the same tile."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(TILE)))
        self.end_headers()
        self.wfile.write(TILE)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def tiles() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), TileServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(60)
    server.server_close()


def test_sites_are_on_a_map_with_their_state_and_a_link(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/sites", "#map-card .leaflet-overlay-pane path")
    assert tab.page.locator("#map-card .leaflet-overlay-pane path").count() == 2
    tab.wait_for_text("#map-card .leaflet-tooltip", "north: online")
    cloud.reports.quarantine_site("south", True)
    tab.wait_for_text("#map-card .leaflet-tooltip", "south: quarantined")
    assert tab.page.locator("#map-card .leaflet-overlay-pane path").count() == 2
    tab.page.locator("#map-card .leaflet-overlay-pane path").first.click()
    tab.page.click("#map-card .leaflet-popup a:has-text('north')")
    tab.page.wait_for_url("**/sites/north")
    assert tab.violations == []


def test_on_a_narrow_screen_no_label_of_a_map_is_cut(
    cloud: FilledCloud, chromium: Any, page_process: PageProcess
) -> None:
    cloud.fill()
    for site in ("north", "south"):
        cloud.reports.quarantine_site(site, True)
    cloud.start()
    tab = Tab(chromium, page_process, width=390)
    tab.open("/sites", "#map-card .leaflet-overlay-pane path")
    for site in ("north", "south"):
        tab.wait_for_text("#map-card .leaflet-tooltip", f"{site}: quarantined")
    tab.page.wait_for_function(LABELS_ARE_INSIDE)
    tab.page.close()


def test_the_overview_has_the_map_once_a_site_has_a_position(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/", "#map-card .leaflet-overlay-pane path")
    assert tab.page.locator("#map-card .leaflet-overlay-pane path").count() == 2
    tab.page.locator("#map-card .leaflet-overlay-pane path").first.click()
    tab.wait_for_text("#map-card .leaflet-popup", "open failure mode")
    assert tab.violations == []


def test_a_map_is_shown_if_its_first_message_was_lost(cloud: FilledCloud, tab: Tab) -> None:
    """The server drops what a browser sends before its connection is acknowledged."""
    cloud.fill()
    cloud.start()
    tab.page.add_init_script(FIRST_OF_THE_MAP_IS_LOST)
    tab.open("/sites", "#map-card .leaflet-overlay-pane path")
    assert tab.page.evaluate("window.lost")
    assert tab.page.locator("#map-card .leaflet-overlay-pane path").count() == 2


def test_the_cameras_hit_by_a_failure_mode_are_on_a_map_with_their_numbers(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.misses("fire", 1, {EvidenceSource.TEACHER: 30}, tags=NIGHT)
    cloud.misses("fire", 2, {EvidenceSource.TEACHER: 7}, tags=NIGHT)
    cloud.reports.group_site("south", "harbour")
    cloud.start()
    tab.open(f"/failure-modes/{FIRE}", "#map-card .leaflet-overlay-pane path")
    assert tab.page.locator("#map-card .leaflet-tooltip").all_inner_texts() == ["7", "30", "92"]
    assert "that of its site" in tab.row("mode-cameras", "south/harbour")
    tab.page.locator("#map-card .leaflet-overlay-pane path").first.click()
    tab.wait_for_text("#map-card .leaflet-popup", "south / harbour: 7 misdetections")
    tab.page.click("#map-card .leaflet-popup a")
    tab.page.wait_for_url("**/cameras/south/harbour")
    tab.open(f"/failure-modes/{FIRE}?group=harbour", "#map-card .leaflet-overlay-pane path")
    assert tab.page.locator("#map-card .leaflet-tooltip").all_inner_texts() == ["7"]
    assert tab.page.locator("#mode-cameras .ag-center-cols-container .ag-row").count() == 1
    assert tab.violations == []


def test_without_positions_the_page_of_a_failure_mode_states_how_to_give_them(
    chromium: Any, tmp_path: Path
) -> None:
    cloud = FilledCloud(tmp_path / "unplaced", placed=False)
    cloud.fill()
    cloud.start()
    process = PageProcess(cloud.folder.root)
    tab = Tab(chromium, process)
    try:
        tab.open(f"/failure-modes/{FIRE}", "#map-card .empty code")
        assert "positions:" in tab.text("#map-card .empty code")
        assert "none" in tab.row("mode-cameras", "north/bridge")
        assert not tab.page.is_visible("#map-card .place-map")
    finally:
        tab.page.close()
        process.stop()
        cloud.close()
    assert tab.violations == []


def test_tiles_are_fetched_from_the_configured_host_alone(
    cloud: FilledCloud, chromium: Any, tiles: str, tmp_path: Path
) -> None:
    config = tmp_path / "page.yaml"
    config.write_text(f'map: {{tiles: "{tiles}/{{z}}/{{x}}/{{y}}.png", attribution: "© <City> survey"}}\n')
    cloud.fill()
    cloud.start()
    process = PageProcess(cloud.folder.root, "--config", str(config))
    tab = Tab(chromium, process)
    try:
        for page in ("/sites", "/hazards"):
            tab.open(page, "#map-card .leaflet-overlay-pane path")
            tab.page.wait_for_function(TILE_IS_SHOWN)
            tab.wait_for_text("#map-card .leaflet-control-attribution", "© <City> survey")
    finally:
        tab.page.close()
        process.stop()
    assert tab.violations
    assert [url for url in tab.violations if not re.fullmatch(rf"{tiles}/\d+/\d+/\d+\.png", url)] == []


def test_without_tiles_and_plan_a_map_has_a_graticule_with_degrees_and_a_scale(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/sites", "#map-card .map-degrees")
    degrees = tab.page.locator("#map-card .map-degrees").all_inner_texts()
    assert [text for text in degrees if not re.fullmatch(r"\d+(\.\d+)?°( [EWNS])?", text)] == []
    assert {text[-1] for text in degrees} == {"E", "N"}
    assert re.fullmatch(r"\d+ k?m", tab.text("#map-card .leaflet-control-scale"))
    assert tab.page.locator("#map-card .plan-shape").count() == 0
    assert tab.violations == []


def test_a_configured_plan_is_drawn_by_the_page_alone(
    cloud: FilledCloud, chromium: Any, tmp_path: Path
) -> None:
    cloud.fill()
    cloud.start()
    config, plan = tmp_path / "page.yaml", tmp_path / "city.geojson"
    plan.write_text(json.dumps(PLAN))
    config.write_text(f'map: {{plan: {plan.name}, attribution: "© <City> survey"}}\n')
    process = PageProcess(cloud.folder.root, "--config", str(config))
    tab = Tab(chromium, process)
    try:
        for page in ("/sites", "/hazards"):
            tab.open(page, "#map-card .plan-street")
            counts = {
                kind: tab.page.locator(f"#map-card path.plan-{kind}").count()
                for kind in ("street", "water", "building", "green", "other")
            }
            assert counts == {"street": 2, "water": 1, "building": 1, "green": 0, "other": 0}
            assert tab.page.locator("#map-card .map-graticule").count() == 0
            tab.wait_for_text("#map-card .leaflet-control-attribution", "© <City> survey")
    finally:
        tab.page.close()
        process.stop()
    assert tab.violations == []
