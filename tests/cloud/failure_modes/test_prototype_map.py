"""The map of prototypes."""

import numpy as np
import pytest

from cloud.failure_modes.prototype_map import prototype_map, signal_to_noise
from cloud.failure_modes.prototypes import FleetPrototype
from messaging.taxonomy import Condition, Light


def fleet_prototype(*vector: float, cosine: float = 0.9) -> FleetPrototype:
    return FleetPrototype("fire", Condition(Light.NIGHT), vector, "e" * 64, 2, 40, cosine)


def test_prototypes_that_point_the_same_way_are_at_one_place_whatever_their_length() -> None:
    found = prototype_map([fleet_prototype(1, 0, 0), fleet_prototype(5, 0, 0), fleet_prototype(0, 1, 0)])
    near, same, far = found.places
    assert np.allclose(near, same)
    assert np.linalg.norm(near - far) == pytest.approx(np.sqrt(2))
    assert found.explained == (pytest.approx(1.0), pytest.approx(0.0))


def test_distances_on_the_map_are_those_of_directions_in_a_plane() -> None:
    vectors = [(1, 0, 0, 0), (0, 1, 0, 0), (-1, 0, 0, 0), (0, -1, 0, 0)]
    places = prototype_map([fleet_prototype(*v) for v in vectors]).places
    assert np.linalg.norm(places[0] - places[2]) == pytest.approx(2.0)
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx(np.sqrt(2))


def test_the_map_does_not_flip_when_the_order_changes() -> None:
    random = np.random.default_rng(5)
    prototypes = [fleet_prototype(*random.normal(size=8)) for _ in range(6)]
    forth = prototype_map(prototypes).places
    back = prototype_map(prototypes[::-1]).places[::-1]
    assert np.allclose(forth, back)


def test_one_prototype_is_at_the_origin_and_none_give_an_empty_map() -> None:
    assert prototype_map([fleet_prototype(1, 2)]).places.tolist() == [[0.0, 0.0]]
    assert prototype_map([]).places.shape == (0, 2)
    assert prototype_map([fleet_prototype(1.0), fleet_prototype(-1.0)]).places[:, 1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("cosine", "ratio"), [(0.0, 0.0), (np.sqrt(0.5), 1.0), (0.6, 0.75), (1.0, None), (-0.2, 0.0)]
)
def test_the_cosine_states_how_much_signal_there_is_per_noise(cosine: float, ratio: float | None) -> None:
    found = signal_to_noise(fleet_prototype(1, 0, cosine=cosine))
    assert found == (None if ratio is None else pytest.approx(ratio))
