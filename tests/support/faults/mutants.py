"""Mutants of trust-critical lines: one text replaced in one file, and the test that must fail then.

The list is `tests/faults/mutants.yaml`: test -> file -> mutants. Each is applied alone to a copy of the tree.
"""

import ast
import importlib
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LIST = ROOT / "tests/faults/mutants.yaml"
TEST_TIMEOUT_S = 300.0
_OURS = ("messaging", "edge", "synth", "cloud", "dashboards", "tests")
_LIBRARIES = (
    *("numpy", "pydantic", "hypothesis", "sqlalchemy", "alembic.config", "fastapi", "prometheus_client"),
    *("tuf.ngclient", "nats", "cv2", "onnx", "onnxruntime"),
)
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_BROKEN = 99
_FAILED = 1  # pytest: tests were collected and run, and some failed


class MutantStale(Exception):
    """The list does not fit the tree: a text or a test is not there, or is there more than once."""


class Fate(StrEnum):
    """What became of a mutant. `BROKEN`: its test could not run, which proves nothing."""

    KILLED = "killed"
    ALIVE = "alive"
    BROKEN = "broken"


@dataclass(frozen=True)
class Mutant:
    """`without`: what the tree lacks with `new` in place of `old`; `test`: arguments of pytest."""

    test: str
    file: str
    without: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.file}, without {self.without}"


def listed(path: Path = LIST) -> list[Mutant]:
    """All mutants of the list."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Mutant(test, file, one["without"], str(one["old"]), str(one["new"] or ""))
        for test, files in tree.items()
        for file, mutants in files.items()
        for one in mutants
    ]


def mutated(mutant: Mutant, root: Path) -> str:
    """The text of the mutant's file. Raises `MutantStale`."""
    text = (root / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise MutantStale(f"{mutant.name}: {text.count(mutant.old)} times in the file: {mutant.old!r}")
    if not (root / mutant.test.split("::")[0].split()[0]).is_file():
        raise MutantStale(f"{mutant.name}: there is no {mutant.test}")
    changed = text.replace(mutant.old, mutant.new)
    if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(text)):
        raise MutantStale(f"{mutant.name}: the program is the same with it")
    return changed


def copied_tree(to: Path) -> Path:
    """A copy of the tracked files, without history, environment and outputs."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    return to


def passes(tree: Path, test: str) -> bool:
    """Whether a test passes in the tree as it is; one that does not kills nothing."""
    return _run(tree, test) == 0


def fate_of(tree: Path, mutant: Mutant) -> Fate:
    """Apply a mutant to the tree, run its test, and take the mutant back. Raises `MutantStale`."""
    path = tree / mutant.file
    original = path.read_bytes()
    try:
        _write(path, mutated(mutant, tree).encode())
        code = _run(tree, mutant.test)
    finally:
        _write(path, original)
    if code == 0:
        return Fate.ALIVE
    return Fate.KILLED if code in (_FAILED, None) else Fate.BROKEN


def _write(path: Path, data: bytes) -> None:
    """Write a source file; its compiled form may be as young and as long, so it is removed."""
    path.write_bytes(data)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _run(tree: Path, test: str) -> int | None:
    """The exit status of pytest; None when it does not end, as with a mutant that loops.

    In a fork of this process, which has the libraries in memory: importing them takes longer than the test.
    """
    for library in _LIBRARIES:
        importlib.import_module(library)
    child = multiprocessing.get_context("fork").Process(target=_tested, args=(tree, test))
    child.start()
    child.join(TEST_TIMEOUT_S)
    if child.exitcode is None:
        assert child.pid is not None
        os.killpg(child.pid, signal.SIGKILL)
        child.join()
        return None
    return child.exitcode


def _tested(tree: Path, test: str) -> NoReturn:
    """Run a test with the modules of the tree, silently, and exit with the status of pytest."""
    os.setsid()
    os.chdir(tree)
    sys.dont_write_bytecode = False  # what is compiled once serves all mutants
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    code = _BROKEN
    try:
        code = pytest.main([*_OPTIONS, f"--basetemp={tree}/.tests", *shlex.split(test)])
    finally:
        os._exit(code)
