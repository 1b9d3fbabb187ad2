"""One exclusive lock for each file, held by a process until it ends or releases it (flock).

A lock of our own, because a child process must be able to inherit its descriptor: the broker's store stays
locked for as long as its nats-server lives. The kernel releases it when the last holder ends.
"""

import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.05


class FileLock:
    """A held lock; `descriptor` may be inherited by a child, which then holds it too."""

    def __init__(self, path: Path, *, wait_s: float = 0.0) -> None:
        """Create the file if needed and lock it. Raises `BlockingIOError` if it stays locked for `wait_s`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(self.descriptor)
                    raise
                time.sleep(_POLL_S)

    def release(self) -> None:
        """Close the descriptor; the lock is free once no child holds it either. Safe to call twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
