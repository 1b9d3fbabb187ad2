"""`python -m tests.support.figures.survival`: reports lost or counted twice while all is killed or paused.

Real brokers, the real gate and intake with a database of SQLite, each a process that is killed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from messaging.figures import Figure
from tests.support.faults.survival import Kills, survival
from tests.support.figures.writing import written

KILLS = Kills(hub=20, site=10, gate=10, intake=10, disks=1, pauses=12)


def measured(folder: Path, reports: int, seed: int) -> list[Figure]:
    """One run with all kills."""
    found = survival(folder, KILLS, reports=reports, seed=seed)
    assert len(found.log) == KILLS.total, found.log
    entries = sum(found.ledger.values())
    return [
        Figure("reports_lost", found.lost, "reports", "= 0", n=reports),
        Figure("reports_counted_twice", found.twice, "reports", "= 0", n=reports),
        Figure("reports_that_nobody_sent", found.foreign, "reports", "= 0", n=reports),
        Figure("ledger_entries", entries, "entries", f"= {reports}", n=reports),
        Figure("kills_survived", KILLS.total, "kills, pauses and lost disks", n=reports),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.survival", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.reports, given.seed)
    return written(given.out, found)


if __name__ == "__main__":
    sys.exit(main())
