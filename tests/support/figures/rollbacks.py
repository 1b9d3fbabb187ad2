"""`python -m tests.support.figures.rollbacks`: how soon the model before is in service again after a bad one.

After one that ends the process: a real node, whose supervisor restarts it as the shipped unit. After one of
recall 0.6 instead of 0.8: a whole site on simulated footage with an object every 7 s and a teacher, in
seconds of the site from the order on.
"""

import argparse
import logging
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from messaging.figures import Figure
from tests.support.edge.scripted_site import Behaviour, ScriptedSite, Street
from tests.support.figures.writing import written
from tests.support.trouble.crashing_model import recovery

CRASHES, RUNS = 6, 400
WORSE = Behaviour(recall=0.6)
GUARDED_S, SETTLING_S = 3600, 70
LIMIT_MIN = 15.0


def after_crashes(folder: Path, crashes: int) -> list[Figure]:
    """The slowest and the median run with a model that ends the process, on probation or after it."""
    found = [recovery(folder / str(number), passed=bool(number % 2)) for number in range(crashes)]
    assert all(one.by_signal == one.ended > 0 for one in found), found
    seconds = [one.serves_again_s for one in found]
    return [
        Figure("rollback_crash_s", max(seconds), "s", "<= 60", n=crashes),
        Figure("rollback_crash_median_s", statistics.median(seconds), "s", n=crashes),
    ]


def minutes_until_back(folder: Path, seed: int, behaviour: Behaviour = WORSE) -> float | None:
    """Minutes of the site from the order until the model before is in service; None if it never is."""
    site = ScriptedSite(folder, Street(seed=f"{seed} "), taught=True)
    site.order("new", behaviour)
    seconds = site.run(GUARDED_S, until="old")
    return None if seconds == GUARDED_S else (seconds + SETTLING_S) / 60.0


def after_worse_models(minutes: Sequence[float | None]) -> list[Figure]:
    """Statistics of the minutes; runs that never went back count as longer than all others."""
    ordered = sorted(float("inf") if one is None else one for one in minutes)
    runs = len(ordered)
    within = sum(one <= LIMIT_MIN for one in ordered) / runs
    slow = ordered[min(runs - 1, int(0.95 * runs))]
    return [
        Figure("rollback_quality_min", ordered[runs // 2], "min (median)", "<= 15", n=runs),
        Figure("rollback_quality_within_15_min", within, "of runs", n=runs),
        Figure("rollback_quality_p95_min", None if slow == float("inf") else slow, "min", n=runs),
        Figure("rollback_quality_never", sum(one is None for one in minutes), "runs", n=runs),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.rollbacks", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--crashes", type=int, default=CRASHES)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crashes = after_crashes(folder, given.crashes)
        minutes = [minutes_until_back(folder / f"worse-{seed}", seed) for seed in range(given.runs)]
    return written(given.out, [*crashes, *after_worse_models(minutes)])


if __name__ == "__main__":
    sys.exit(main())
