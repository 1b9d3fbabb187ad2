"""The cameras of a failure mode as places of a map and rows of a table."""

from typing import Any

from dashboards.learning.mode_cameras import map_places, rows, without_position
from dashboards.scope import Scope
from messaging.api.mode_cameras import ModeCameraResource

NOW = 1_800_000_000


def camera(site: str, name: str, misdetections: int, **changed: Any) -> ModeCameraResource:
    fields: dict[str, Any] = {
        "site": site, "camera": name, "misdetections": misdetections, "last_seen_utc": NOW - 60,
        "position_of": "camera", "longitude": 13.4, "latitude": 52.5,
    }  # fmt: skip
    return ModeCameraResource.model_validate(fields | changed)


def unplaced(site: str, name: str) -> ModeCameraResource:
    return camera(site, name, 1, position_of=None, longitude=None, latitude=None)


def test_a_place_has_the_number_as_its_label_and_links_to_the_camera() -> None:
    (place,) = map_places([camera("north", "bridge", 1200)], Scope("city"))
    assert (place.latitude, place.longitude, place.label) == (52.5, 13.4, "1,200")
    assert '<a href="/cameras/north/bridge?group=city">north / bridge</a>: 1,200 misdetections' in place.popup


def test_cameras_at_the_position_of_their_site_share_a_place() -> None:
    at_site = [camera("north", name, number, position_of="site") for name, number in (("a", 4), ("b", 1))]
    other = camera("south", "c", 1, longitude=13.5)
    first, second = map_places([*at_site, other], Scope())
    assert (first.label, second.label) == ("5", "1")
    assert "north / a</a>: 4 misdetections" in first.popup
    assert "north / b</a>: 1 misdetection<" in first.popup
    assert first.rank > second.rank


def test_a_camera_without_position_is_named_and_not_on_the_map() -> None:
    cameras = [camera("north", "bridge", 9), unplaced("west", "<yard>")]
    assert len(map_places(cameras, Scope())) == 1
    assert "west / &lt;yard&gt;." in without_position(cameras)
    assert [row["position"] for row in rows(cameras, Scope(), NOW)] == ["its own", "none"]


def test_of_many_cameras_without_position_some_are_named_and_the_rest_is_counted() -> None:
    cameras = [camera("north", "bridge", 9), *(unplaced("west", f"yard-{n}") for n in range(25))]
    shown = without_position(cameras)
    assert "yard-19 and 5 more." in shown
    assert "yard-20" not in shown


def test_nothing_is_said_of_positions_where_all_or_none_have_one() -> None:
    assert without_position([camera("north", "bridge", 9)]) == ""
    assert without_position([unplaced("west", "yard")]) == ""
    assert map_places([unplaced("west", "yard")], Scope()) == []
