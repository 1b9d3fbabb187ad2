"""`python -m tests.faults.permission_figures`: what a site's hub credential changes outside its site."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from messaging.figures import Figure
from tests.support.brokers import running_hub
from tests.support.figures.writing import written
from tests.support.messaging.permission_matrix import Outcome, measured, shipped, without_allow_list


def figures(outcomes: list[Outcome]) -> list[Figure]:
    """The effects of all attempts together."""
    effects, attempts = sum(len(o.effects) for o in outcomes), sum(o.attempts for o in outcomes)
    return [Figure("permission_effects_outside", effects, "effects", "= 0", n=attempts)]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.permission_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    outcomes = []
    for credential in (shipped, without_allow_list):
        with tempfile.TemporaryDirectory() as folder, running_hub(Path(folder)) as hub:
            outcomes.append(asyncio.run(measured(hub, credential(hub))))
    found = figures(outcomes)
    return written(out, found)


if __name__ == "__main__":
    sys.exit(main())
