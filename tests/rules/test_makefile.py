"""What a make recipe does where its input is absent: run for real, with a fake environment."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(target: str, folder: Path, **values: Path) -> "subprocess.CompletedProcess[str]":
    """Run a target in an environment that counts as installed; its `blindspot` echoes its arguments."""
    program = folder / "venv" / "bin" / "blindspot"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "blindspot $*"\n')
    program.chmod(0o700)
    stamp = folder / "venv" / ".installed"
    stamp.touch()
    given = [f"VENV={folder / 'venv'}", f"OUT={folder / 'out'}", *(f"{k}={v}" for k, v in values.items())]
    command = ["make", "--no-print-directory", f"--old-file={stamp}", target, *given]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        command, cwd=ROOT, env=outside, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_real_loop_is_skipped_with_a_sentence_where_there_are_no_photographs(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    done = make("demo-real", tmp_path, REAL_DATA=gone, REAL_WEIGHTS=gone)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"demo-real is skipped: there are no photographs in {gone} (set REAL_DATA and REAL_WEIGHTS)\n"
    )


def test_the_real_loop_is_run_where_there_are_photographs(tmp_path: Path) -> None:
    done = make("demo-real", tmp_path, REAL_DATA=tmp_path, REAL_WEIGHTS=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"blindspot demo-real --data {tmp_path} --weights {tmp_path} --out ")


def test_ci_runs_targets_that_are_there_and_every_night_all_heavy_ones() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    named = {
        job: [name for step in parts["steps"] for name in _targets_of(step.get("run", ""))]
        for job, parts in workflow["jobs"].items()
    }
    assert {name for names in named.values() for name in names} <= targets
    # The table that faults prints has the figures of the mutants.
    assert named["nightly"] == [
        "slow",
        "mutants",
        "faults",
    ]
    steps = [step for step in workflow["jobs"]["nightly"]["steps"] if "make" in step.get("run", "")]
    assert [step.get("if") for step in steps] == [None, "!cancelled()", "!cancelled()"]


def _targets_of(run: str) -> list[str]:
    """Targets of the make command in a step."""
    found = re.search(r"\bmake ((?:[a-z-]+ ?)+)", run)
    return [] if found is None else found[1].split()
