"""`make faults`: a program that misses its target or crashes stops no other, and the table says which."""

import json
from pathlib import Path

import pytest

from tests.rules.structure import ROOT
from tests.support.figures.promises import OF_OTHER_TARGETS, PROGRAMS, Program, main, run_all

FIGURES = """
import sys
from pathlib import Path
from messaging.figures import Figure
from tests.support.figures.writing import written

sys.exit(written(Path(sys.argv[2]), [{figures}]))
"""
HOLDS = FIGURES.format(figures='Figure("held", 0, "reports", "= 0", n=7), Figure("without_target", 3, "s")')
MISSES = FIGURES.format(figures='Figure("missed", 2, "reports", "= 0"), Figure("kept", 1, "s", "<= 5")')
NOT_MEASURED = FIGURES.format(figures='Figure("absent", None, "s", "<= 5")')
CRASHES = "raise RuntimeError('no broker')"
CRASHES_LATE = HOLDS.replace("sys.exit(written", "(written") + CRASHES
RUBBISH = "import sys; from pathlib import Path; Path(sys.argv[2]).write_text('[]'); sys.exit(1)"


def program(folder: Path, name: str, text: str, *, tests: bool = False) -> Program:
    path = folder / f"{name}.py"
    path.write_text(text)
    return Program((str(path),), None if tests else f"{name}.json")


@pytest.fixture(autouse=True)
def _modules_of_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_programs_after_one_that_misses_and_one_that_crashes_run_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    programs = [
        program(tmp_path, "misses", MISSES),
        program(tmp_path, "crashes", CRASHES),
        program(tmp_path, "holds", HOLDS),
    ]
    assert main(programs, ["--out", str(tmp_path / "figures")]) == 1
    assert capfd.readouterr().out.endswith("\n2 of 4 promises hold\n")
    rows = {row.name: row for row in run_all(programs, tmp_path / "figures")}
    assert rows["missed"].cells == ("missed", "2 reports", "= 0", "does not hold", "misses.json")
    assert rows["held"].cells == ("held", "0 reports (n = 7)", "= 0", "holds", "holds.json")
    crashed = rows[programs[1].name]
    assert (crashed.holds, crashed.file, crashed.kept) == ("did not run: exit code 1", "crashes.json", False)
    assert set(rows) == {"missed", "kept", "held", programs[1].name}


def test_where_all_hold_the_exit_code_is_0(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    programs = [program(tmp_path, "holds", HOLDS), program(tmp_path, "suite", "", tests=True)]
    assert main(programs, ["--out", str(tmp_path / "figures")]) == 0
    out = capfd.readouterr().out
    assert out.endswith("\n2 of 2 promises hold\n")
    assert any(line.split()[:2] == ["promise", "value"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (NOT_MEASURED, "does not hold"),
        (CRASHES_LATE, "did not run: exit code 1"),
        (RUBBISH, "did not run: no file of figures: "),
        ("import os; os.kill(os.getpid(), 9)", "did not run: exit code -9"),
    ],
)
def test_what_is_not_measured_or_not_run_to_its_end_is_no_kept_promise(
    tmp_path: Path, text: str, holds: str
) -> None:
    last = run_all([program(tmp_path, "one", text)], tmp_path / "figures")[-1]
    assert last.holds.startswith(holds)
    assert not last.kept


def test_the_figures_of_an_earlier_run_are_not_those_of_a_program_that_crashed(tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    assert [row.kept for row in run_all([program(tmp_path, "one", HOLDS)], folder)] == [True]
    assert [row.kept for row in run_all([program(tmp_path, "one", CRASHES)], folder)] == [False]


@pytest.mark.parametrize(
    ("code", "holds"), [(0, "holds"), (1, "does not hold"), (2, "did not run: exit code 2")]
)
def test_failed_tests_are_told_from_tests_that_were_not_run(tmp_path: Path, code: int, holds: str) -> None:
    tests = program(tmp_path, "suite", f"raise SystemExit({code})", tests=True)
    (row,) = run_all([tests], tmp_path / "figures")
    assert (row.holds, row.kept) == (holds, code == 0)


def test_figures_of_another_target_are_listed_with_their_date_where_there_are_any(tmp_path: Path) -> None:
    assert run_all([], tmp_path, OF_OTHER_TARGETS) == []
    figure = {"name": "mutants_alive", "value": 1, "unit": "mutants", "target": "= 0", "holds": True}
    measured = {"machine": "m", "date": "2026-11-28", "command": "make mutants", "commit": None}
    (tmp_path / "mutants.json").write_text(json.dumps(measured | {"figures": [figure]}))
    (row,) = run_all([], tmp_path, OF_OTHER_TARGETS)
    assert row.cells == ("mutants_alive", "1 mutants", "= 0", "does not hold", "mutants.json of 2026-11-28")
    assert not row.kept


def test_every_program_of_figures_is_run_here_or_by_a_target_of_its_own() -> None:
    written = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("tests/faults", "tests/support/faults", "tests/support/figures")
        for path in (ROOT / folder).glob("*.py")
        if "import Figure" in (text := path.read_text()) and '"--out"' in text
    }
    listed = {one.arguments[1] for one in PROGRAMS if one.file is not None}
    makefile = (ROOT / "Makefile").read_text()
    by_target = {module for module in written if f"-m {module} " in makefile}
    assert {"tests.faults.mutant_figures", "tests.support.figures.promises"} <= by_target
    assert written == listed | by_target
    assert len({one.file for one in PROGRAMS}) == len(PROGRAMS)
