"""What a reader thread hands to its consumer: the newest frame wins, dropped ones are counted."""

import queue
import threading

from edge.errors import SourceError
from edge.vision.frames import Frame

Item = Frame | SourceError | None


class NewestFrames:
    """A queue of one or two items that never makes the reader wait; None is the end mark."""

    def __init__(self, size: int) -> None:
        self.dropped = 0
        self._queue: queue.Queue[Item] = queue.Queue(size)

    def offer(self, item: Item) -> None:
        """Put without waiting: a full queue drops and counts its oldest frame."""
        while True:
            try:
                self._queue.put_nowait(item)
                return
            except queue.Full:
                try:
                    dropped = self._queue.get_nowait()
                except queue.Empty:
                    continue
                self.dropped += isinstance(dropped, Frame)

    def end(self, stop: threading.Event) -> None:
        """Put the end mark: it waits for the last frame to be taken, as long as there is a consumer."""
        while not stop.is_set():
            try:
                self._queue.put(None, timeout=0.1)
                return
            except queue.Full:
                continue
        self.offer(None)

    def take(self, timeout_s: float) -> Item:
        """The oldest item. Raises `queue.Empty` when there is none for so many seconds."""
        return self._queue.get(timeout=timeout_s)
