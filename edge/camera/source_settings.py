"""How a source is read, and the clocks that its frames are stamped with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read.

    Attributes:
        speed: pace of files as a multiple of real time; None yields every frame as fast as it is consumed.
        fps: frames per second of files; None takes a video's own times, and for images those of their names
            or five per second.
        loop: whether a file or folder starts again at its end.
        segments: a folder holds video segments that a recorder adds to, not images; it never ends.
        journal: file that records which segments were played, over restarts.
        timeout_s: a live camera without a frame for this long is reported as lost and opened again.
        backoff_first_s, backoff_max_s: wait before the first and the later attempts to open a camera.
        frozen_after_s: a live camera that sends the same image for this long is frozen; None for
            a camera that sends a still on purpose.
        queue_size: frames kept for a slow consumer, 1 or 2.
    """

    speed: float | None
    fps: float | None = None
    loop: bool = False
    segments: bool = False
    journal: Path | None = None
    timeout_s: float = 5.0
    backoff_first_s: float = 0.5
    backoff_max_s: float = 30.0
    frozen_after_s: float | None = 60.0
    queue_size: int = 1

    def __post_init__(self) -> None:
        if self.queue_size not in (1, 2):
            raise ValueError(f"queue_size must be 1 or 2; got {self.queue_size}")
        seconds = (self.timeout_s, self.backoff_first_s, self.backoff_max_s, self.frozen_after_s or 1)
        if min(*seconds, self.speed or 1, self.fps or 1) <= 0:
            raise ValueError(f"seconds, speed and fps of a source must be positive; got {self}")


@dataclass(frozen=True)
class Clock:
    """The two clocks of a source, in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
