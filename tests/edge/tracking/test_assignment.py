import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.tracking.assignment import assign


def cheapest(cost: np.ndarray, gate: float) -> tuple[int, float]:
    """Most pairs under the gate, and the least cost of that many, by trying everything."""
    n, m = cost.shape
    best = (0, 0.0)
    for size in range(min(n, m), 0, -1):
        totals = [
            sum(float(cost[i, j]) for i, j in zip(rows, columns, strict=True))
            for rows in itertools.combinations(range(n), size)
            for columns in itertools.permutations(range(m), size)
            if all(cost[i, j] <= gate for i, j in zip(rows, columns, strict=True))
        ]
        if totals:
            return size, min(totals)
    return best


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 4),
    m=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    gate=st.sampled_from([0.2, 0.5, 0.9]),
)
def test_the_assignment_is_the_cheapest_of_the_largest(n: int, m: int, seed: int, gate: float) -> None:
    cost = np.random.default_rng(seed).random((n, m)).astype(np.float32)
    pairs = assign(cost, gate)
    size, total = cheapest(cost, gate)
    assert len(pairs) == size
    assert sum(float(cost[i, j]) for i, j in pairs) == pytest.approx(total, abs=1e-5)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ([[0.1, 0.9], [0.9, 0.2]], [(0, 0), (1, 1)]),
        ([[0.1, 0.2], [0.15, 0.9]], [(0, 1), (1, 0)]),
        ([[0.9, 0.9]], []),
        (np.zeros((0, 3)), []),
        (np.zeros((3, 0)), []),
    ],
    ids=["diagonal", "greedy would cost more", "all above the gate", "no rows", "no columns"],
)
def test_pairs_above_the_gate_are_never_made(cost: object, expected: list[tuple[int, int]]) -> None:
    assert assign(np.asarray(cost, np.float32), 0.5) == expected


def test_it_agrees_with_scipy_on_a_crowd() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    cost = np.random.default_rng(3).random((30, 24)).astype(np.float32)
    rows, columns = optimize.linear_sum_assignment(cost)
    pairs = assign(cost, 1.0)
    assert sum(cost[i, j] for i, j in pairs) == pytest.approx(cost[rows, columns].sum(), abs=1e-4)
