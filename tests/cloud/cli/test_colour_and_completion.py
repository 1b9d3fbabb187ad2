"""Both programs on a terminal: no escape code with NO_COLOR, and completion in the usual shells."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.cli.local.experiments import figures_path
from messaging.figures import Figure
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.figures.writing import written
from tests.support.trouble.data_folders import data_folder

ROOT = Path(__file__).parents[3]
MODULES = {"blindspot": "cloud.cli.main", "blindspot-edge": "edge.cli"}
ESCAPE = b"\x1b"


def on_terminal(program: str, *arguments: object, **environment: str) -> bytes:
    """Run a program with a terminal of its own for stdout and stderr; what the terminal received."""
    script = f"import sys; sys.argv[0] = {program!r}; from {MODULES[program]} import main; main()"
    ours, its = pty.openpty()
    outside = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env={**outside, "TERM": "xterm-256color", **environment},
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    received = bytearray()
    try:
        while part := os.read(ours, 65536):
            received += part
    except OSError:  # the terminal's other end is closed: the program has ended
        pass
    os.close(ours)
    process.wait(60)
    return bytes(received)


def commands(folder: Path) -> dict[str, tuple[object, ...]]:
    """Help, wrong usage, an error, a table, faults in colour, and a progress bar."""
    written(figures_path("teacher-bias", folder), [Figure("bias", 2.0, "points", "<= 1", n=3)])
    faulty = data_folder(folder / "images", {"x_1.jpg": "0 2 2 1 1\n"})
    bundle = folder / "model.onnx"
    bundle.write_bytes(tiny_bundle())
    bench = ("bench", "--bundle", bundle, "--seconds", "0.5", "--out", folder / "bench.json")
    return {
        "help": ("blindspot", "sites", "--help"),
        "usage": ("blindspot", "sites", "nothing"),
        "error": ("blindspot", "sites", "list", "--data", folder / "absent"),
        "table": ("blindspot", "experiment", "report", "teacher-bias", "--out", folder),
        "faults": ("blindspot", "data", "check", faulty, "--data", folder / "store"),
        "help of the edge": ("blindspot-edge", "--help"),
        "doctor of the edge": ("blindspot-edge", "doctor", "--no-speed"),
        "progress": ("blindspot-edge", *bench),
    }


@pytest.mark.parametrize(
    "name",
    [*("help", "usage", "error", "table", "faults", "help of the edge", "doctor of the edge", "progress")],
)
def test_with_no_color_no_escape_code_reaches_the_terminal(tmp_path: Path, name: str) -> None:
    program, *arguments = commands(tmp_path)[name]
    shown = on_terminal(str(program), *arguments, NO_COLOR="1")
    assert shown
    assert ESCAPE not in shown


@pytest.mark.parametrize("name", ["help", "table", "progress"])
def test_without_it_a_terminal_gets_styles(tmp_path: Path, name: str) -> None:
    program, *arguments = commands(tmp_path)[name]
    assert ESCAPE in on_terminal(str(program), *arguments)


def complete(program: str, **environment: str) -> list[str]:
    """The lines of a program that a shell asks for completions."""
    script = f"import sys; sys.argv = [{program!r}]; from {MODULES[program]} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines()


ASKED = {
    "bash": {"COMP_WORDS": "{program} {words}", "COMP_CWORD": "{count}"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "{program} {words}"},
    "fish": {"_TYPER_COMPLETE_ARGS": "{program} {words}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}


@pytest.mark.parametrize("shell", list(ASKED))
@pytest.mark.parametrize(
    ("program", "words", "expected"),
    [("blindspot", "sites rev", "revoke"), ("blindspot-edge", "ledger ver", "verify")],
)
def test_a_shell_completes_a_subcommand(shell: str, program: str, words: str, expected: str) -> None:
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    values = {"program": program, "words": words, "count": len(words.split())}
    asked = {name: text.format(**values) for name, text in ASKED[shell].items()}
    (line,) = complete(program, **{variable: f"complete_{shell}"}, **asked)
    assert expected in line


@pytest.mark.parametrize("shell", list(ASKED))
@pytest.mark.parametrize("program", list(MODULES))
def test_the_script_for_a_shell_is_shown(shell: str, program: str) -> None:
    script = (
        f"import sys; sys.argv = [{program!r}, '--show-completion', {shell!r}]; "
        f"from {MODULES[program]} import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert f"complete_{shell}" in done.stdout
    assert program in done.stdout
