"""What is compared with frames beside the frame loop: second views, teacher, candidate of a shadow run.

The frame loop offers frames and never waits; another thread infers. Few frames wait: a newer one replaces an
older one, which is counted. How often the teacher is given a frame follows from `teacher.cpu_share` and from
the processor time that it takes.
"""

import random
import threading
import time
from collections import deque
from dataclasses import dataclass

from edge.errors import DetectorError
from edge.evidence.collector import FrameContext
from edge.evidence.sampling import SEGMENT_FRAMES, FrameSampler, Scheme
from edge.evidence.second_views import second_views
from edge.evidence.sources import ThresholdedDetections, signs_of_uncertainty
from edge.evidence.teacher import Teacher
from edge.updates.hot_swap import SwappableDetector
from edge.updates.shadow import ShadowRun
from edge.vision.detections import Detections
from edge.vision.detector import Detector
from messaging.releases import BundleDescription

MAX_STEP_S = 60.0
DISAGREEMENT_S = 3.0
_COST_MEMORY = 0.9


@dataclass(frozen=True, eq=False)
class Job:
    """A frame to compare. `weight` is the inverse of its probability; without one only the views are due."""

    context: FrameContext
    model: Detector
    taken_s: float
    weight: float | None
    shadow: ShadowRun | None
    width_height: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Inferred:
    """The results for a job; None: not due, no such model, or inference failed (then `failed` names it)."""

    views: tuple[Detections, ...] | None = None
    teacher: tuple[BundleDescription, Detections] | None = None
    failed: str | None = None


class FrameComparisons:
    """The comparisons of one camera. `offer` is the frame loop's, `infer` the other thread's."""

    def __init__(
        self,
        teacher: SwappableDetector,
        *,
        step_factor: float,
        inline: bool,
        stills: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        """Begin with nothing to do.

        Args:
            teacher: the site's teacher, if it has a model.
            step_factor: seconds of footage per second of processor time that comparisons may take.
            inline: the frame loop compares by itself, so that nothing is dropped.
            stills: every image is compared.
            chance: draws the frames.
        """
        self._model, self.inline, self._stills = teacher, inline, stills
        self._step_factor = step_factor
        self.sampler: FrameSampler[Job] = FrameSampler(chance or random.Random())
        self._cost_s: float | None = None
        self._drawn: deque[Job] = deque()
        self._views: Job | None = None
        self._waiting = threading.Lock()
        self._disagreed_s = float("-inf")
        self._dropped = 0

    @property
    def step_s(self) -> float:
        """Seconds between the frames that the budget allows to compare; 0, all, until the cost is known."""
        if self._stills or self._cost_s is None:
            return 0.0
        return min(self._cost_s * self._step_factor, MAX_STEP_S)

    @property
    def longest_gap_s(self) -> float:
        """See `Scheme.longest_gap_s`."""
        return Scheme.of(self.step_s).longest_gap_s

    def offer(self, job: Job, *, views: bool) -> None:
        """A frame that the detector in service has processed."""
        drawn: list[Job] = []
        if self._model.ready or job.shadow is not None:
            drawn = self._sampled(job)
        with self._waiting:
            if views:
                self._dropped += self._views is not None
                self._views = job
            self._drawn.extend(drawn)
            while len(self._drawn) > (2 * SEGMENT_FRAMES if not self.inline else 10**6):
                self._drawn.popleft()
                self._dropped += 1

    def _sampled(self, job: Job) -> list[Job]:
        context = job.context
        if self._stills:
            return [_weighted(job, 1.0)]
        uncertainty = 0 if job.shadow is not None else self._uncertainty(context, job.model.description)
        sampled = self.sampler.offer(job, context.frame.time_s, uncertainty=uncertainty, step_s=self.step_s)
        return [_weighted(one.item, one.weight) for one in sampled]

    def _uncertainty(self, context: FrameContext, service: BundleDescription) -> int:
        """Signs that the detector may err: weak boxes, motion without a box, views that disagreed."""
        recently = context.frame.time_s - self._disagreed_s <= DISAGREEMENT_S
        return (
            signs_of_uncertainty(ThresholdedDetections.of(context.detections, service), context.motion)
            + recently
        )

    def end(self) -> None:
        """The footage has ended: the drawn segment of its last stratum is compared too."""
        with self._waiting:
            self._drawn.extend(_weighted(one.item, one.weight) for one in self.sampler.end())

    def take(self) -> Job | None:
        """The next frame to compare."""
        with self._waiting:
            if self._drawn:
                return self._drawn.popleft()
            job, self._views = self._views, None
            return None if job is None else _weighted(job, None)

    def discard(self) -> None:
        """Forget the frames that wait: they are of another size or model than the next one."""
        with self._waiting:
            self._dropped += len(self._drawn) + (self._views is not None)
            self._drawn.clear()
            self._views = None

    def take_dropped(self) -> int:
        """Frames dropped since the last call."""
        with self._waiting:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def infer(self, job: Job, floor: float, teacher: Teacher | None) -> Inferred:
        """Run what is due on a frame; never raises because of a model."""
        image = job.context.frame.image
        if job.weight is None:
            try:
                return Inferred(views=tuple(second_views(job.model, image, floor)))
            except DetectorError:
                return Inferred(failed="second_view_failed")
        if teacher is None:
            return Inferred()
        try:
            return Inferred(teacher=teacher.infer(image))
        except DetectorError:
            return Inferred(failed="teacher_failed")

    def note_cost(self, seconds: float) -> None:
        """Processor time that the comparisons with one drawn frame took."""
        before = seconds if self._cost_s is None else self._cost_s
        self._cost_s = _COST_MEMORY * before + (1 - _COST_MEMORY) * seconds

    def note_disagreement(self, time_s: float) -> None:
        """The views of a frame disagreed with it."""
        self._disagreed_s = max(self._disagreed_s, time_s)


def processor_time() -> float:
    """Seconds of processor time of this thread."""
    return time.thread_time()


def _weighted(job: Job, weight: float | None) -> Job:
    return Job(job.context, job.model, job.taken_s, weight, job.shadow, job.width_height)
