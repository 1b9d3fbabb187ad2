"""The sources of evidence that a detector erred: one function for each, boxes in, candidates out.

None needs a label. Each docstring states what the source supplies: a box, a class or none, a kind. They
evaluate one frame of one camera with the results of earlier frames. They keep no state:
`edge.evidence.collector` removes repetitions and turns candidates into reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edge.evidence.teacher import TeacherResult
from edge.tracking.tracker import Track, TrackPoint, TrackState, TrackUpdate
from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import thresholds_of
from edge.vision.frames import MotionReading
from messaging.releases import BundleDescription
from messaging.reports import ErrorKind, EvidenceSource

_POOR_IOU = 0.5
_CHANGED_FRACTION = 0.3
_NEAR = (0.5, 1.2)


@dataclass(frozen=True)
class EvidenceRules:
    """Thresholds of the sources.

    Attributes:
        same_iou: from this IoU on two boxes of a class are the same object; `amorphous_iou` for fire, smoke,
            flood, whose outline is not well defined.
        part_fraction: a box is part of a reported one of its class if this fraction of it is inside.
        weak_ratio: boxes above this fraction of their class's threshold are *weak*: not reported, but
            evidence if they persist.
        weak_hits, weak_s: detections and seconds that make weak boxes persistent.
        gap_frames, gap_s: fewest frames and longest time of a gap in a track.
        margin: with a lower mean margin between top score and runner-up, the class is uncertain.
        view_ratio: a second view contradicts with boxes above this multiple of the class's threshold.
        support_ratio: a box is unsupported if no other result has one above this fraction of its threshold.
        still_ratio: in stills, where nothing can persist, boxes above this fraction of the threshold count as
            missed.
        known_s: motion is explained by a detection at the same place within this time.
        changed_s: a place is still if nothing changed there for this time.
    """

    same_iou: float = 0.3
    amorphous_iou: float = 0.2
    part_fraction: float = 0.5
    weak_ratio: float = 0.5
    weak_hits: int = 4
    weak_s: float = 0.6
    gap_frames: int = 2
    gap_s: float = 3.0
    margin: float = 0.12
    view_ratio: float = 1.3
    support_ratio: float = 0.5
    still_ratio: float = 0.6
    known_s: float = 4.0
    changed_s: float = 3.0


@dataclass(frozen=True, eq=False)
class EvidenceCandidate:
    """What one source proposes at one place.

    Attributes:
        source, kind: the source, and the kind of error.
        class_id: index into the class names of the bundle in service, None if unknown.
        xyxy: (4,) pixels.
        in_frame_before: whether the box is on the frame before this one.
        track: number of its track, None without.
    """

    source: EvidenceSource
    kind: ErrorKind
    class_id: int | None
    xyxy: Floats
    in_frame_before: bool = False
    track: int | None = None


@dataclass(frozen=True, eq=False)
class ThresholdedDetections:
    """Boxes of the detector in service on one frame (above the weak floor), and which of them it reports."""

    boxes: Detections
    strong: npt.NDArray[np.bool_]
    limits: Floats
    amorphous: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, boxes: Detections, description: BundleDescription) -> "ThresholdedDetections":
        """Compare boxes with the bundle's thresholds."""
        limits = thresholds_of(description)
        shapeless = np.asarray([c.amorphous for c in description.taxonomy.classes])
        return cls(boxes, boxes.confidence >= limits[boxes.class_id], limits, shapeless)

    @cached_property
    def reported(self) -> Detections:
        """The boxes that the detector reports."""
        return self.boxes[self.strong]

    def same(self, class_id: int, rules: EvidenceRules) -> float:
        """IoU from which two boxes of a class are the same object."""
        return rules.amorphous_iou if self.amorphous[class_id] else rules.same_iou


def weakened(description: BundleDescription, rules: EvidenceRules) -> BundleDescription:
    """The same bundle with thresholds at which weak boxes form tracks."""
    lower = {name: limit * rules.weak_ratio for name, limit in description.thresholds.items()}
    return description.model_copy(update={"thresholds": lower})


def track_gaps(
    update: TrackUpdate, before: ThresholdedDetections, before_s: float, rules: EvidenceRules
) -> list[EvidenceCandidate]:
    """Track gap: reported, not reported, reported again. Supplies class and interpolated box: missed.

    The box is on the frame before this one, the last of the gap, at `before_s`; `before` are that frame's
    boxes: what another box of the class covered there was not missed.
    """
    found: list[EvidenceCandidate] = []
    for track in update.active:
        gap = _gap_that_ends_now(track, rules) if track.state is TrackState.CONFIRMED else None
        box = None if gap is None else _interpolated(gap[0], gap[1], before_s)
        if box is not None and not _covered(box, track.class_id, before, rules):
            found.append(
                EvidenceCandidate(
                    EvidenceSource.TRACK_GAP,
                    ErrorKind.MISSED,
                    track.class_id,
                    box,
                    in_frame_before=True,
                    track=track.id,
                )
            )
    return found


