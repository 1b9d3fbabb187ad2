"""`python -m tests.support.figures.campaign_kills`: campaigns killed at forty points and an undisturbed one.

Four points in each of the ten stages: when it has begun, inside it, when it has returned and nothing is
stored, and when its end is stored and the workflow does not know it yet.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from messaging.figures import Figure
from tests.support.faults.campaign_kills import (
    differing,
    killed_and_continued,
    remove,
    result_hash,
    undisturbed,
)
from tests.support.faults.campaign_program import POINTS
from tests.support.figures.writing import written

SIDE_BY_SIDE = 3


def measured(folder: Path, side_by_side: int) -> list[Figure]:
    """How many kills left the result as it is without them; a second undisturbed run gives it again."""
    wanted = undisturbed(folder / "undisturbed")
    again = undisturbed(folder / "again")

    def equal(point: str) -> bool:
        try:
            found = killed_and_continued(folder / point, point)
        except AssertionError as error:
            sys.stderr.write(f"{error}\n")
            return False
        if result_hash(found) != result_hash(wanted):
            sys.stderr.write(f"after a kill at {point} {', '.join(differing(found, wanted))} differ\n")
            return False
        remove(folder / point)
        return True

    with ThreadPoolExecutor(side_by_side) as pool:
        kept = sum(pool.map(equal, POINTS))
    careless = killed_and_continued(folder / "careless", "train.inside", careless=True)
    return [
        Figure("campaign_kill_points_equal_hash", kept, "points", "= 40", n=len(POINTS)),
        Figure(
            "campaign_runs_without_a_kill_that_differ", len(differing(again, wanted)), "parts", "= 0", n=2
        ),
        Figure(
            "campaign_parts_a_careless_stage_changes",
            len(differing(careless, wanted)),
            "parts",
            "> 0",
            n=1,
        ),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="campaign_kills", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.side_by_side)
    return written(given.out, found)


if __name__ == "__main__":
    sys.exit(main())
