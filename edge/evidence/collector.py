"""Evidence that the detector erred: from the sources' candidates to one `Misdetection` per place and kind.

`EvidenceCollector` runs every source that applies to a frame, drops repetitions in time and place, and states
in each report the measured precision of its source. A comparison that is not available (`DetectorError`, not
due) is None and counts neither way. It keeps the frame before, because a gap in a track is visible only when
it has ended; no image leaves this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.evidence.recent_boxes import RecentBoxes
from edge.evidence.sources import (
    EvidenceCandidate,
    EvidenceRules,
    ThresholdedDetections,
    is_still,
    low_margins,
    low_margins_of_still,
    teacher_disagreements,
    track_gaps,
    unexplained_motion,
    view_disagreements,
    weakened,
)
from edge.evidence.teacher import TeacherResult
from edge.privacy.appearances import Appearances
from edge.rounding import geometry_of, minute_of
from edge.tracking.tracker import ByteTracker, TrackerSettings, TrackUpdate, begins_tracks_again
from edge.vision.conditions import FrameConditions, box_tags
from edge.vision.detections import Detections, Floats, iou
from edge.vision.detector import thresholds_of
from edge.vision.frames import Frame, MotionReading, SizeChange
from messaging.fields import Digest
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.releases import BundleDescription
from messaging.reports import ErrorKind, EvidenceSource, Misdetection

EDGE_SOURCES = frozenset(
    {
        EvidenceSource.TRACK_GAP,
        EvidenceSource.VIEW_DISAGREEMENT,
        EvidenceSource.TEACHER,
        EvidenceSource.MOTION,
        EvidenceSource.LOW_MARGIN,
    }
)
WEAK_TRACKS = TrackerSettings(lost_s=1.0, confirm_hits=3, low_ratio=0.8)

# Precision on drawn footage of world REFERENCE under the shipped starting detector, measured by
# `python -m synth.experiments.evidence_precision` (10 cameras, 5 conditions, 1,000 frames, 91 hazards
# of which 28 were missed): track gap 18 of 40, views 47 of 91 and 15 of 18, motion 13 of 43, low margin
# 14 of 46. The teacher's are not measured as evidence yet: missed and wrong class by its own precision, the
# others are cautious guesses.
PROBABILITY: Mapping[tuple[EvidenceSource, ErrorKind], float] = {
    (EvidenceSource.TRACK_GAP, ErrorKind.MISSED): 0.45,
    (EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.MISSED): 0.52,
    (EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.FALSE_ALARM): 0.83,
    (EvidenceSource.TEACHER, ErrorKind.MISSED): 0.8,
    (EvidenceSource.TEACHER, ErrorKind.FALSE_ALARM): 0.5,
    (EvidenceSource.TEACHER, ErrorKind.WRONG_CLASS): 0.6,
    (EvidenceSource.TEACHER, ErrorKind.POOR_BOX): 0.5,
    (EvidenceSource.MOTION, ErrorKind.MISSED): 0.3,
    (EvidenceSource.LOW_MARGIN, ErrorKind.MISSED): 0.3,
    (EvidenceSource.LOW_MARGIN, ErrorKind.WRONG_CLASS): 0.2,
}
# Where nothing changed recently, a candidate of a miss was right less than half as often (0.2 against 0.5).
STILL_PLACE_FACTOR = 0.4
# Which tracker numbers the tracks of a source's evidence; by default the one of the detector in service.
_TRACKERS = {EvidenceSource.LOW_MARGIN: "weak", EvidenceSource.TEACHER: "taught"}


class Embed(Protocol):
    """`Detector.embed`: the embedding of a missed object."""

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """Embeddings (n, d) at boxes (n, 4) in pixels of an image."""


@dataclass(frozen=True, eq=False)
class FrameContext:
    """One frame with the results of the detector in service and its tracker.

    Attributes:
        frame: the image and its times.
        tags: condition of the frame.
        detections: its boxes above `EvidenceCollector.floor`.
        model_digest: of the detector in service.
        update: the tracker's result; None for a still, whose neighbours in time are unrelated.
        motion: None for a still, or if motion is not an evidence source.
    """

    frame: Frame
    tags: FrameConditions
    detections: Detections
    model_digest: Digest
    update: TrackUpdate | None = None
    motion: MotionReading | None = None


@dataclass(frozen=True)
class Comparisons:
    """Other results on the same frame, in its pixels and in the class indices of the bundle in service.

    None: not due, or inference failed. `views` come from `edge.evidence.second_views.second_views`.
    """

    views: tuple[Detections, ...] | None = None
    teacher: TeacherResult | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """One accepted piece of evidence; stays at the edge, only `report` may leave.

    Attributes:
        report: the misdetection.
        track_key: the same for all boxes of one track, None without a track.
        embedding: (d,) pooled at the evidence box of the frame that the box is on, None without an `embed`.
        xyxy: (4,) pixels, inside the frame.
    """

    report: Misdetection
    track_key: str | None
    embedding: Floats | None
    xyxy: Floats


@dataclass(frozen=True)
class Repetition:
    """When evidence is a repetition: same kind and class at a place that was reported recently.

    A place with continuing evidence stays reported until `cool_down_s` after its last evidence; it is
    reported again after `at_most_s` in any case.
    """

    cool_down_s: float = 20.0
    at_most_s: float = 600.0
    same_iou: float = 0.3


@dataclass
class _Place:
    kind: ErrorKind
    class_id: int | None
    xyxy: Floats
    reported_s: float
    last_s: float
    source: EvidenceSource


@dataclass
class EvidenceCollector:
    """All evidence of one camera. Not thread-safe; frames in order of time.

    Attributes:
        camera: slug.
        description: the bundle in service; `describe` after a swap.
        rules: thresholds of the sources.
        repetition: when evidence is a repetition.
        sources: the sources that are enabled.
        appearances: the camera's; every candidate with a class joins one, repetitions too.
    """

    camera: str
    description: BundleDescription
    rules: EvidenceRules = field(default_factory=EvidenceRules)
    repetition: Repetition = field(default_factory=Repetition)
    sources: frozenset[EvidenceSource] = EDGE_SOURCES
    appearances: Appearances | None = None

    def __post_init__(self) -> None:
        self._weak_tracker = ByteTracker(weakened(self.description, self.rules), WEAK_TRACKS)
        self._places: list[_Place] = []
        self._before: tuple[Frame, ThresholdedDetections] | None = None
        self._known, self._changed = RecentBoxes(self.rules.known_s), RecentBoxes(self.rules.changed_s)

    @property
    def floor(self) -> float:
        """Lowest confidence of the boxes that `observe` needs from the detector."""
        return float(thresholds_of(self.description).min()) * self.rules.weak_ratio

    def describe(self, description: BundleDescription) -> None:
        """Use another bundle; reported places are forgotten, and tracks that cannot continue."""
        if begins_tracks_again(self.description, description):
            self._weak_tracker.end()
        self.description = description
        self._weak_tracker.describe(weakened(description, self.rules))
        self._places.clear()

    def resize(self, change: SizeChange) -> None:
        """The next frame has another size: carry over all boxes; the frame before is of no use any more."""
        self._weak_tracker.resize(change)
        for place in self._places:
            place.xyxy = change.boxes(place.xyxy)
        self._known.resize(change)
        self._changed.resize(change)
        self._before = None

    def observe(
        self, context: FrameContext, comparisons: Comparisons | None = None, *, embed: Embed | None = None
    ) -> list[Evidence]:
        """Evidence of one frame, repetitions left out.

        Raises:
            DetectorError: `embed` failed; nothing of the frame is reported, and no place is recorded as
                reported.
        """
        thresholded = ThresholdedDetections.of(context.detections, self.description)
        candidates = self._from_comparisons(thresholded, comparisons or Comparisons())
        if context.update is None:
            self._places.clear()
            candidates += self._from_enabled_sources(low_margins_of_still(thresholded, self.rules))
        else:
            candidates += self._over_time(context, context.update, thresholded)
        unrepeated = self._without_repetitions(candidates, context)
        evidence = self._report(unrepeated, context, embed)
        for candidate in unrepeated:
            self._remember(candidate, context.frame.time_s)
        self._before = context.frame, thresholded
        return evidence

    def compare(self, context: FrameContext, comparisons: Comparisons) -> list[Evidence]:
        """Evidence of comparisons with a frame that `observe` had some frames ago, without embeddings."""
        thresholded = ThresholdedDetections.of(context.detections, self.description)
        candidates = self._from_comparisons(thresholded, comparisons)
        unrepeated = self._without_repetitions(candidates, context)
        for candidate in unrepeated:
            self._remember(candidate, context.frame.time_s)
        return self._report(unrepeated, context, None)

    def detection_failed(self) -> None:
        """The detector failed on a frame: the kept frame is no longer the one before the next."""
        self._before = None

    def _from_comparisons(
        self, thresholded: ThresholdedDetections, comparisons: Comparisons
    ) -> list[EvidenceCandidate]:
        found: list[EvidenceCandidate] = []
        if comparisons.teacher is not None:
            found += teacher_disagreements(thresholded, comparisons.teacher, self.rules)
        if comparisons.views is not None:
            found += view_disagreements(thresholded, comparisons.views, self.rules)
        return self._from_enabled_sources(found)

    def _over_time(
        self, context: FrameContext, update: TrackUpdate, thresholded: ThresholdedDetections
    ) -> list[EvidenceCandidate]:
        found: list[EvidenceCandidate] = []
        if self._before is not None:
            frame, before = self._before
            found += track_gaps(update, before, frame.time_s, self.rules)
        now_s = context.frame.time_s
        weak = self._weak_tracker.update(context.detections, now_s)
        found += low_margins(weak, thresholded, self.rules)
        self._known.add(now_s, thresholded.reported.xyxy)
        if context.motion is not None:
            self._changed.add(now_s, context.motion.moving, context.motion.new_static)
            if len(context.motion.persistent):
                tracked = [t.xyxy[None] for t in (*update.active, *update.lost, *weak.active)]
                known = np.concatenate([self._known.boxes(), *tracked])
                found += unexplained_motion(context.motion, thresholded, known, self.rules)
        return self._from_enabled_sources(found)

    def _from_enabled_sources(self, found: list[EvidenceCandidate]) -> list[EvidenceCandidate]:
        return [s for s in found if s.source in self.sources]

    def _without_repetitions(
        self, candidates: list[EvidenceCandidate], context: FrameContext
    ) -> list[EvidenceCandidate]:
        """One candidate per place and kind, of the most precise source, without recently reported ones."""
        now_s, unrepeated = context.frame.time_s, list[EvidenceCandidate]()
        self._places = [p for p in self._places if now_s - p.last_s <= self.repetition.cool_down_s]
        self._locate(candidates, now_s)
        for candidate in sorted(candidates, key=lambda s: -PROBABILITY[s.source, s.kind]):
            known = [p for p in self._places if self._is_same(candidate, p.kind, p.class_id, p.xyxy)]
            for place in known:
                place.last_s, place.xyxy = now_s, candidate.xyxy
            again = all(self._adds(candidate, p, now_s) for p in known)
            if again and not any(self._is_same(candidate, f.kind, f.class_id, f.xyxy) for f in unrepeated):
                unrepeated.append(candidate)
        return unrepeated

    def _locate(self, candidates: list[EvidenceCandidate], now_s: float) -> None:
        """Motion has no class, so it never contributes a vector; what moves would hold every lane."""
        for candidate in candidates:
            if self.appearances is not None and candidate.class_id is not None:
                self.appearances.at(candidate.xyxy, now_s, _key(candidate))

    def _adds(self, candidate: EvidenceCandidate, known: _Place, now_s: float) -> bool:
        """Whether a report adds to one at the same place.

        The teacher's adds to that of a source that uses the detector itself: only independent sources count
        in the rate by which a failure mode is closed.
        """
        first = candidate.source is EvidenceSource.TEACHER and known.source is not EvidenceSource.TEACHER
        return first or now_s - known.reported_s > self.repetition.at_most_s

    def _is_same(self, new: EvidenceCandidate, kind: ErrorKind, class_id: int | None, xyxy: Floats) -> bool:
        """Whether kind and place are the same and the class adds nothing (the same, or unknown)."""
        if new.kind is not kind or new.class_id not in (None, class_id):
            return False
        return iou(new.xyxy, xyxy) >= self.repetition.same_iou or _contains(xyxy, new.xyxy)

    def _remember(self, candidate: EvidenceCandidate, now_s: float) -> None:
        self._places = [p for p in self._places if not self._is_same(candidate, p.kind, p.class_id, p.xyxy)]
        self._places.append(
            _Place(candidate.kind, candidate.class_id, candidate.xyxy, now_s, now_s, candidate.source)
        )

    def _report(
        self, candidates: list[EvidenceCandidate], context: FrameContext, embed: Embed | None
    ) -> list[Evidence]:
        if not candidates:
            return []
        height, width = context.frame.image.shape[:2]
        limit = np.asarray([width, height, width, height], np.float32)
        boxes = [np.clip(s.xyxy, 0, limit).astype(np.float32) for s in candidates]
        vectors = (
            [None] * len(candidates) if embed is None else self._embedded(candidates, boxes, context, embed)
        )
        return [
            Evidence(self._misdetection(s, box, context, width, height), _key(s), vector, box)
            for s, box, vector in zip(candidates, boxes, vectors, strict=True)
        ]

    def _embedded(
        self, candidates: list[EvidenceCandidate], boxes: list[Floats], context: FrameContext, embed: Embed
    ) -> list[Floats | None]:
        """Embeddings of the boxes, with at most one inference on each of the two frames."""
        vectors: list[Floats | None] = [None] * len(candidates)
        frames = {False: context.frame} | ({} if self._before is None else {True: self._before[0]})
        for in_frame_before, frame in frames.items():
            rows = [i for i, s in enumerate(candidates) if s.in_frame_before is in_frame_before]
            if rows:
                pooled = embed(frame.image, np.stack([boxes[i] for i in rows]))
                for i, vector in zip(rows, pooled, strict=True):
                    vectors[i] = vector
        return vectors

    def _misdetection(
        self, candidate: EvidenceCandidate, box: Floats, context: FrameContext, width: int, height: int
    ) -> Misdetection:
        names = self.description.class_names
        return Misdetection(
            camera=self.camera,
            kind=candidate.kind,
            class_name=UNKNOWN_CLASS if candidate.class_id is None else names[candidate.class_id],
            tags=box_tags(context.tags, box, width, height),
            box=geometry_of(box, width, height),
            evidence=candidate.source,
            probability=self._probability(candidate, box, context),
            minute_utc=minute_of(context.frame.captured_at_utc),
            model_digest=context.model_digest,
        )

    def _probability(self, candidate: EvidenceCandidate, box: Floats, context: FrameContext) -> float:
        """The precision of such reports; lower for misses at a place where nothing changed recently."""
        usual = PROBABILITY[candidate.source, candidate.kind]
        if candidate.kind is not ErrorKind.MISSED or context.motion is None:
            return usual
        return usual * STILL_PLACE_FACTOR if is_still(box, self._changed.boxes()) else usual


def _key(candidate: EvidenceCandidate) -> str | None:
    return None if candidate.track is None else track_key(candidate.track, candidate.source)


def track_key(number: int, source: EvidenceSource = EvidenceSource.TRACK_GAP) -> str:
    """Key of a track of the tracker of weak boxes, of the teacher, or of the detector in service."""
    return f"{_TRACKERS.get(source, 'track')}-{number}"


def _contains(outer: Floats, inner: Floats) -> bool:
    """Whether the centre of one box is inside the other."""
    x, y = float(inner[0] + inner[2]) / 2, float(inner[1] + inner[3]) / 2
    return bool(outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3])
