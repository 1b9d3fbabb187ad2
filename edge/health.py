"""The state of the node: readiness, resident memory, running time; and the priority of its threads."""

import os
import sys
import threading
import time
from dataclasses import dataclass

import psutil

_LOW_PRIORITY = 10


@dataclass(frozen=True)
class Readiness:
    """Ready, or the reasons why not, one sentence each."""

    reasons: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether there are no reasons."""
        return not self.reasons


def resident_mb() -> float:
    """Resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss) / 2**20


def running_s() -> float:
    """Seconds since this process was started, its imports included."""
    return time.time() - psutil.Process().create_time()


def give_way() -> None:
    """Lower the priority of this thread, where the system has one for each (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
