"""The script of the demo: its profiles and phases."""

import itertools

import pytest

from cloud.demo.budget import scaled
from cloud.demo.drawn.footage import PROFILE
from cloud.demo.script import FULL, ROUNDS, TINY, DemoProfile, FootagePhase

PROFILES = (FULL, ROUNDS, TINY, scaled(0.5))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_no_frame_is_in_two_phases_of_any_round(profile: DemoProfile) -> None:
    spans = [
        (profile.start_of(phase, n), profile.start_of(phase, n) + 50 * profile.segments[phase])
        for n in range(3)
        for phase in FootagePhase
    ]
    ordered = sorted(spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ordered))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_profile_is_the_same_after_its_way_to_the_drawing_process(profile: DemoProfile) -> None:
    assert PROFILE.validate_json(PROFILE.dump_json(profile)) == profile
