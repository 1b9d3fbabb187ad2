"""The map of the fleet's prototypes."""

from typing import Any

from dashboards.learning.prototype_map import ALL, map_in_words, map_options, modes_of, point_choices
from dashboards.theme import LIGHT
from messaging.api.prototype_map import PrototypeMapResource
from tests.dashboards.learning.resources import mode


def found(*points: dict[str, Any]) -> PrototypeMapResource:
    fields: dict[str, Any] = {
        "class_name": "fire", "condition": "night-clear", "x": 0.1, "y": 0.2, "sites": 1, "tracks": 9,
        "cosine": 0.9, "signal_to_noise": 2.0, "usable": True, "failure_modes": (),
    }  # fmt: skip
    return PrototypeMapResource.model_validate(
        {"embedding_digest": None, "explained": (0.6, 0.3), "points": [fields | point for point in points]}
    )


def test_a_point_has_its_place_its_name_and_a_size_by_its_sites() -> None:
    options = map_options(found({"sites": 4}, {"sites": 1, "x": 0.5}), LIGHT)
    first, second = options["series"][0]["data"]
    assert (first["name"], first["value"]) == ("fire (night, clear)", [0.1, 0.2])
    assert first["symbolSize"] > second["symbolSize"]
    assert options["xAxis"]["name"] == "60 % of the variance"


def test_a_prototype_with_more_noise_than_signal_is_hollow() -> None:
    point = map_options(found({"usable": False}), LIGHT)["series"][0]["data"][0]
    assert point["itemStyle"]["color"] == LIGHT.card


def test_the_map_is_described_in_words() -> None:
    assert map_in_words(found({}, {"usable": False})).startswith("2 prototypes, 1 usable;")


def test_a_chosen_point_has_a_ring_and_the_others_are_faint() -> None:
    data = map_options(found({}, {"class_name": "smoke"}), LIGHT, "smoke.night-clear")["series"][0]["data"]
    assert [point["itemStyle"]["opacity"] for point in data] == [0.3, 1.0]
    assert data[1]["itemStyle"]["borderColor"] == LIGHT.ink


def test_a_point_limits_the_failure_modes_to_its_own() -> None:
    modes = [mode(id="fire.night-clear.missed"), mode(id="smoke.day-fog.missed")]
    points = found({"failure_modes": ("fire.night-clear.missed",)}, {"condition": "day-rain"})
    assert modes_of(points, modes, "fire.night-clear") == modes[:1]
    assert modes_of(points, modes, "fire.day-rain") == []
    assert point_choices(points) == {
        ALL: "all failure modes",
        "fire.day-rain": "fire (day, rain): 0 failure modes",
        "fire.night-clear": "fire (night, clear): 1 failure mode",
    }
