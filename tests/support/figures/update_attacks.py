"""`python -m tests.support.figures.update_attacks`: attacks on metadata and weights that install anything."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from messaging.figures import Figure
from tests.support.edge.update_attacks import ATTACKS, Attack, installs
from tests.support.figures.writing import written


def measured(folder: Path, attacks: Sequence[Attack] = ATTACKS) -> list[Figure]:
    """How many of the attacks changed what a site has in service, staged or on disk."""
    installed = [one.name for n, one in enumerate(attacks) if installs(one, folder / str(n))]
    for name in installed:
        sys.stderr.write(f"installed by: {name}\n")
    return [Figure("attacks_installed", len(installed), "attacks", "= 0", n=len(attacks))]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.figures.update_attacks", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    return written(out, found)


if __name__ == "__main__":
    sys.exit(main())
