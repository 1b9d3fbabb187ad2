"""`blindspot` as a user runs it, but in this process: one of its own costs seconds of imports each time."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest.mock import patch

from cloud.cli.main import main


@dataclass(frozen=True)
class Completed:
    """A command that has ended, with what it printed."""

    returncode: int
    stdout: str
    stderr: str


def blindspot(*arguments: object) -> Completed:
    """Run a command to its end, without input; an error that would print a traceback is raised."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["blindspot", *map(str, arguments)]),
        patch.object(sys, "stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Completed(code, out.getvalue(), err.getvalue())
