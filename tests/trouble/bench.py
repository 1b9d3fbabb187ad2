"""The place where one case is tried: an empty folder, the public commands, and everything they printed."""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.trouble.case import NotPossibleHere, Wrong

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "blindspot": "cloud.cli.main",
    "blindspot-edge": "edge.cli",
    "blindspot-page": "dashboards.app",
    "synth.run": "synth.run",
}
TRACEBACK = "Traceback (most recent call last)"
LIMIT_S = 120.0
STOP_S = 20.0
_DROPPED = ("BLINDSPOT", "HF_", "HUGGINGFACE", "COVERAGE")


def environment(folder: Path) -> dict[str, str]:
    """The environment of every command: this checkout, wide lines, no colours, no network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "400",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "HF_HOME": str(folder / "hub-cache"),
        "OMP_NUM_THREADS": "1",
        "YOLO_CONFIG_DIR": str(folder),
    }


def says(text: str, patterns: Sequence[str]) -> list[str]:
    """The patterns (regular expressions, case does not matter) that the text does not contain."""
    flat = " ".join(text.split())
    return [pattern for pattern in patterns if not re.search(pattern, flat, re.IGNORECASE)]


def last_lines(text: str) -> str:
    """The end of an output in one line; rules and borders are left out."""
    plain = re.sub(r"[─│╭╮╰╯━┃]+", " ", text)
    return " / ".join(line.strip() for line in plain.splitlines() if re.search(r"\w", line))[-700:]


@dataclass(frozen=True)
class Result:
    """What a finished command printed."""

    command: str
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def tail(self) -> str:
        return last_lines(self.text)


class Program:
    """A public command that runs until it is stopped; its output is in a file of the case's folder."""

    def __init__(self, command: list[str], log: Path, folder: Path) -> None:
        self.command, self.log = " ".join(command[2:]), log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=out, env=environment(folder), start_new_session=True
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, pattern: str, timeout_s: float = 60.0) -> None:
        """Wait until the output contains the pattern; `Wrong` when it ends or the time is over."""
        self.wait(lambda: not says(self.text, [pattern]), timeout_s, f"{pattern!r} in its output")

    def wait(self, holds: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait until it holds, while the program runs."""
        end = time.monotonic() + timeout_s
        while not holds():
            if not self.running():
                time.sleep(0.1)
                if holds():
                    return
                raise Wrong(
                    f"`{self.command}` ended with {self.process.returncode} before {what}: {self.tail()}"
                )
            if time.monotonic() > end:
                raise Wrong(f"`{self.command}`: no {what} within {timeout_s:g} s: {self.tail()}")
            time.sleep(0.1)

    def ended(self, timeout_s: float) -> int | None:
        """The exit code once it has ended by itself; None if it still runs."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def tail(self) -> str:
        return last_lines(self.text)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for it and its children; `Wrong` when it does not end by itself."""
        slow = False
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                slow = True
        self.kill()
        if slow:
            raise Wrong(f"`{self.command}` did not end within {STOP_S:g} s after SIGTERM: {self.tail()}")

    def kill(self) -> None:
        """End it and its children now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@dataclass
class Bench:
    """One case's folder, commands and findings; `shared` is a folder of parts that all cases may read."""

    folder: Path
    shared: Path
    inputs: Path | None = None
    transcript: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    cameras_dead: int = 0
    _programs: list[Program] = field(default_factory=list)
    _foreign: dict[Path, str] = field(default_factory=dict)
    _at_end: list[Callable[[], None]] = field(default_factory=list)

    def run(
        self,
        program: str,
        *arguments: object,
        code: int | None = 0,
        prints: Sequence[str] = (),
        timeout_s: float = LIMIT_S,
    ) -> Result:
        """Run a public command to its end; `Wrong` for another exit code or a sentence that is missing."""
        command = [sys.executable, "-m", COMMANDS[program], *map(str, arguments)]
        shown = " ".join([program, *map(str, arguments)])
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment(self.folder), capture_output=True, text=True,
                errors="replace", timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            output = b"".join(part for part in (error.stdout, error.stderr) if isinstance(part, bytes))
            self.note(output.decode(errors="replace"))
            raise Wrong(f"`{shown}` did not end within {timeout_s:g} s") from None
        result = Result(shown, done.returncode, done.stdout, done.stderr)
        self.note(result.text)
        if TRACEBACK in result.text:
            raise Wrong(f"`{shown}` printed a traceback: {result.tail()}")
        if code is not None and result.code != code:
            raise Wrong(f"`{shown}` exited with {result.code} instead of {code}: {result.tail()}")
        if missing := says(result.text, prints):
            raise Wrong(f"`{shown}` does not print {missing}: {result.tail()}")
        return result

    def refuses(self, program: str, *arguments: object, prints: Sequence[str], code: int = 1) -> Result:
        """The command fails with `code`, and its sentence contains all of `prints`."""
        return self.run(program, *arguments, code=code, prints=prints)

    def start(self, program: str, *arguments: object) -> Program:
        """Start a public command that runs until the case ends."""
        command = [sys.executable, "-m", COMMANDS[program], *map(str, arguments)]
        log = self.folder / f".output-{len(self._programs)}.log"
        started = Program(command, log, self.folder)
        self._programs.append(started)
        return started

    def handed(self, name: str, *arguments: object) -> None:
        """Run a handed script that only makes files, with `common.py` beside it."""
        if self.inputs is None:
            raise NotPossibleHere("the handed inputs are not there")
        path = self.inputs / name
        shell = ["bash"] if name.endswith(".sh") else [sys.executable]
        done = subprocess.run(
            [*shell, str(path), *map(str, arguments)], cwd=ROOT, env=environment(self.folder),
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name} made no input: {done.stderr[-300:]}")

    def note(self, text: str) -> None:
        """Add output (a log, metrics, an answer of an API) to what is searched for secrets and tracebacks."""
        self.transcript.append(text)

    def plant(self, folder: Path) -> Path:
        """A tree that is not the product's; none of its files may be removed or changed."""
        (folder / "thesis").mkdir(parents=True, exist_ok=True)
        (folder / "thesis" / "chapter1.txt").write_text("three years of work\n")
        (folder / "holiday.jpg").write_bytes(b"\xff\xd8 not really a image")
        self.guard(folder)
        return folder

    def guard(self, folder: Path) -> None:
        """None of the files that are there now may be removed or changed."""
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self._foreign[path] = hashlib.sha256(path.read_bytes()).hexdigest()

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do this when the case ends, whatever happened."""
        self._at_end.append(action)

    def files_lost(self) -> list[Path]:
        """Planted files that are gone or changed."""
        return [
            path
            for path, digest in self._foreign.items()
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest
        ]

    def close(self) -> None:
        """End all programs; their output belongs to the transcript."""
        for program in self._programs:
            program.kill()
            self.note(program.text)
        for action in reversed(self._at_end):
            action()
