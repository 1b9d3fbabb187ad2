"""Figures: what a command measured, in one format that the tables of `docs/` are made from.

A figure states its target as a comparison and a number; whether it holds is computed from the value and
never passed in. A figure that was not measured has value None and does not hold. Every
package writes figures; this module is independent of what is measured.
"""

import datetime
import json
import operator
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from messaging.errors import FileFault
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_json

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "=": operator.eq, "<": operator.lt, ">": operator.gt}


@dataclass(frozen=True)
class Figure:
    """One measured number. `target` is like `"<= 12"`, or None where no target is set.

    `not_expected`: the reason why this run, as it said before it began, is not expected to meet the target.
    """

    name: str
    value: float | None
    unit: str
    target: str | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None
    not_expected: str | None = None

    @property
    def value_text(self) -> str:
        """The value with its unit, or `not measured`."""
        return "not measured" if self.value is None else f"{self.value:.4g} {self.unit}".rstrip()

    @property
    def holds_text(self) -> str:
        """Whether the target holds, as text; empty where there is none."""
        if self.holds is None:
            return "" if self.not_expected is None else f"not expected: {self.not_expected}"
        return "holds" if self.holds else "does not hold"

    @property
    def holds(self) -> bool | None:
        """Whether the value meets the target; None where there is no target or it is not expected to."""
        if self.target is None or self.not_expected is not None:
            return None
        comparison, _, number = self.target.partition(" ")
        return self.value is not None and bool(_COMPARISONS[comparison](self.value, float(number)))


def machine() -> str:
    """The machine as text: processor, cores, memory, operating system."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, {pages:.0f} GiB, {platform.system()} {platform.machine()}"


def write_figures(path: Path, figures: Sequence[Figure], *, command: str, now: datetime.datetime) -> None:
    """Write `path` (conventionally `out/figures/NAME.json`)."""
    document = {
        "machine": machine(),
        "date": now.strftime("%Y-%m-%d"),
        "command": command,
        "commit": _commit(),
        "figures": [{**asdict(figure), "holds": figure.holds} for figure in figures],
    }
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())


@dataclass(frozen=True)
class FigureFile:
    """The figures of one run: where, when, by which command and at which commit they were measured."""

    machine: str
    date: str
    command: str
    commit: str | None
    figures: tuple[Figure, ...]


def read_figures(path: Path) -> FigureFile:
    """A file that `write_figures` wrote; whether targets hold is computed again. Raises `FileFault`."""
    document = read_json(path)
    try:
        figures = tuple(
            Figure(**{name: value for name, value in one.items() if name != "holds"})
            for one in document["figures"]
        )
        where = {name: document[name] for name in ("machine", "date", "command", "commit")}
        return FigureFile(**where, figures=figures)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFault(f"{path} has other content than figures ({error}); measure again") from None


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _commit() -> str | None:
    """The commit of the checkout that contains this file; None for an installed wheel."""
    try:
        run = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except OSError:
        return None
    return run.stdout.strip() or None
