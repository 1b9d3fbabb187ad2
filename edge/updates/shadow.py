"""A shadow run: the candidate beside the incumbent on live frames; only counts are reported.

If a teacher has processed the frame too, its tracks are the supported ones, and a model's own track that the
teacher does not confirm is unsupported. Without a teacher the tracks are those of both models' boxes
together: supported if each model detected it in at least two frames (in stills in its one image), otherwise
unsupported for the model that detected it. Counts accumulate over the run; only the last report, marked
final, is complete. The same run guards a model that was just put in service: then the candidate is the model
before (`edge.updates.service_guard`).
"""

import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from edge.errors import DetectorError
from edge.evidence.recall_counter import ClosedTrack, MatchRule, RecallCounter, above_threshold
from edge.evidence.teacher import with_teacher_thresholds
from edge.tracking.tracker import SINGLE_IMAGE, SPARSE_FRAMES, ByteTracker, TrackerSettings
from edge.vision.detections import Detections, iou_matrix, non_maximum_suppression
from edge.vision.detector import Detector, Image
from edge.vision.frames import SizeChange
from messaging.errors import ConfigurationError
from messaging.releases import BundleDescription
from messaging.reports import ShadowReport, ShadowTally
from messaging.taxonomy import Condition

CONFIRMING_FRAMES = 2
MAX_TALLIES = 32
INCUMBENT, CANDIDATE = 0, 1
LATENCIES_KEPT = 2000
Number = TypeVar("Number", int, float)


@dataclass
class _Counts:
    supported: int = 0
    alone: list[int] = field(default_factory=lambda: [0, 0])
    detected: list[int] = field(default_factory=lambda: [0, 0])
    unsupported: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def total(self) -> int:
        return self.supported + sum(self.unsupported)


@dataclass(frozen=True)
class PairedCounts:
    """What both models did on the same frames, in the classes of both; pairs are (incumbent, candidate).

    Attributes:
        frames: frames that both have processed.
        with_boxes: frames with a box of the incumbent at any confidence.
        unconfirmed: boxes that the teacher does not confirm; without one, the other model.
        supported: tracks of the teacher that have ended; without a teacher, of both models.
        detected: of those, tracks that this model detected.
        alone: of those, tracks that only this model detected.
        unsupported: the models' own tracks that nothing confirms.
        timed: frames of which both latencies are known.
        median_ms: medians of these latencies.
        taught: whether there is a teacher.
    """

    frames: int
    with_boxes: int
    unconfirmed: tuple[int, int]
    supported: int
    detected: tuple[int, int]
    alone: tuple[int, int]
    unsupported: tuple[int, int]
    timed: int
    median_ms: tuple[float, float]
    taught: bool


@dataclass(frozen=True)
class _FrameFacts:
    condition: Condition
    time_s: float
    incumbent_ms: float | None
    teacher: Detections | None
    weight: float


