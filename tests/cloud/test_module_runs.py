"""Heavy steps as processes: side by side, ended together, and quoted when they fail."""

from pathlib import Path

import psutil
import pytest

from cloud.errors import StageFailed, StageInterrupted
from cloud.module_runs import ModuleRun, run_modules

SLOW = "tests.support.cloud.slow_work"


def _run(folder: Path, seconds: str) -> ModuleRun:
    folder.mkdir()
    return ModuleRun([str(folder), seconds], folder / "work.log")


def _ended(folder: Path) -> bool:
    """No process works for the folder."""
    return not any(str(folder) in (p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))


@pytest.mark.parametrize(("side_by_side", "together"), [(2, True), (1, False)])
def test_as_many_runs_as_configured_work_at_a_time(tmp_path: Path, side_by_side: int, together: bool) -> None:
    runs = [_run(tmp_path / name, "0.7") for name in "ab"]
    seen: set[bool] = set()

    def tick() -> None:
        begun = [folder for name in "ab" if ((folder := tmp_path / name) / "child.pid").exists()]
        seen.add(len(begun) == 2 and not any(_ended(folder) for folder in begun))

    run_modules(SLOW, runs, stopping=lambda: False, side_by_side=side_by_side, tick=tick)
    assert (True in seen) is together
    assert all(_ended(tmp_path / name) for name in "ab")


def test_a_run_that_fails_is_quoted_and_ends_the_others(tmp_path: Path) -> None:
    runs = [_run(tmp_path / "a", "60"), _run(tmp_path / "b", "no number")]
    with pytest.raises(StageFailed, match=r"ended with code 1: .*no number"):
        run_modules(SLOW, runs, stopping=lambda: False, side_by_side=2)
    assert _ended(tmp_path / "a")


def test_a_stop_ends_every_run(tmp_path: Path) -> None:
    runs = [_run(tmp_path / name, "60") for name in "ab"]

    def stopping() -> bool:
        return all((tmp_path / name / "child.pid").exists() for name in "ab")

    with pytest.raises(StageInterrupted, match="was asked to stop"):
        run_modules(SLOW, runs, stopping=stopping, side_by_side=2)
    assert all(_ended(tmp_path / name) for name in "ab")
