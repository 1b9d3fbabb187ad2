"""Metrics of one camera: counters since the start and the latest rates. Written by its own thread.

Rates are counted between two heartbeats: the frames of that time, divided by its seconds, so that they fall
to zero with the first heartbeat without frames. A heartbeat that comes n seconds after the one before states
them to within one frame in n seconds.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from messaging.reports import CameraHealth, FrameFlow, PrivacyBudget
from messaging.taxonomy import Condition, Light

_RECENT = 200
_MOST_FPS = 1000.0


@dataclass(frozen=True)
class SourceTotals:
    """What a source has counted: frames that it dropped, and images that it could not decode."""

    dropped: int = 0
    decode_errors: int = 0


@dataclass(frozen=True)
class _Counted:
    """The counters from which rates are computed, at one moment in seconds."""

    at_s: float
    given: int = 0
    processed: int = 0
    skipped: int = 0

    def per_second(self, name: str, before: "_Counted") -> float:
        """The rate of a counter since then; 0 if no time has passed or the counter began again."""
        seconds = self.at_s - before.at_s
        added: int = getattr(self, name) - getattr(before, name)
        return round(min(max(0, added) / seconds, _MOST_FPS), 1) if seconds > 0 else 0.0


class CameraMetrics:
    """Counters of one camera; one thread writes each, any may read them.

    `taught`: frames that the teacher has processed. `by_light`: frames by the light they were tagged with.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.connected = False
        self.problem: str | None = None
        self.frames = self.skipped = self.failures = self.detections = self.misdetections = 0
        self.taught = self.inferred = 0
        self.condition = Condition()
        self.by_light = Counter(dict.fromkeys(Light, 0))
        self._inference_s: deque[float] = deque(maxlen=_RECENT)
        self._received_s: float | None = None
        self._before = _Counted(clock())

    def received(self) -> None:
        """A frame was received."""
        self.connected, self.problem = True, None
        self.frames += 1
        self._received_s = self._clock()

    def tagged(self, condition: Condition) -> None:
        """A frame has this condition."""
        self.condition = condition
        self.by_light[condition.light] += 1

    def lost(self, problem: str | None) -> None:
        """The camera gives no frames; `problem` is the reason in one sentence, if there is one."""
        self.connected, self.problem = False, problem

    def processed(self, seconds: float) -> None:
        """Inference on a frame took this long."""
        self.inferred += 1
        self._inference_s.append(seconds)

    @property
    def frame_age_s(self) -> float:
        """Seconds since the last frame; 0 before the first."""
        return 0.0 if self._received_s is None else self._clock() - self._received_s

    def heartbeat(
        self, camera: str, source: SourceTotals, *, budget: PrivacyBudget | None = None
    ) -> CameraHealth:
        """The metrics of a heartbeat; its rates are those since the call before. For one thread."""
        inference_ms = 1000 * np.asarray(self._inference_s or [0.0])
        given = self.frames + source.dropped
        now, before = _Counted(self._clock(), given, self.inferred, self.skipped), self._before
        self._before = now
        return CameraHealth(
            camera=camera,
            frames=self.frames,
            skipped=self.skipped,
            dropped=source.dropped,
            failures=self.failures,
            detections=self.detections,
            misdetections=self.misdetections,
            fps=now.per_second("given", before),
            inference_p50_ms=float(np.percentile(inference_ms, 50)),
            inference_p95_ms=float(np.percentile(inference_ms, 95)),
            frame_age_s=round(self.frame_age_s, 1),
            connected=self.connected,
            light=self.condition.light,
            weather=self.condition.weather,
            budget=budget,
            flow=FrameFlow(
                processed_fps=now.per_second("processed", before),
                skipped_fps=now.per_second("skipped", before),
                decode_errors=source.decode_errors,
                day_fraction=self._fraction(Light.DAY),
                night_fraction=self._fraction(Light.NIGHT),
            ),
        )

    def _fraction(self, light: Light) -> float:
        tagged = sum(self.by_light.values())
        return self.by_light[light] / tagged if tagged else 0.0
