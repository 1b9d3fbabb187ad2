"""Follows a live source in a thread, and records what its consumer receives."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.camera.sources import FrameSource
from edge.vision.frames import Frame
from tests.support.waiting import wait_until


class Watcher:
    """The consumer of one source; use as a context."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.frames = 0
        self.sentences: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.longest_gap_s = 0.0
        self._last_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(15)

    def _follow(self) -> None:
        for item in self.source.frames(self._stop):
            if not isinstance(item, Frame):
                self.sentences.append(str(item))
                continue
            now_s = time.monotonic()
            self.longest_gap_s = max(self.longest_gap_s, now_s - (self._last_s or now_s))
            self._last_s = now_s
            height, width = item.image.shape[:2]
            if (width, height) not in self.sizes[-1:]:
                self.sizes.append((width, height))
            self.frames += 1

    def begin_count(self) -> None:
        """Forget the gaps of the start."""
        self.longest_gap_s = 0.0

    def wait_for(self, what: Callable[[], bool], phrase: str) -> None:
        """Wait until `what` holds; the error names `phrase` and what was received."""
        try:
            wait_until(what, 30.0, phrase)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.frames} frames, {self.sentences}") from None

    def wait_for_frames(self, count: int) -> None:
        """Wait for so many further frames."""
        wanted = self.frames + count
        self.wait_for(lambda: self.frames >= wanted, f"{count} further frames")


def open_files_and_threads() -> tuple[int, int]:
    """Numbers of this process's open files and threads."""
    return len(os.listdir("/proc/self/fd")), len(list(Path("/proc/self/task").iterdir()))