def is_still(xyxy: Floats, recently_changed: Floats) -> bool:
    """Whether nothing moved or changed recently at a box (4,); `recently_changed` (k, 4) in pixels."""
    return (
        not len(recently_changed)
        or float(_overlap_fraction(xyxy, recently_changed).max()) < _CHANGED_FRACTION
    )


def view_disagreements(
    thresholded: ThresholdedDetections, views: Sequence[Detections], rules: EvidenceRules
) -> list[EvidenceCandidate]:
    """Flipped and contrast-stretched views of the frame. Supplies class and box: missed, or false alarm.

    Missed: a view reports what the original image does not. False alarm: no view has even half of the
    confidence that a report needs.
    """
    found: list[EvidenceCandidate] = []
    for view in views:
        confident = view[view.confidence >= rules.view_ratio * thresholded.limits[view.class_id]]
        for row in range(len(confident)):
            class_id = int(confident.class_id[row])
            if not _covered(confident.xyxy[row], class_id, thresholded, rules):
                found.append(
                    EvidenceCandidate(
                        EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.MISSED, class_id, confident.xyxy[row]
                    )
                )
    if views:
        found += _unsupported(thresholded, views, rules, EvidenceSource.VIEW_DISAGREEMENT)
    return found


def teacher_disagreements(
    thresholded: ThresholdedDetections, teacher: TeacherResult, rules: EvidenceRules
) -> list[EvidenceCandidate]:
    """A larger detector in idle time. Supplies class and box: missed, false alarm, wrong class, poor box.

    Only its confident boxes count; in footage a miss must be of a track that is missed in most frames.
    """
    found: list[EvidenceCandidate] = []
    reported, confident = thresholded.reported, teacher.confident_boxes
    overlap = iou_matrix(confident.xyxy, reported.xyxy)
    for row in range(len(confident)):
        class_id, track = int(confident.class_id[row]), None
        kind = _compare_with_teacher(
            overlap[row],
            reported.class_id,
            class_id,
            thresholded.same(class_id, rules),
            shapeless=bool(thresholded.amorphous[class_id]),
        )
        if kind is ErrorKind.MISSED and teacher.missed is not None:
            track = _track_at(confident.xyxy[row], class_id, teacher.missed)
            kind = None if track is None else kind
        if kind is not None:
            found.append(
                EvidenceCandidate(EvidenceSource.TEACHER, kind, class_id, confident.xyxy[row], track=track)
            )
    return found + _unsupported(thresholded, [confident], rules, EvidenceSource.TEACHER)


def unexplained_motion(
    motion: MotionReading, thresholded: ThresholdedDetections, known: Floats, rules: EvidenceRules
) -> list[EvidenceCandidate]:
    """Motion that persists where nothing is detected. Supplies a box, class unknown: missed.

    `known` (k, 4) are recent boxes of tracks and detections; weak boxes of this frame explain motion too and
    are evaluated by `low_margins`.
    """
    if motion.whole_image or not len(motion.persistent):
        return []
    explained = np.concatenate([known, thresholded.boxes.xyxy]).reshape(-1, 4)
    return [
        EvidenceCandidate(EvidenceSource.MOTION, ErrorKind.MISSED, None, box)
        for box in motion.persistent
        if not len(explained) or _overlap_fraction(box, explained).max() < 0.2
    ]


def low_margins(
    weak: TrackUpdate, thresholded: ThresholdedDetections, rules: EvidenceRules
) -> list[EvidenceCandidate]:
    """Scores that stay low over a track of weak boxes. Supplies class and box: missed, or wrong class.

    Missed: the track persists below the threshold. Wrong class: it is reported, but the runner-up class
    scores nearly as high in all its frames.
    """
    found: list[EvidenceCandidate] = []
    for track in weak.active:
        recent = track.history[-12:]
        if track.hits < rules.weak_hits or track.age_s < rules.weak_s:
            continue
        limit = float(thresholded.limits[track.class_id])
        above = sum(s.confidence >= limit for s in recent) / len(recent)
        margin = sum(s.confidence - s.runner_up for s in recent) / len(recent)
        if above < 0.5 and not _covered(track.xyxy, track.class_id, thresholded, rules):
            kind = ErrorKind.MISSED
        elif above >= 0.5 and margin < rules.margin:
            kind = ErrorKind.WRONG_CLASS
        else:
            continue
        found.append(
            EvidenceCandidate(EvidenceSource.LOW_MARGIN, kind, track.class_id, track.xyxy, track=track.id)
        )
    return found


def low_margins_of_still(thresholded: ThresholdedDetections, rules: EvidenceRules) -> list[EvidenceCandidate]:
    """Boxes just below their threshold in a still. Supplies class and box: missed."""
    near = thresholded.boxes.confidence >= rules.still_ratio * thresholded.limits[thresholded.boxes.class_id]
    uncertain = thresholded.boxes[near & ~thresholded.strong]
    return [
        EvidenceCandidate(EvidenceSource.LOW_MARGIN, ErrorKind.MISSED, int(class_id), box)
        for box, class_id in zip(uncertain.xyxy, uncertain.class_id, strict=True)
        if not _covered(box, int(class_id), thresholded, rules)
    ]


