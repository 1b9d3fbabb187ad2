"""The idle-time teacher of one camera: a larger detector, its own tracks, and which of them are detected.

It is the strongest evidence of what the detector in service misses. A single frame in which the two disagree
is no blind spot, so misses are reported for tracks: those that the detector has failed to report in most of
their frames so far, by the same rule by which recall is counted when they have ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.evidence.recall_counter import ClosedTrack, Inclusion, RecallCounter, above_threshold
from edge.tracking.tracker import SINGLE_IMAGE, ByteTracker, Track, TrackerSettings
from edge.vision.detections import Detections
from edge.vision.detector import Detector, Image
from edge.vision.frames import Frame, SizeChange
from messaging.releases import BundleDescription
from messaging.taxonomy import Condition


@dataclass(frozen=True, eq=False)
class TeacherResult:
    """The teacher's result on one frame, in its pixels and in the class indices of the bundle in service.

    Attributes:
        boxes: its boxes, including weak ones, which a tracker needs.
        confident_boxes: those above its own thresholds.
        missed: its current tracks that the detector has missed so far; None for stills.
    """

    boxes: Detections
    confident_boxes: Detections
    missed: tuple[Track, ...] | None


class TeacherModel(Protocol):
    """The model of role teacher at this site, which may be swapped between two frames."""

    @property
    def description(self) -> BundleDescription:
        """The description of the present model. Raises `DetectorError` without one."""

    def detect_frame(self, image: Image, *, floor: float | None = None) -> tuple[Detector, Detections]:
        """The model that processed the frame, and its detections. Raises `DetectorError`."""


class Teacher:
    """The teacher of one camera. Not thread-safe; frames in order of time."""

    def __init__(
        self,
        model: TeacherModel,
        service: BundleDescription,
        tracking: TrackerSettings,
        inclusion: Callable[[float, float, int], float] = lambda first_s, last_s, hits: 1.0,
    ) -> None:
        """Begin without tracks.

        Args:
            model: the teacher.
            service: the bundle in service.
            tracking: how boxes become tracks (`SINGLE_IMAGE`: stills).
            inclusion: see `FrameSampler.inclusion`.
        """
        self._model, self._service = model, service
        hits = tracking.confirm_hits
        self._inclusion: Inclusion = lambda first_s, last_s: inclusion(first_s, last_s, hits)
        self._description = model.description
        self._limits = with_teacher_thresholds(self._description, service)
        self._tracker = ByteTracker(self._limits, tracking)
        self._recall = RecallCounter(inclusion=self._inclusion)
        self._stills = tracking is SINGLE_IMAGE

    def follow(self, service: BundleDescription) -> None:
        """Compare with another bundle from now on: new tracks and counts, track numbers continue."""
        self._service = service
        self._begin_again()

    def infer(self, image: Image) -> tuple[BundleDescription, Detections]:
        """The teacher's own result on an image; changes nothing here. Raises `DetectorError`."""
        model, seen = self._model.detect_frame(image, floor=self._tracker.floor)
        return model.description, seen

    def observe(
        self,
        frame: Frame,
        found: Detections,
        condition: Condition,
        result: tuple[BundleDescription, Detections],
        weight: float = 1.0,
    ) -> TeacherResult:
        """Compare a result of `infer` with the boxes `found` in service on the same frame.

        `weight` is the inverse of the probability with which the frame was drawn.
        """
        description, seen = result
        if description != self._description:
            self._description = description
            self._begin_again()
        boxes = translated(seen, self._description, self._service)
        update = self._tracker.update(boxes, frame.time_s)
        self._recall.update(update, [above_threshold(found, self._service)], condition, weight)
        missed = None if self._stills else tuple(self._recall.missed(update))
        return TeacherResult(boxes, above_threshold(boxes, self._limits), missed)

    def keep_lost(self, seconds: float) -> None:
        """How long a track that is not detected is kept: longer than the gaps between drawn frames."""
        self._tracker.keep_lost(seconds)

    def resize(self, change: SizeChange) -> None:
        """The next frame has another size."""
        self._tracker.resize(change)

    def end(self) -> None:
        """The footage has ended, and with it every track."""
        self._recall.close(self._tracker.end())

    def take(self, least: int) -> Sequence[ClosedTrack]:
        """See `RecallCounter.take`: its tracks, with whether the detector detected them."""
        return self._recall.take(least)

    def _begin_again(self) -> None:
        self._limits = with_teacher_thresholds(self._description, self._service)
        self._tracker.end()
        self._tracker.describe(self._limits)
        self._recall = RecallCounter(inclusion=self._inclusion)


def translated(seen: Detections, source: BundleDescription, target: BundleDescription) -> Detections:
    """Boxes with the class indices of `target` instead of `source`, without classes that it lacks."""
    if source.class_names == target.class_names:
        return seen
    index = np.asarray(
        [target.class_names.index(n) if n in target.class_names else -1 for n in source.class_names]
    )
    known = seen[index[seen.class_id] >= 0]
    return Detections(known.xyxy, known.confidence, index[known.class_id], known.runner_up, known.embedding)


def with_teacher_thresholds(source: BundleDescription, target: BundleDescription) -> BundleDescription:
    """`target` with the thresholds of `source`, whose boxes were translated; 1 for classes it lacks."""
    thresholds = {name: source.thresholds.get(name, 1.0) for name in target.class_names}
    return target.model_copy(update={"thresholds": thresholds})
