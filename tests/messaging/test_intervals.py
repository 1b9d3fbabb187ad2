"""Intervals agree with published values and with exact arithmetic."""

import pytest

from messaging.intervals import newcombe_difference, poisson_rate, sign_test, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),  # Newcombe 1998, table I, method 3
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (29, 29, (0.8830, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, expected: tuple[float, float]
) -> None:
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-4)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        wilson(4, 3)


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),  # Newcombe 1998, table II, method 10
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_the_difference_of_two_proportions_gives_the_published_intervals(
    after: tuple[int, int], before: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert newcombe_difference(before, after) == pytest.approx(expected, abs=1e-4)


def test_without_trials_every_difference_is_possible() -> None:
    assert newcombe_difference((0, 0), (5, 10)) == (-1.0, 1.0)


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 0, 1 / 32), (1, 1, 0.75), (0, 3, 1.0)])
def test_the_sign_test_is_exact(gained: int, lost: int, p: float) -> None:
    assert sign_test(gained, lost) == pytest.approx(p)


@pytest.mark.parametrize(
    ("count", "exact"),  # of chi-square quantiles (Garwood 1936)
    [(0, (0.0, 3.689)), (1, (0.0253, 5.572)), (5, (1.6235, 11.668)), (20, (12.217, 30.888))],
)
def test_the_interval_of_a_rate_is_near_the_exact_one(count: int, exact: tuple[float, float]) -> None:
    assert poisson_rate(count, 1.0) == pytest.approx(exact, abs=0.03)
    assert poisson_rate(count, 4.0) == pytest.approx([end / 4 for end in exact], abs=0.03)


def test_a_rate_without_an_exposure_is_refused() -> None:
    with pytest.raises(ValueError, match="exposure above zero"):
        poisson_rate(3, 0.0)
