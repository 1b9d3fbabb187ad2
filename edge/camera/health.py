"""Metrics of one camera: counters since the start and the latest rates. Written by its own thread."""

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from messaging.reports import CameraHealth, PrivacyBudget
from messaging.taxonomy import Condition

_RECENT = 200


class CameraMetrics:
    """Counters of one camera; one thread writes each, any may read a snapshot.

    `taught`: frames that the teacher has processed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.connected = False
        self.problem: str | None = None
        self.frames = self.skipped = self.failures = self.detections = self.misdetections = 0
        self.taught = 0
        self.condition = Condition()
        self._inference_s: deque[float] = deque(maxlen=_RECENT)
        self._received_s: deque[float] = deque(maxlen=_RECENT)

    def received(self) -> None:
        """A frame was received."""
        self.connected, self.problem = True, None
        self.frames += 1
        self._received_s.append(self._clock())

    def lost(self, problem: str | None) -> None:
        """The camera gives no frames; `problem` is the reason in one sentence, if there is one."""
        self.connected, self.problem = False, problem

    def processed(self, seconds: float) -> None:
        """Inference on a frame took this long."""
        self._inference_s.append(seconds)

    @property
    def frame_age_s(self) -> float:
        """Seconds since the last frame; 0 before the first."""
        return self._clock() - self._received_s[-1] if self._received_s else 0.0

    @property
    def fps(self) -> float:
        """Frames per second over the recent frames, from the gaps between frames."""
        if len(self._received_s) < 2:
            return 0.0
        span = self._received_s[-1] - self._received_s[0]
        return (len(self._received_s) - 1) / span if span > 0 else 0.0

    def snapshot(self, camera: str, *, dropped: int, budget: PrivacyBudget | None = None) -> CameraHealth:
        """The metrics as they are sent in a heartbeat."""
        inference_ms = 1000 * np.asarray(self._inference_s or [0.0])
        return CameraHealth(
            camera=camera,
            frames=self.frames,
            skipped=self.skipped,
            dropped=dropped,
            failures=self.failures,
            detections=self.detections,
            misdetections=self.misdetections,
            fps=round(min(self.fps, 1000.0), 2),
            inference_p50_ms=float(np.percentile(inference_ms, 50)),
            inference_p95_ms=float(np.percentile(inference_ms, 95)),
            frame_age_s=round(self.frame_age_s, 1),
            connected=self.connected,
            light=self.condition.light,
            weather=self.condition.weather,
            budget=budget,
        )
