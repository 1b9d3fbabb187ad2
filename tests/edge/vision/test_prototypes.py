import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.vision.prototypes import (
    PrototypeBook,
    PrototypeKey,
    PrototypeSum,
    cosine_distance,
    estimated_cosine,
    largest_sigma,
    quantise,
    scaled_to,
    unit_length,
    weighted_by_noise,
)
from messaging.taxonomy import Condition

KEY = PrototypeKey("fire", Condition.parse("night-rain"), "e" * 64)
OTHER = PrototypeKey("fire", Condition.parse("day-clear"), "e" * 64)
_NUMBERS = st.sampled_from([0.0, 1e-3, 0.25, -0.25, 3.0, -40.0, 1e3]) | st.floats(0.5, 100.0, width=32)
VECTORS = hnp.arrays(np.float32, (5, 8), elements=_NUMBERS)


def ones(value: float = 1.0, width: int = 4) -> np.ndarray:
    return np.full(width, value, np.float32)


@given(vectors=VECTORS, norm=st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_every_track_weighs_the_same_and_keeps_its_direction(vectors: np.ndarray, norm: float) -> None:
    scaled, some = scaled_to(norm, vectors), np.abs(vectors).max(axis=1) > 0
    assert np.allclose(np.linalg.norm(scaled[some], axis=1), norm, rtol=1e-4)
    assert np.allclose(unit_length(scaled), unit_length(vectors), atol=1e-4)


def test_a_broken_embedding_weighs_nothing() -> None:
    assert scaled_to(1.0, np.asarray([np.nan, np.inf, 0, 0], np.float32)).tolist() == [0, 0, 0, 0]


def test_one_vector_moves_a_sum_by_the_clip_norm_at_most() -> None:
    total = PrototypeSum(1.5, 4)
    for _ in range(20):
        total.add(ones(0.1))
    before = total.mean * 20
    total.add(ones(1e6))
    assert np.linalg.norm(total.mean * 21 - before) == pytest.approx(1.5, rel=1e-4)


def test_an_embedding_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(4,\); got \(3,\)"):
        PrototypeSum(1.0, 4).add(ones(width=3))


def test_the_fullest_sums_are_ready_first() -> None:
    book = PrototypeBook(1.5, 4)
    for _ in range(25):
        book.add(KEY, ones())
    for _ in range(20):
        book.add(OTHER, ones())
    assert book.ready(20) == [KEY, OTHER]
    assert book.ready(21) == [KEY]


def test_a_further_sum_of_a_key_needs_twice_the_vectors_and_comes_after_new_keys() -> None:
    book = PrototypeBook(1.5, 4)
    for _ in range(20):
        book.add(KEY, ones())
    book.take(KEY)
    for _ in range(39):
        book.add(KEY, ones())
    assert book.ready(20) == []
    book.add(KEY, ones())
    for _ in range(20):
        book.add(OTHER, ones())
    assert book.ready(20) == [OTHER, KEY]


@pytest.mark.parametrize("cosine", [0.5, 0.7, 0.8, 0.95])
def test_the_estimated_cosine_is_that_of_a_noised_mean_to_the_mean(cosine: float) -> None:
    rng = np.random.default_rng(1)
    mean = scaled_to(0.6, rng.normal(size=64).astype(np.float32))
    sigma = largest_sigma(0.6, cosine, 64)
    noised = (mean + rng.normal(0, sigma, (400, 64))).astype(np.float32)
    actual = 1 - cosine_distance(noised, mean)[:, 0]
    assert actual.mean() == pytest.approx(cosine, abs=0.01)
    assert np.median([estimated_cosine(v, sigma) for v in noised]) == pytest.approx(cosine, abs=0.03)


def test_a_vector_no_longer_than_its_noise_has_no_signal() -> None:
    assert estimated_cosine(ones(0.099, 64), 0.1) == 0.0
    assert estimated_cosine(ones(0.0, 64), 0.1) == 0.0


def test_a_noisy_vector_weighs_little_and_two_equal_ones_halve_the_variance() -> None:
    vectors = np.asarray([[1.0, 0.0], [0.0, 1.0]])
    mean, sigma = weighted_by_noise(vectors, np.asarray([0.1, 1.0]))
    assert mean == pytest.approx([100 / 101, 1 / 101])
    assert sigma == pytest.approx(0.1 * np.sqrt(100 / 101))
    mean, sigma = weighted_by_noise(vectors, np.asarray([0.2, 0.2]))
    assert mean == pytest.approx([0.5, 0.5])
    assert sigma == pytest.approx(0.2 / np.sqrt(2))


@given(vectors=VECTORS)
@settings(max_examples=50, deadline=None)
def test_cosine_distance_is_symmetric_bounded_and_independent_of_length(vectors: np.ndarray) -> None:
    distance = cosine_distance(vectors, vectors)
    assert np.allclose(distance, distance.T, atol=1e-4)
    assert ((distance > -1e-4) & (distance < 2.0001)).all()
    assert np.allclose(distance, cosine_distance(vectors * 3, vectors), atol=1e-3)


@given(vector=hnp.arrays(np.float32, 16, elements=st.floats(-100, 100, width=32)))
@settings(max_examples=50, deadline=None)
def test_int8_steps_are_within_half_a_step(vector: np.ndarray) -> None:
    steps, scale = quantise(vector)
    assert all(-127 <= s <= 127 for s in steps)
    assert np.abs(np.asarray(steps) * scale - vector).max() <= scale * 0.501
