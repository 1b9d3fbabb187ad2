"""`python -m tests.support.figures.promises`: runs every program of `make faults`, then prints all promises.

A promise is a figure with a target. Each program is a process of its own, so that one that misses its target
or crashes stops no other. A file of figures that is older than its program's run is removed before, so that
a program without a file did not run to its end.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import FileFault
from messaging.figures import Figure, read_figures

HEAD = ("promise", "value", "target", "holds", "file")
TESTS_FAILED = 1  # exit code of pytest; all others but 0 mean that the tests were not run to their end


@dataclass(frozen=True)
class Program:
    """Arguments of Python, and the file of figures that the program writes; None for one of tests."""

    arguments: tuple[str, ...]
    file: str | None = None

    @property
    def name(self) -> str:
        """The module or file with its options, as it is called."""
        return " ".join(one for one in self.arguments if one != "-m")


def _program(module: str, file: str) -> Program:
    return Program(("-m", module), file)


PROGRAMS = (
    _program("tests.faults.permission_figures", "permissions.json"),
    _program("tests.faults.api_figures", "api.json"),
    _program("tests.faults.rate_figures", "rates.json"),
    _program("tests.support.faults.ledger_figures", "ledgers.json"),
    _program("tests.support.faults.covert_figures", "covert.json"),
    _program("tests.support.figures.update_attacks", "update_attacks.json"),
    _program("tests.support.figures.lying_site", "lying_site.json"),
    _program("tests.support.figures.rollbacks", "rollbacks.json"),
    _program("tests.support.figures.update_kills", "update_kills.json"),
    _program("tests.support.figures.slow_download", "slow_download.json"),
    _program("tests.support.figures.bad_link", "bad_link.json"),
    _program("tests.support.figures.survival", "survival.json"),
    _program("tests.support.figures.campaign_kills", "campaign_kills.json"),
    _program("tests.support.figures.heartbeats", "heartbeats.json"),
    Program(("-m", "pytest", "tests/faults", "-m", "slow or not slow", "--timeout", "1200")),
)
OF_OTHER_TARGETS = ("mutants.json",)  # listed where `make mutants` has written it


@dataclass(frozen=True)
class Row:
    """One line of the table. `kept`: the promise was not broken by this run."""

    name: str
    value: str
    target: str
    holds: str
    file: str
    kept: bool

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The texts in the order of the head."""
        return self.name, self.value, self.target, self.holds, self.file


def run_all(programs: Sequence[Program], folder: Path, others: Sequence[str] = ()) -> list[Row]:
    """Run all programs, one after another; the promises of the files in `folder`, those of `others` too."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for program in programs for row in _rows_of(program, folder)]
    for name in others:
        if (folder / name).exists():
            rows += _rows_of_file(folder / name, dated=True)
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in aligned columns under a head."""
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines)


def _rows_of(program: Program, folder: Path) -> Iterator[Row]:
    sys.stdout.write(f"== {program.name}\n")
    sys.stdout.flush()
    began = time.monotonic()
    if program.file is None:
        code = subprocess.run([sys.executable, *program.arguments], check=False).returncode
        yield _row_of_tests(program.name, code)
    else:
        path = folder / program.file
        path.unlink(missing_ok=True)
        code = subprocess.run(
            [sys.executable, *program.arguments, "--out", str(path)], check=False
        ).returncode
        rows = _rows_of_file(path)
        yield from rows
        if not path.exists() or code != int(not all(row.kept for row in rows)):
            yield _did_not_run(program.name, program.file, f"exit code {code}")
    sys.stdout.write(f"== {time.monotonic() - began:.0f} s\n")


def _row_of_tests(name: str, code: int) -> Row:
    if code not in (0, TESTS_FAILED):
        return _did_not_run(name, "", f"exit code {code}")
    return Row(name, f"exit code {code}", "= 0", "does not hold" if code else "holds", "", not code)


def _did_not_run(name: str, file: str, reason: str) -> Row:
    return Row(name, "", "", f"did not run: {reason}", file, kept=False)


def _rows_of_file(path: Path, *, dated: bool = False) -> list[Row]:
    """The promises of a file; none where there is no file, and one that says so where it is damaged.

    `dated`: with the date of the file, which is of another run.
    """
    if not path.exists():
        return []
    try:
        found = read_figures(path)
    except FileFault as error:
        return [_did_not_run(path.name, path.name, f"no file of figures: {error}")]
    where = f"{path.name} of {found.date}" if dated else path.name
    return [
        Row(one.name, _value(one), one.target, one.holds_text, where, one.holds is not False)
        for one in found.figures
        if one.target is not None
    ]


def _value(figure: Figure) -> str:
    return figure.value_text if figure.n is None else f"{figure.value_text} (n = {figure.n})"


def main(programs: Sequence[Program] = PROGRAMS, arguments: Sequence[str] | None = None) -> int:
    """Entry of the process; exit code 1 if a promise is broken or a program did not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.promises", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the files of figures")
    rows = run_all(programs, parser.parse_args(arguments).out, OF_OTHER_TARGETS)
    broken = sum(not row.kept for row in rows)
    sys.stdout.write(f"\n{table(rows)}\n{len(rows) - broken} of {len(rows)} promises hold\n")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
