"""Sizes and names of the source tree; the same values are recorded as figures by `make house`."""

from collections.abc import Callable, Sized
from pathlib import Path

import pytest

from tests.rules import structure
from tests.rules.house import branch_coverage


def crowded_folders() -> list[str]:
    return [folder for folder, count in structure.files_per_folder().items() if count > 20]


@pytest.mark.parametrize(
    "offenders",
    [
        crowded_folders,
        structure.long_files,
        structure.long_functions,
        structure.names_with_two_meanings,
        structure.unformatted_files,
        structure.unreached_definitions,
    ],
)
def test_the_tree_keeps_its_limits(offenders: Callable[[], Sized]) -> None:
    assert not offenders()


def test_branch_coverage_is_counted_per_package_without_what_is_left_out(tmp_path: Path) -> None:
    files = {
        "edge/node.py": (6, 10),
        "edge/pipeline.py": (4, 10),
        "messaging/bus.py": (1, 1),
        "synth/run.py": (1, 2),
        "synth/street/town.py": (0, 50),
        "cloud/app.py": (3, 4),
        "cloud/demo/run.py": (0, 50),
        "dashboards/app.py": (9, 10),
    }
    entries = ", ".join(
        f'"{path}": {{"summary": {{"covered_branches": {taken}, "num_branches": {known}}}}}'
        for path, (taken, known) in files.items()
    )
    report = tmp_path / "coverage.json"
    report.write_text(f'{{"files": {{{entries}}}}}')
    assert branch_coverage(report) == {
        "messaging": 100.0,
        "edge": 50.0,
        "synth": 50.0,
        "cloud": 75.0,
        "dashboards": 90.0,
    }
