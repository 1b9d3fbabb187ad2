"""`python -m tests.faults.mutant_figures`: applies each mutant of the list and counts those that live."""

import argparse
import sys
import tempfile
from itertools import groupby
from pathlib import Path

from messaging.figures import Figure
from tests.support.faults.mutants import Fate, copied_tree, fate_of, listed, passes
from tests.support.figures.writing import written


def main() -> int:
    """Entry of the process; exit code 1 if a mutant lives, or the list does not fit the tree."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutant_figures", description=__doc__)
    parser.add_argument("--only", default="", help="those whose test or description has this text")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    chosen = [one for one in listed() if arguments.only in f"{one.test} {one.name}"]
    fates: list[Fate] = []
    with tempfile.TemporaryDirectory() as folder:
        tree = copied_tree(Path(folder))
        for test, mutants in groupby(chosen, key=lambda one: one.test):
            sound = passes(tree, test)
            for mutant in mutants:
                fates.append(fate_of(tree, mutant) if sound else Fate.BROKEN)
                sys.stdout.write(f"{fates[-1]}: {mutant.name} ({test})\n")
                sys.stdout.flush()
    found = [
        Figure("mutants_alive", fates.count(Fate.ALIVE), "mutants", "= 0", n=len(fates)),
        Figure("mutants_without_verdict", fates.count(Fate.BROKEN), "mutants", "= 0", n=len(fates)),
    ]
    return written(arguments.out, found, "make mutants")


if __name__ == "__main__":
    sys.exit(main())
