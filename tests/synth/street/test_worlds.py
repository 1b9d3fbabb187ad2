"""Worlds have no sprite, palette, layout, noise or camera in common."""

from itertools import combinations

import numpy as np
import pytest

from synth.street.worlds import LANES, WORLDS, World, WorldName

PAIRS = list(combinations(WORLDS.values(), 2))


def test_every_name_has_its_world() -> None:
    assert set(WORLDS) == set(WorldName)
    assert all(WORLDS[name].name is name for name in WorldName)


def shapes(world: World) -> set[object]:
    return {world.flame, world.smoke, world.pothole, world.litter, *world.bodies, *world.facades}


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[f"{a.name}-{b.name}" for a, b in PAIRS])
def test_two_worlds_have_no_parameter_in_common(one: World, other: World) -> None:
    assert not shapes(one) & shapes(other)
    assert one.tint != other.tint
    assert one.sensor != other.sensor
    assert one.sensor.noise_sigma != other.sensor.noise_sigma
    assert one.night_gain != other.night_gain
    assert (
        one.layout_seeds.stop <= other.layout_seeds.start or other.layout_seeds.stop <= one.layout_seeds.start
    )


def test_values_of_two_worlds_are_disjoint_and_all_span_the_range() -> None:
    drawn = {}
    for world in WORLDS.values():
        rng = np.random.default_rng(1)
        values = np.asarray([world.pick(rng, 0.0, 1.0) for _ in range(400)])
        drawn[world.name] = set((values * LANES).astype(int).tolist())
        assert values.min() < 0.25
        assert values.max() > 0.75
    assert sum(len(lanes) for lanes in drawn.values()) == LANES


@pytest.mark.parametrize("seed", [0, 7, 1_000_000_000, 2**40, -3])
def test_any_seed_stays_in_its_worlds_range(seed: int) -> None:
    streams = {w.layout_rng(seed, 1).integers(1 << 60) for w in WORLDS.values()}
    assert len(streams) == len(WORLDS)
