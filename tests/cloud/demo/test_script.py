"""The script of the demo: its profiles and phases."""

import itertools

import pytest

from cloud.demo.script import PROFILES, DemoProfile, FootagePhase


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_no_frame_is_in_two_phases_of_any_round(profile: DemoProfile) -> None:
    spans = [
        (profile.start_of(phase, n), profile.start_of(phase, n) + 50 * profile.segments[phase])
        for n in range(3)
        for phase in FootagePhase
    ]
    ordered = sorted(spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ordered))
