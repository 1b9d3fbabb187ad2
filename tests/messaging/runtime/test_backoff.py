"""Waits between attempts grow, are capped, vary, and start again after a success."""

import random

from messaging.runtime.backoff import Backoff


def test_waits_double_up_to_the_limit_within_the_jitter_and_start_again_after_a_success() -> None:
    backoff = Backoff(first_s=1.0, max_s=4.0, rng=random.Random(0))
    for expected in (1.0, 2.0, 4.0, 4.0):
        assert 0.5 * expected <= backoff.next_s() <= 1.5 * expected
    assert backoff.failures == 4
    backoff.reset()
    assert backoff.next_s() <= 1.5


def test_a_thousand_failures_still_wait_for_the_limit() -> None:
    backoff = Backoff(first_s=0.2, max_s=10.0)
    waits = [backoff.next_s() for _ in range(1000)]
    assert max(waits) <= 15.0
    assert len({round(wait, 6) for wait in waits[10:]}) > 900, (
        "sites that fail together must not retry together"
    )
