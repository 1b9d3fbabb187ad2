"""Gaussian differential privacy in closed form: what noise costs, and what many releases cost together.

Dong, Roth and Su, "Gaussian Differential Privacy" (2022): one Gaussian release of sensitivity 1 and noise
sigma is mu-GDP with mu = 1/sigma; releases compose to sqrt(sum mu^2); mu-GDP is (epsilon, delta)-DP with
delta = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2) (corollary 2.13). No sub-sampling
is assumed anywhere. Pure mathematics.
"""

import math
from collections.abc import Callable

_LARGEST_MU = 60.0


def delta_of(mu: float, epsilon: float) -> float:
    """The delta at which mu-GDP is (epsilon, delta)-DP; 0 for mu 0."""
    if mu <= 0:
        return 0.0
    first = _normal_cdf(-epsilon / mu + mu / 2)
    second = _log_normal_cdf(-epsilon / mu - mu / 2)
    return max(0.0, first - math.exp(min(epsilon + second, 0.0)))


def epsilon_of(mu: float, delta: float) -> float:
    """The epsilon at which mu-GDP is (epsilon, delta)-DP."""
    if mu <= 0 or delta_of(mu, 0.0) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while delta_of(mu, high) > delta:
        low, high = high, 2 * high
    return _bisect(lambda epsilon: delta_of(mu, epsilon) > delta, low, high)


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu (least noise) that is still (epsilon, delta)-DP.

    Raises:
        ValueError: epsilon is not positive or delta not between 0 and 1.
    """
    if epsilon <= 0 or not 0 < delta < 1:
        raise ValueError(f"epsilon must be positive and delta in (0, 1); got {epsilon} and {delta}")
    return _bisect(lambda mu: delta_of(mu, epsilon) <= delta, 0.0, _LARGEST_MU)


def compose(mus: list[float]) -> float:
    """mu of all releases together."""
    return math.sqrt(math.fsum(mu * mu for mu in mus))


def _bisect(holds_below: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value up to which the condition holds."""
    for _ in range(200):
        middle = (low + high) / 2
        if holds_below(middle):
            low = middle
        else:
            high = middle
    return low


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _log_normal_cdf(x: float) -> float:
    """log Phi(x); far in the tail by its asymptotic series, where erfc underflows."""
    if x > -30:
        return math.log(_normal_cdf(x))
    square = x * x
    return -square / 2 - math.log(-x) - 0.5 * math.log(2 * math.pi) + math.log1p(-1 / square + 3 / square**2)
