"""`python -m tests.support.figures.update_kills`: updates of a site, each with a kill.

A real hub, gate and node; gate, node or both are killed at a random moment while a release
is on its way into service.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from messaging.figures import Figure
from tests.support.faults.update_kills import VICTIMS, faults, killed_updates
from tests.support.figures.writing import written

KILLS = 200


def measured(folder: Path, kills: int, seed: int) -> list[Figure]:
    """Updates that ended on the model that they should, of so many kills."""
    updates = killed_updates(folder, kills, seed)
    wrong = faults(updates)
    for fault in wrong:
        sys.stderr.write(f"{fault}\n")
    victims = Counter(one.victim for one in updates)
    steps = Counter(one.step for one in updates if one.under_way)
    return [
        Figure("random_kills_in_update_ok", kills - len(wrong), "kills", f"= {kills}", n=kills),
        Figure(
            "kills_while_the_update_was_under_way", sum(one.under_way for one in updates), "kills", n=kills
        ),
        *(Figure(f"kills_of_{victim}", victims[victim], "kills", n=kills) for victim in VICTIMS),
        *(
            Figure(f"kills_after_step_{step}", count, "kills", n=kills)
            for step, count in sorted(steps.items())
        ),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.update_kills", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.kills, given.seed)
    return written(given.out, found)


if __name__ == "__main__":
    sys.exit(main())
