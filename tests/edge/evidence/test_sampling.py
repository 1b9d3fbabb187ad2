"""Frames are drawn with known probabilities (estimated recall: tests/synth/experiments/test_teacher_bias)."""

import itertools
import random
from collections import Counter

import pytest

from edge.evidence.sampling import FrameSampler, Sampled, at_least


def _drawn(sampler: FrameSampler[int], uncertainties: list[int], step_s: float) -> list[Sampled[int]]:
    found = []
    for number, uncertainty in enumerate(uncertainties):
        found += sampler.offer(number, number / 10, uncertainty=uncertainty, step_s=step_s)
    return found + sampler.end()


def test_without_a_budget_limit_every_frame_is_drawn_at_once() -> None:
    sampler: FrameSampler[int] = FrameSampler(random.Random(1))
    for number in range(5):
        (one,) = sampler.offer(number, number / 10, uncertainty=number % 2, step_s=0.0)
        assert (one.item, one.weight) == (number, 1.0)


@pytest.mark.parametrize("step_s", [0.3, 2.0])
def test_a_frame_is_drawn_as_often_as_its_weight_states(step_s: float) -> None:
    uncertainties, drawn, weights = [0, 3, 0, 0, 1, 0] * 40, Counter[int](), Counter[int]()
    runs = 1500
    for seed in range(runs):
        for one in _drawn(FrameSampler(random.Random(seed)), uncertainties, step_s):
            drawn[one.item] += 1
            weights[one.item] += one.weight  # type: ignore[assignment]  # Counter adds floats too
    for number, times in drawn.items():
        expected = times / weights[number]
        assert abs(times / runs - expected) < 4 * (expected * (1 - expected) / runs) ** 0.5 + 1e-9
        assert expected > 0
    total = sum(weights.values()) / runs
    assert abs(total - len(uncertainties)) < 0.1 * len(uncertainties) if step_s < 1 else total > 0


def test_uncertain_frames_are_preferred_and_the_budget_is_kept() -> None:
    uncertainties = [3 if number % 10 == 0 else 0 for number in range(3000)]
    found = _drawn(FrameSampler(random.Random(3)), uncertainties, 0.4)
    assert 0.9 * 3000 / 4 <= len(found) <= 1.1 * 3000 / 4
    assert sum(uncertainties[one.item] > 0 for one in found) > 1.5 * 300 / 4


def test_a_small_budget_draws_segments_in_which_tracks_can_form() -> None:
    found = _drawn(FrameSampler(random.Random(4)), [0] * 2000, 2.0)
    steps = [(after.item - before.item) / 10 for before, after in itertools.pairwise(found)]
    within = [step for step in steps if step == pytest.approx(0.3)]
    assert len(within) >= 0.65 * len(steps), "three of four steps are within a segment"
    assert max(steps) > 4.0
    assert len(found) == pytest.approx(2000 / 10 / 2.0, rel=0.15)


def test_a_clock_that_jumps_back_begins_a_new_stratum() -> None:
    sampler: FrameSampler[int] = FrameSampler(random.Random(5))
    sampler.offer(0, 100.0, uncertainty=0, step_s=0.4)
    assert [one.item for one in sampler.offer(1, 3.0, uncertainty=0, step_s=0.4)] == [0]


def test_the_probability_of_enough_hits_is_that_of_independent_draws() -> None:
    assert at_least(1, [0.5, 0.5]) == pytest.approx(0.75)
    assert at_least(2, [0.5, 0.5, 1.0]) == pytest.approx(0.75)
    assert at_least(3, [1.0, 1.0]) == 0.0
