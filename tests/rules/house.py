"""Records the tree's structure as figures: `python -m tests.rules.house COVERAGE.json OUT.json`.

COVERAGE.json is what `coverage json` writes after the tests. Exit code 1 if a figure misses its target.
"""

import argparse
import datetime
import json
import sys
from collections import Counter
from pathlib import Path

from messaging.figures import Figure, write_figures
from tests.rules import structure

NOT_COVERED = ("synth/street/", "synth/small_sd/", "cloud/demo/")


def branch_coverage(report: Path) -> dict[str, float]:
    """Percent of the branches of each package that the tests and the programs they start take."""
    taken: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for path, entry in json.loads(report.read_text())["files"].items():
        if not path.startswith(NOT_COVERED):
            package = path.split("/")[0]
            taken[package] += entry["summary"]["covered_branches"]
            known[package] += entry["summary"]["num_branches"]
    return {package: 100.0 * taken[package] / known[package] for package in structure.PACKAGES}


def figures(coverage: Path) -> list[Figure]:
    """Every figure of the tree."""
    per_package = branch_coverage(coverage)
    return [
        Figure("largest_folder_files", max(structure.files_per_folder().values()), "files", "<= 20"),
        Figure("import_circles", len(structure.import_cycles()), "circles", "= 0"),
        Figure("upward_imports", len(structure.upward_imports()), "imports", "= 0"),
        Figure("unformatted_files", len(structure.unformatted_files()), "files", "= 0"),
        Figure("functions_over_60_lines", len(structure.long_functions()), "functions", "= 0"),
        Figure("files_over_400_lines", len(structure.long_files()), "files", "= 0"),
        Figure("branch_coverage_worst_package_percent", min(per_package.values()), "%", ">= 85"),
        *(Figure(f"branch_coverage_{name}_percent", value, "%") for name, value in per_package.items()),
        Figure("names_with_two_meanings", len(structure.names_with_two_meanings()), "names", "= 0"),
        Figure("unreached_definitions", len(structure.unreached_definitions()), "definitions", "= 0"),
    ]


def main() -> int:
    """Entry of the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.rules.house", description=__doc__)
    parser.add_argument("coverage", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    found = figures(arguments.coverage)
    write_figures(arguments.out, found, command="make house", now=datetime.datetime.now(datetime.UTC))
    for figure in found:
        missed = "" if figure.holds is not False else "  does not hold"
        sys.stdout.write(f"{figure.name}: {figure.value_text} {figure.target or ''}{missed}\n")
    return int(any(figure.holds is False for figure in found))


if __name__ == "__main__":
    sys.exit(main())
