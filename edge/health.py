"""The state of the node: readiness, resident memory, running time; and which of its threads go first."""

import os
import sys
import threading
import time
from dataclasses import dataclass

import cv2
import psutil

_LOW_PRIORITY = 10
_INTERPRETER_S = 0.001


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


def let_no_frame_wait() -> None:
    """Settings of this process with which threads that compute beside the frames delay them less.

    A thread that waits for the interpreter gets it after a millisecond instead of five. OpenCV computes in
    the thread that calls it: cameras have threads of their own, and its workers would have the priority of
    whichever thread used them first.
    """
    sys.setswitchinterval(_INTERPRETER_S)
    cv2.setNumThreads(1)


def give_way() -> None:
    """Lower the priority of this thread, where the system has one for each (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
