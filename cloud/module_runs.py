"""Heavy steps as Python modules in child processes, so that they can be stopped and free their memory.

A child has a process group of its own and ends with the cloud (kill -9 included). This module polls for its
end and for a request to stop; what the child computes is not known here.
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.errors import StageFailed, StageInterrupted
from messaging.runtime.child_process import ChildProcess
from messaging.runtime.program import ExitCode

POLL_S = 0.2


@dataclass(frozen=True)
class ModuleRun:
    """One call of a module: its arguments, and the file its output is appended to."""

    arguments: Sequence[str]
    log_path: Path


def run_module(
    module: str, arguments: Sequence[str], *, log_path: Path, stopping: Callable[[], bool]
) -> None:
    """Run `python -m module arguments` to its end; raises as `run_modules` does."""
    run_modules(module, [ModuleRun(arguments, log_path)], stopping=stopping)


def run_modules(
    module: str,
    runs: Sequence[ModuleRun],
    *,
    stopping: Callable[[], bool],
    side_by_side: int = 1,
    tick: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `python -m module` with each run's arguments, some `side_by_side`; `tick` is called between polls.

    Raises:
        StageInterrupted: `stopping` returned true; the processes and their children have ended.
        StageFailed: one ended with another code than 0; the message quotes the last lines of its log, and the
            others have ended. Its cause is an `OSError` if the disk was full.
    """
    waiting, under_way = list(runs), list[ChildProcess]()
    try:
        while waiting or under_way:
            if stopping():
                raise StageInterrupted(f"{module} was asked to stop")
            while waiting and len(under_way) < side_by_side:
                run = waiting.pop(0)
                command = [sys.executable, "-m", module, *run.arguments]
                under_way.append(ChildProcess(command, log=run.log_path, environment=environment))
            tick()
            time.sleep(POLL_S)
            for child in [child for child in under_way if child.poll() is not None]:
                _expect_success(module, child)
                under_way.remove(child)
    finally:
        for child in under_way:
            child.stop(grace_s=5.0)
    tick()


def _expect_success(module: str, child: ChildProcess) -> None:
    status = child.poll()
    if status != 0:
        lines = child.tail(3).replace("\n", " / ")[-600:] or "its log is empty (killed, or out of memory?)"
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if status == ExitCode.DISK_FULL else None
        raise StageFailed(f"{module} ended with code {status}: {lines}") from full
