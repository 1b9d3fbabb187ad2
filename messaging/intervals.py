"""Confidence intervals of proportions, their differences, and rates. Pure arithmetic on counts."""

import math

Z_95 = 1.959964


def wilson(successes: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) without trials.

    Fractions of trials are allowed: an effective number of trials is one.
    """
    if trials == 0:
        return 0.0, 1.0
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be in 0..{trials}; got {successes}")
    proportion = successes / trials
    middle = proportion + z * z / (2 * trials)
    half = z * math.sqrt(proportion * (1 - proportion) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


def poisson_rate(count: int, exposure: float, z: float = Z_95) -> tuple[float, float]:
    """Interval of a rate: `count` events in an `exposure` above zero (hours, say), as events per unit of it.

    Byar's approximation of the exact Poisson interval (Breslow & Day 1987, section 2.3).
    """
    if count < 0 or exposure <= 0:
        raise ValueError(f"a rate needs a count and an exposure above zero; got {count} in {exposure}")
    above = count + 1
    low = count * (1 - 1 / (9 * count) - z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    high = above * (1 - 1 / (9 * above) + z / (3 * math.sqrt(above))) ** 3
    return max(low, 0.0) / exposure, high / exposure


def newcombe_difference(
    before: tuple[int, int], after: tuple[int, int], z: float = Z_95
) -> tuple[float, float]:
    """Interval of (after - before) for two independent proportions, each (successes, trials).

    Newcombe 1998, method 10: the Wilson limits of both, combined.
    """
    if before[1] == 0 or after[1] == 0:
        return -1.0, 1.0
    p, q = before[0] / before[1], after[0] / after[1]
    (p_low, p_high), (q_low, q_high) = wilson(*before, z), wilson(*after, z)
    return (
        q - p - math.hypot(q - q_low, p_high - p),
        q - p + math.hypot(q_high - q, p - p_low),
    )


def sign_test(gained: int, lost: int) -> float:
    """One-sided exact McNemar p-value: chance of at least `gained` of the discordant pairs by coin flips."""
    pairs = gained + lost
    if pairs == 0:
        return 1.0
    return sum(math.comb(pairs, k) for k in range(gained, pairs + 1)) / 2.0**pairs
