"""How many examples hypothesis tries: few in every run, many with `BLINDSPOT_EXAMPLES=many` (nightly)."""

import os

from hypothesis import HealthCheck, Phase, settings

MANY = os.environ.get("BLINDSPOT_EXAMPLES") == "many"
INPUTS = 10_000 if MANY else 60
"""Inputs of each reader of foreign bytes."""
DOCUMENTS = 2_000 if MANY else 60
"""YAML documents of each configuration, which take longer to make and to read."""
RUNS, STEPS = (1_000, 60) if MANY else (20, 40)
"""Runs of a state machine, and steps of each."""


def machine_settings(*, control: bool = False) -> settings:
    """Settings of a state machine, the same runs each time; `control`: of one that must fail."""
    return settings(
        max_examples=300 if control else RUNS,
        stateful_step_count=40 if control else STEPS,
        database=None,
        derandomize=True,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
