"""The map of the fleet's prototypes."""

from typing import Any

from dashboards.learning.prototype_map import map_in_words, map_options
from dashboards.theme import LIGHT
from messaging.api.prototype_map import PrototypeMapResource


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


def test_the_map_is_described_and_an_empty_one_states_what_fills_it() -> None:
    assert map_in_words(found({}, {"usable": False})).startswith("2 prototypes, 1 usable;")
    assert "Sites send one" in map_in_words(found())
