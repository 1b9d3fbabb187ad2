"""Writes and prints the figures of a program that a make target runs."""

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from messaging.figures import Figure, write_figures


def written(out: Path, figures: Sequence[Figure], command: str = "make faults") -> int:
    """Write the figures to a file and to standard output; exit code 1 if one misses its target.

    `command` reproduces them.
    """
    write_figures(out, figures, command=command, now=datetime.datetime.now(datetime.UTC))
    for figure in figures:
        count = "" if figure.n is None else f" (n = {figure.n})"
        sys.stdout.write(f"{figure.name}: {figure.value_text}{count} {figure.holds_text}\n")
    return int(any(figure.holds is False for figure in figures))