def signs_of_uncertainty(thresholded: ThresholdedDetections, motion: MotionReading | None) -> int:
    """Signs that the detector may err on a frame, counted: scores near a threshold, unexplained motion.

    They only decide which frames are compared first; what is reported is decided by the other functions.
    """
    ratio = thresholded.boxes.confidence / thresholded.limits[thresholded.boxes.class_id]
    near = bool(((ratio > _NEAR[0]) & (ratio < _NEAR[1])).any())
    if motion is None or motion.whole_image or not len(motion.persistent):
        return int(near)
    boxes = thresholded.boxes.xyxy
    moved = any(not len(boxes) or _overlap_fraction(box, boxes).max() < 0.2 for box in motion.persistent)
    return int(near) + int(moved)


def _track_at(xyxy: Floats, class_id: int, tracks: Sequence[Track]) -> int | None:
    """Number of the track of this class whose newest box is this one."""
    mine = (t for t in tracks if t.class_id == class_id and np.array_equal(t.xyxy, xyxy))
    return next((t.id for t in mine), None)


def _gap_that_ends_now(track: Track, rules: EvidenceRules) -> tuple[TrackPoint, TrackPoint] | None:
    """The strong points of a track before and after a gap, if its newest point ends one."""
    *earlier, now = track.history
    if not now.strong:
        return None
    missed = now.missed_frames_before
    for point in reversed(earlier):
        if point.strong:
            long_enough = missed >= rules.gap_frames and track.strong_hits >= 3
            return (point, now) if long_enough and now.time_s - point.time_s <= rules.gap_s else None
        missed += 1 + point.missed_frames_before
    return None


def _interpolated(before: TrackPoint, after: TrackPoint, time_s: float) -> Floats:
    """The box at `time_s`, interpolated linearly between two points of a track."""
    whole = max(after.time_s - before.time_s, 1e-6)
    fraction = np.float32(min(max((time_s - before.time_s) / whole, 0.0), 1.0))
    return np.asarray(before.xyxy + fraction * (after.xyxy - before.xyxy), np.float32)


def _covered(xyxy: Floats, class_id: int, thresholded: ThresholdedDetections, rules: EvidenceRules) -> bool:
    """Whether the detector reports the object at this box.

    That is: an object of this class, one that the box is a part of, or another class with the same outline,
        unless
    both classes can occupy it together (fire and smoke).
    """
    reported = thresholded.reported
    if not len(reported):
        return False
    overlap, own = iou_matrix(xyxy[None], reported.xyxy)[0], reported.class_id == class_id
    part = _overlap_fraction(xyxy, reported.xyxy) >= rules.part_fraction
    if bool((own & ((overlap >= thresholded.same(class_id, rules)) | part)).any()):
        return True
    shares_place = thresholded.amorphous[class_id] & thresholded.amorphous[reported.class_id]
    return bool((~own & ~shares_place & (overlap >= _POOR_IOU)).any())


def _unsupported(
    thresholded: ThresholdedDetections,
    comparisons: Sequence[Detections],
    rules: EvidenceRules,
    source: EvidenceSource,
) -> list[EvidenceCandidate]:
    """Reported boxes that no other result supports."""
    found: list[EvidenceCandidate] = []
    reported = thresholded.reported
    for row in range(len(reported)):
        class_id = int(reported.class_id[row])
        least = rules.support_ratio * float(thresholded.limits[class_id])
        traces = [o.xyxy[(o.class_id == class_id) & (o.confidence >= least)] for o in comparisons]
        box = reported.xyxy[row]
        if all(not len(t) or iou_matrix(box[None], t).max() < 0.1 for t in traces):
            found.append(EvidenceCandidate(source, ErrorKind.FALSE_ALARM, class_id, box))
    return found


def _compare_with_teacher(
    overlap: Floats, classes: npt.NDArray[np.int64], class_id: int, same_iou: float, *, shapeless: bool
) -> ErrorKind | None:
    """The error of the reported boxes about a confident teacher box, by their IoU (n,) with it, or None."""
    own = overlap[classes == class_id]
    best_own = float(own.max()) if len(own) else 0.0
    if best_own >= same_iou:
        return ErrorKind.POOR_BOX if best_own < _POOR_IOU and not shapeless else None
    others = overlap[classes != class_id]
    if len(others) and float(others.max()) >= _POOR_IOU:
        return ErrorKind.WRONG_CLASS
    return ErrorKind.MISSED


def _overlap_fraction(box: Floats, others: Floats) -> Floats:
    """Overlap (n,) of a box with others, as a fraction of the smaller of the two areas."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    smaller = np.minimum((box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1))
    return np.asarray(overlap / np.maximum(smaller, 1e-6), np.float32)
