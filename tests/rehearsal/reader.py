"""A reader of the page, who runs its blocks in order in an empty folder, with several terminals."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from messaging.runtime.child_process import ChildProcess
from tests.rehearsal.page import Block, BlockKind

RETRY_S = 2.0
START_LIMIT_S = 600.0
STARTS_IN_BACKGROUND = " up -d"


class RehearsalFailed(Exception):
    """A command of the page failed; the sentence names its line and its output."""


@dataclass
class Command:
    """One that was run. `began`: monotonic clock, seconds. `seconds`: until it succeeded, None before."""

    text: str
    began: float
    seconds: float | None = None


@dataclass
class Reader:
    """Runs blocks in `folder`.

    Attributes:
        folder: where the commands run.
        values: what the reader sets a variable to; called when its block is reached.
        commands: those that were run, in order.
        patience_s: how long the first command after a program was started is repeated until it succeeds.
        log: receives every command before it runs.
        settings: environments that configure programs, by words of their commands.
    """

    folder: Path
    values: Mapping[str, Callable[["Reader"], str]]
    log: Callable[[str], None]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patience_s: float = START_LIMIT_S
    environment: dict[str, str] = field(default_factory=dict)
    terminals: list[ChildProcess] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    starting: bool = False

    def read(self, blocks: tuple[Block, ...]) -> None:
        """Do what the blocks say. Raises `RehearsalFailed` at the first command that does not succeed."""
        for block in blocks:
            if block.kind is BlockKind.VALUES:
                for name in block.variables:
                    self.environment[name] = self.values[name](self)
                    self.log(f"{name}={self.environment[name]}")
            elif block.kind is BlockKind.TERMINAL:
                self._start(block)
            else:
                for command in block.commands:
                    self._run(command, f"line {block.line}")

    def ask(self, command: str) -> Any:
        """The JSON that a command of the page prints with `--json`."""
        done = self._shell(f"{command} --json")
        if done.returncode != 0:
            raise RehearsalFailed(f"{command} --json: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    def check(self) -> None:
        """Raises `RehearsalFailed` when a program in a terminal has ended."""
        for terminal in self.terminals:
            if terminal.poll() is not None:
                raise RehearsalFailed(f"{terminal.log.name} ended: {terminal.tail(10)}")

    def stop(self) -> None:
        """Stop the programs, the last one first."""
        while self.terminals:
            self.terminals.pop().stop()

    def _start(self, block: Block) -> None:
        for command in block.commands:
            self.log(f"$ {command} &")
            log = self.folder.parent / f"terminal-{len(self.terminals) + 1}.log"
            shell = ["bash", "-euo", "pipefail", "-c", command]
            environment = self._environment()
            for words, added in self.settings.items():
                environment |= added if words in command else {}
            child = ChildProcess(shell, log=log, environment=environment, folder=self.folder)
            self.terminals.append(child)
            self.commands.append(Command(command, time.monotonic()))
        self.starting = True

    def _run(self, command: str, where: str) -> None:
        self.log(f"$ {command}")
        run = Command(command, time.monotonic())
        self.commands.append(run)
        deadline = run.began + (self.patience_s if self.starting else 0.0)
        while True:
            self.check()
            done = self._shell(command)
            if done.returncode == 0:
                run.seconds = time.monotonic() - run.began
                self.starting = command.endswith(STARTS_IN_BACKGROUND)
                return
            if time.monotonic() > deadline:
                said = (done.stderr or done.stdout).strip()[-1000:]
                raise RehearsalFailed(f"{where}: {command!r} ended with {done.returncode}: {said}")
            time.sleep(RETRY_S)

    def _shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        programs = str(Path(sys.executable).parent)
        return {**os.environ, **self.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
