"""Where the heavy steps run: Python modules in child processes, so that a stop is certain and memory returns.

A child has a process group of its own and dies with the cloud (kill -9 included); it is polled for its end
and for a wish to stop. Nothing here knows what it computes.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cloud.errors import StageFailed, StageInterrupted
from messaging.child_process import ChildProcess

log = logging.getLogger(__name__)

POLL_S = 0.2


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    log_path: Path,
    stopping: Callable[[], bool],
    tick: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `python -m module arguments` to its end; `tick` is called between polls.

    Raises:
        StageInterrupted: `stopping` said so; the process and its children are gone.
        StageFailed: it ended with another code than 0; the last lines of its log are quoted.
    """
    child = ChildProcess([sys.executable, "-m", module, *arguments], log=log_path, environment=environment)
    try:
        while (status := child.poll()) is None:
            if stopping():
                raise StageInterrupted(f"{module} was told to stop")
            tick()
            time.sleep(POLL_S)
    finally:
        child.stop(grace_s=5.0)
    tick()
    if status != 0:
        words = child.tail(3).replace("\n", " / ")[-600:] or "its log is empty (killed, or out of memory?)"
        raise StageFailed(f"{module} ended with code {status}: {words}")