class ShadowRun:
    """One candidate beside the model in service, over all cameras of a site; safe from several threads."""

    def __init__(
        self,
        candidate: Detector,
        incumbent: BundleDescription,
        incumbent_digest: str,
        *,
        teacher: BundleDescription | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start with empty counts.

        Args:
            candidate: the loaded model under test; this run is its only user.
            incumbent: description of the model in service.
            incumbent_digest: its digest.
            teacher: description of the teacher, in the incumbent's classes or others; with one, only
                frames that it has processed are counted.
            clock: seconds, for latencies.

        Raises:
            ConfigurationError: neither model has the other's classes first.
        """
        longer = max(candidate.description.class_names, incumbent.class_names, key=len)
        self._shared = min(len(candidate.description.class_names), len(incumbent.class_names))
        if candidate.description.class_names[: self._shared] != incumbent.class_names[: self._shared]:
            raise ConfigurationError(
                "a shadow run needs the classes of one model in the other, first and in the same order"
            )
        self.candidate_digest = candidate.digest
        self.incumbent_digest = incumbent_digest
        self._candidate = candidate
        self._descriptions = (incumbent, candidate.description)
        self._class_names = longer
        self.teacher = teacher
        self._clock = clock
        self._lock = threading.Lock()
        self._cameras: dict[str, _WithTeacher | _TwoModels] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._counts: defaultdict[tuple[int, Condition], _Counts] = defaultdict(_Counts)
        self._frames = self._failures = self._with_boxes = 0
        self._unconfirmed = [0, 0]
        self._latencies_ms: tuple[deque[float], deque[float]] = (
            deque(maxlen=LATENCIES_KEPT),
            deque(maxlen=LATENCIES_KEPT),
        )

    def process(
        self,
        camera: str,
        image: Image,
        incumbent: Detections,
        *,
        condition: Condition,
        time_s: float,
        incumbent_ms: float | None,
        teacher: Detections | None = None,
        tracking: TrackerSettings = SPARSE_FRAMES,
        weight: float = 1.0,
    ) -> None:
        """Run the candidate on a frame that the incumbent has processed.

        Args:
            camera: the camera's name; each has trackers of its own, so its frames come in order of time.
            image: (h, w, 3) uint8 BGR; tracks are carried over when its size changes.
            incumbent: detections of the model in service, boxes below its thresholds allowed.
            condition: the frame's condition.
            time_s: the frame's time in seconds.
            incumbent_ms: inference time of the model in service; without it none is counted of the candidate.
            teacher: detections of the teacher, boxes below its thresholds allowed; a run with a teacher skips
                frames without.
            tracking: how this camera's boxes become tracks; set by its first frame.
            weight: the inverse of the probability with which the frame was drawn.
        """
        if self.teacher is not None and teacher is None:
            return
        with self._lock:
            facts = _FrameFacts(condition, time_s, incumbent_ms, teacher, weight)
            side, size = self._camera(camera, tracking), (image.shape[1], image.shape[0])
            before = self._sizes.setdefault(camera, size)
            if before != size:
                side.resize(SizeChange.between(before, size))
                self._sizes[camera] = size
            self._infer(side, image, incumbent, facts)

    def _infer(
        self, side: "_WithTeacher | _TwoModels", image: Image, incumbent: Detections, facts: _FrameFacts
    ) -> None:
        started = self._clock()
        try:
            candidate = self._candidate.detect([image])[0]
        except DetectorError:
            self._failures += 1
            return
        if facts.incumbent_ms is not None:
            self._latencies_ms[CANDIDATE].append(1000 * (self._clock() - started))
            self._latencies_ms[INCUMBENT].append(facts.incumbent_ms)
        self._frames += 1
        self._with_boxes += len(incumbent) > 0
        pair = (above_threshold(incumbent, self._descriptions[INCUMBENT]), candidate)
        for model, other in enumerate(reversed(pair)):
            shared = pair[model][pair[model].class_id < self._shared]
            self._unconfirmed[model] += _unmatched(shared, other if facts.teacher is None else facts.teacher)
        side.update(pair, facts)
        side.count(self._counts)

    def paired(self) -> PairedCounts:
        """Counts since the run began."""
        with self._lock:
            counts = [row for (class_id, _), row in self._counts.items() if class_id < self._shared]
            return PairedCounts(
                self._frames,
                self._with_boxes,
                _pair(self._unconfirmed),
                sum(row.supported for row in counts),
                _pair(sum(row.detected[model] for row in counts) for model in (INCUMBENT, CANDIDATE)),
                _pair(sum(row.alone[model] for row in counts) for model in (INCUMBENT, CANDIDATE)),
                _pair(sum(row.unsupported[model] for row in counts) for model in (INCUMBENT, CANDIDATE)),
                len(self._latencies_ms[INCUMBENT]),
                _pair(statistics.median(times or (0.0,)) for times in self._latencies_ms),
                self.teacher is not None,
            )

    def report(self, minute_utc: int, *, final: bool = False) -> ShadowReport:
        """Counts since the run began; `final` closes the tracks still open. `minute_utc`: whole minutes."""
        with self._lock:
            return self._report(minute_utc, final)

    def _report(self, minute_utc: int, final: bool) -> ShadowReport:
        if final:
            for side in self._cameras.values():
                side.end()
                side.count(self._counts)
        rows = sorted(self._counts.items(), key=lambda row: -row[1].total)[:MAX_TALLIES]
        return ShadowReport(
            incumbent_digest=self.incumbent_digest,
            candidate_digest=self.candidate_digest,
            frames=self._frames,
            candidate_p95_ms=_p95(self._latencies_ms[CANDIDATE]),
            incumbent_p95_ms=_p95(self._latencies_ms[INCUMBENT]),
            candidate_failures=self._failures,
            tallies=tuple(self._tally(*key, counts) for key, counts in rows),
            final=final,
            minute_utc=minute_utc,
        )

    def _camera(self, camera: str, tracking: TrackerSettings) -> "_WithTeacher | _TwoModels":
        if camera not in self._cameras:
            self._cameras[camera] = (
                _TwoModels(self._descriptions, tracking)
                if self.teacher is None
                else _WithTeacher(self._descriptions, self.teacher, tracking)
            )
        return self._cameras[camera]

    def _tally(self, class_id: int, condition: Condition, counts: _Counts) -> ShadowTally:
        return ShadowTally(
            class_name=self._class_names[class_id],
            light=condition.light,
            weather=condition.weather,
            supported=counts.supported,
            incumbent_detected=counts.detected[INCUMBENT],
            candidate_detected=counts.detected[CANDIDATE],
            incumbent_unsupported=counts.unsupported[INCUMBENT],
            candidate_unsupported=counts.unsupported[CANDIDATE],
        )


Pair = tuple[Detections, Detections]
Sums = defaultdict[tuple[int, Condition], _Counts]


class _WithTeacher:
    """One camera: the teacher's tracks against both models, and each model's own tracks against it."""

    def __init__(
        self,
        models: tuple[BundleDescription, BundleDescription],
        teacher: BundleDescription,
        tracking: TrackerSettings,
    ) -> None:
        self._description = with_teacher_thresholds(teacher, models[INCUMBENT])
        self._teacher = ByteTracker(self._description, tracking)
        self._models = tuple(ByteTracker(model, tracking) for model in models)
        self._support = RecallCounter(models=2)
        self._own = (RecallCounter(), RecallCounter())

    def update(self, pair: Pair, facts: _FrameFacts) -> None:
        teacher = facts.teacher
        if teacher is None:
            return
        self._support.update(self._teacher.update(teacher, facts.time_s), pair, facts.condition, facts.weight)
        confident = [above_threshold(teacher, self._description)]
        for tracker, counter, boxes in zip(self._models, self._own, pair, strict=True):
            counter.update(tracker.update(boxes, facts.time_s), confident, facts.condition, facts.weight)

    def resize(self, change: SizeChange) -> None:
        for tracker in (self._teacher, *self._models):
            tracker.resize(change)

    def end(self) -> None:
        self._support.close(self._teacher.end())
        for tracker, counter in zip(self._models, self._own, strict=True):
            counter.close(tracker.end())

    def count(self, sums: Sums) -> None:
        _add_supported(self._support.take(), sums)
        for model, counter in enumerate(self._own):
            for track in counter.take():
                sums[track.class_id, track.condition].unsupported[model] += not track.detected()


class _TwoModels:
    """One camera without a teacher: the tracks of both models' boxes together, against each."""

    def __init__(
        self, models: tuple[BundleDescription, BundleDescription], tracking: TrackerSettings
    ) -> None:
        first, second = models
        longer = max(models, key=lambda model: len(model.class_names))
        lower = {
            name: min(first.thresholds.get(name, 1.0), second.thresholds.get(name, 1.0))
            for name in longer.class_names
        }
        self._nms_iou = first.nms_iou
        self._tracker = ByteTracker(longer.model_copy(update={"thresholds": lower}), tracking)
        self._support = RecallCounter(models=2)
        self._confirming_frames = 1 if tracking is SINGLE_IMAGE else CONFIRMING_FRAMES

    def update(self, pair: Pair, facts: _FrameFacts) -> None:
        update = self._tracker.update(_union(pair, self._nms_iou), facts.time_s)
        self._support.update(update, pair, facts.condition, facts.weight)

    def resize(self, change: SizeChange) -> None:
        self._tracker.resize(change)

    def end(self) -> None:
        self._support.close(self._tracker.end())

    def count(self, sums: Sums) -> None:
        closed = self._support.take()
        _add_supported((track for track in closed if self._confirmed(track)), sums)
        for track in closed:
            if not self._confirmed(track):
                counts = sums[track.class_id, track.condition]
                for model in (INCUMBENT, CANDIDATE):
                    counts.unsupported[model] += track.detected(model)

    def _confirmed(self, track: ClosedTrack) -> bool:
        return min(track.hits) >= self._confirming_frames


def _add_supported(closed: Iterable[ClosedTrack], sums: Sums) -> None:
    for track in closed:
        counts = sums[track.class_id, track.condition]
        counts.supported += 1
        for model in (INCUMBENT, CANDIDATE):
            counts.detected[model] += track.detected(model)
            counts.alone[model] += track.detected(model) and not track.detected(1 - model)


def _unmatched(boxes: Detections, others: Detections) -> int:
    """How many boxes match none of the others of their class."""
    if not len(boxes) or not len(others):
        return len(boxes)
    same = boxes.class_id[:, None] == others.class_id[None]
    matched = (iou_matrix(boxes.xyxy, others.xyxy) >= MatchRule().iou) & same
    return int((~matched.any(axis=1)).sum())


def _pair(values: Iterable[Number]) -> tuple[Number, Number]:
    first, second = values
    return first, second


def _union(pair: Pair, nms_iou: float) -> Detections:
    """Both models' boxes without duplicates, without embeddings."""
    xyxy = np.concatenate([boxes.xyxy for boxes in pair])
    confidence = np.concatenate([boxes.confidence for boxes in pair])
    class_id = np.concatenate([boxes.class_id for boxes in pair])
    return Detections.of(xyxy, confidence, class_id)[
        non_maximum_suppression(xyxy, confidence, class_id, nms_iou)
    ]


def _p95(values_ms: Iterable[float]) -> float:
    values = list(values_ms)
    return float(np.percentile(values, 95)) if values else 0.0
