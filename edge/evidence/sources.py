"""The sources of evidence that a detector erred: each one named function, boxes in, suspicions out.

None needs a label. Each docstring states what the source supplies: a box, a class or none, a kind. They
judge one camera's frame with what is known of the frames before; they keep no state, send nothing and
decide nothing: `edge.evidence.collector` removes repetitions and turns suspicions into reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.camera.motion_filter import MotionReading
from edge.evidence.teacher import TeacherOpinion
from edge.tracking.tracker import Sighting, Track, TrackState, TrackUpdate
from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import thresholds_of
from messaging.releases import BundleDescription
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import taxonomy_of

_POOR_IOU = 0.5
_CHANGED_SHARE = 0.3


@dataclass(frozen=True)
class EvidenceRules:
    """Numbers of the sources.

    Attributes:
        same_iou: from this IoU on two boxes of a class are the same object; `amorphous_iou` for fire, smoke,
            flood, whose outline is a matter of taste.
        part_share: a box that lies inside a reported one of its class to this share is part of it.
        weak_ratio: boxes above this share of their class's threshold are *weak*: too little to report, enough
            to be evidence when they persist.
        weak_hits, weak_s: sightings and seconds that make weak boxes persistent.
        gap_looks, gap_s: fewest looks and longest time of a gap in a track.
        margin: a mean margin between top score and runner-up below this is a doubtful class.
        view_sure: a second view contradicts with boxes above this multiple of the class's threshold.
        denial_ratio: a box is denied when a second opinion has nothing above this share of its threshold.
        still_ratio: in stills, where nothing can persist, boxes above this share of the threshold are missed.
        known_s: motion is explained by what was detected at the place in so many seconds before.
        changed_s: a place is still when nothing changed in it for so many seconds.
    """

    same_iou: float = 0.3
    amorphous_iou: float = 0.2
    part_share: float = 0.5
    weak_ratio: float = 0.5
    weak_hits: int = 4
    weak_s: float = 0.6
    gap_looks: int = 2
    gap_s: float = 3.0
    margin: float = 0.12
    view_sure: float = 1.3
    denial_ratio: float = 0.5
    still_ratio: float = 0.6
    known_s: float = 4.0
    changed_s: float = 3.0


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What one source has against one place.

    Attributes:
        source, kind: who says what.
        class_id: index into the service bundle's class names, None when the source cannot tell.
        xyxy: (4,) pixels.
        in_frame_before: whether the box lies on the frame looked at before this one.
        track: number of the track it hangs on, None without.
    """

    source: EvidenceSource
    kind: ErrorKind
    class_id: int | None
    xyxy: Floats
    in_frame_before: bool = False
    track: int | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """The service detector's boxes on one frame (all above the weak floor), and which of them it reports."""

    boxes: Detections
    strong: npt.NDArray[np.bool_]
    limits: Floats
    amorphous: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, boxes: Detections, description: BundleDescription) -> "Judged":
        """Boxes against the bundle's thresholds."""
        limits = thresholds_of(description)
        shapeless = np.asarray([c.amorphous for c in taxonomy_of(description.class_names).classes])
        return cls(boxes, boxes.confidence >= limits[boxes.class_id], limits, shapeless)

    @property
    def reported(self) -> Detections:
        """The boxes that the detector reports."""
        return self.boxes[self.strong]

    def same(self, class_id: int, rules: EvidenceRules) -> float:
        """IoU from which two boxes of a class are one object."""
        return rules.amorphous_iou if self.amorphous[class_id] else rules.same_iou


def weakened(description: BundleDescription, rules: EvidenceRules) -> BundleDescription:
    """The same bundle with thresholds so low that weak boxes make tracks."""
    lower = {name: limit * rules.weak_ratio for name, limit in description.thresholds.items()}
    return description.model_copy(update={"thresholds": lower})


def track_gaps(update: TrackUpdate, before: Judged, before_s: float, rules: EvidenceRules) -> list[Suspicion]:
    """Track gap: reported, not reported, reported again. Supplies class and interpolated box: missed.

    The box lies on the frame looked at before this one, the last of the gap, at `before_s`; `before` are
    that frame's boxes: what another box of the class covered there was not missed.
    """
    found: list[Suspicion] = []
    for track in update.active:
        gap = _gap_that_ends_now(track, rules) if track.state is TrackState.CONFIRMED else None
        box = None if gap is None else _between(gap[0], gap[1], before_s)
        if box is not None and not _covered(box, track.class_id, before, rules):
            found.append(
                Suspicion(
                    EvidenceSource.TRACK_GAP,
                    ErrorKind.MISSED,
                    track.class_id,
                    box,
                    in_frame_before=True,
                    track=track.id,
                )
            )
    return found


def lies_still(xyxy: Floats, lately_changed: Floats) -> bool:
    """Whether nothing moved or changed lately where a box (4,) lies; `lately_changed` (k, 4) in pixels."""
    return not len(lately_changed) or float(_share_inside(xyxy, lately_changed).max()) < _CHANGED_SHARE


def view_disagreements(judged: Judged, views: Sequence[Detections], rules: EvidenceRules) -> list[Suspicion]:
    """Flipped and contrast-stretched views of the frame. Supplies class and box: missed, or false alarm.

    Missed: a view reports what the plain picture does not. False alarm: no view has even half of the
    confidence that a report needs.
    """
    found: list[Suspicion] = []
    for view in views:
        sure = view[view.confidence >= rules.view_sure * judged.limits[view.class_id]]
        for row in range(len(sure)):
            class_id = int(sure.class_id[row])
            if not _covered(sure.xyxy[row], class_id, judged, rules):
                found.append(
                    Suspicion(EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.MISSED, class_id, sure.xyxy[row])
                )
    if views:
        found += _denied(judged, views, rules, EvidenceSource.VIEW_DISAGREEMENT)
    return found


def teacher_disagreements(judged: Judged, teacher: TeacherOpinion, rules: EvidenceRules) -> list[Suspicion]:
    """A bigger detector in idle time. Supplies class and box: missed, false alarm, wrong class, poor box.

    Only what it is sure of counts; a miss in footage must be of a track that is missed most of the time.
    """
    found: list[Suspicion] = []
    reported, sure = judged.reported, teacher.sure
    overlap = iou_matrix(sure.xyxy, reported.xyxy)
    for row in range(len(sure)):
        class_id, track = int(sure.class_id[row]), None
        kind = _quarrel(
            overlap[row],
            reported.class_id,
            class_id,
            judged.same(class_id, rules),
            shapeless=bool(judged.amorphous[class_id]),
        )
        if kind is ErrorKind.MISSED and teacher.missed is not None:
            track = _track_at(sure.xyxy[row], class_id, teacher.missed)
            kind = None if track is None else kind
        if kind is not None:
            found.append(Suspicion(EvidenceSource.TEACHER, kind, class_id, sure.xyxy[row], track=track))
    return found + _denied(judged, [sure], rules, EvidenceSource.TEACHER)


def unexplained_motion(
    motion: MotionReading, judged: Judged, known: Floats, rules: EvidenceRules
) -> list[Suspicion]:
    """Motion that persists where nothing is detected. Supplies a box, class unknown: missed.

    `known` (k, 4) are boxes of tracks seen or detections made lately; weak boxes of this frame explain
    motion too, they are the business of `low_margins`.
    """
    if motion.whole_picture or not len(motion.persistent):
        return []
    explained = np.concatenate([known, judged.boxes.xyxy]).reshape(-1, 4)
    return [
        Suspicion(EvidenceSource.MOTION, ErrorKind.MISSED, None, box)
        for box in motion.persistent
        if not len(explained) or _share_inside(box, explained).max() < 0.2
    ]


def low_margins(weak: TrackUpdate, judged: Judged, rules: EvidenceRules) -> list[Suspicion]:
    """Scores that stay low over a track of weak boxes. Supplies class and box: missed, or wrong class.

    Missed: the track persists below the threshold. Wrong class: it is reported, but the runner-up class
    scores nearly as high all along.
    """
    found: list[Suspicion] = []
    for track in weak.active:
        recent = track.history[-12:]
        if track.hits < rules.weak_hits or track.age_s < rules.weak_s:
            continue
        limit = float(judged.limits[track.class_id])
        above = float(np.mean([s.confidence >= limit for s in recent]))
        margin = float(np.mean([s.confidence - s.runner_up for s in recent]))
        if above < 0.5 and not _covered(track.xyxy, track.class_id, judged, rules):
            kind = ErrorKind.MISSED
        elif above >= 0.5 and margin < rules.margin:
            kind = ErrorKind.WRONG_CLASS
        else:
            continue
        found.append(Suspicion(EvidenceSource.LOW_MARGIN, kind, track.class_id, track.xyxy, track=track.id))
    return found


def low_margins_of_still(judged: Judged, rules: EvidenceRules) -> list[Suspicion]:
    """Boxes just below their threshold in a picture without a past. Supplies class and box: missed."""
    near = judged.boxes.confidence >= rules.still_ratio * judged.limits[judged.boxes.class_id]
    doubtful = judged.boxes[near & ~judged.strong]
    return [
        Suspicion(EvidenceSource.LOW_MARGIN, ErrorKind.MISSED, int(class_id), box)
        for box, class_id in zip(doubtful.xyxy, doubtful.class_id, strict=True)
        if not _covered(box, int(class_id), judged, rules)
    ]


def _track_at(xyxy: Floats, class_id: int, tracks: Sequence[Track]) -> int | None:
    """Number of the track of this class whose newest box is this one."""
    mine = (t for t in tracks if t.class_id == class_id and np.array_equal(t.xyxy, xyxy))
    return next((t.id for t in mine), None)


def _gap_that_ends_now(track: Track, rules: EvidenceRules) -> tuple[Sighting, Sighting] | None:
    """The strong sightings before and after a gap, when the newest sighting ends one."""
    *earlier, now = track.history
    if not now.strong:
        return None
    looks = now.unseen_before
    for sighting in reversed(earlier):
        if sighting.strong:
            long_enough = looks >= rules.gap_looks and track.strong_hits >= 3
            return (sighting, now) if long_enough and now.time_s - sighting.time_s <= rules.gap_s else None
        looks += 1 + sighting.unseen_before
    return None


def _between(before: Sighting, after: Sighting, time_s: float) -> Floats:
    """The box on the straight line between two sightings."""
    whole = max(after.time_s - before.time_s, 1e-6)
    share = np.float32(min(max((time_s - before.time_s) / whole, 0.0), 1.0))
    return np.asarray(before.xyxy + share * (after.xyxy - before.xyxy), np.float32)


def _covered(xyxy: Floats, class_id: int, judged: Judged, rules: EvidenceRules) -> bool:
    """Whether the detector reports what is at this box.

    That is: an object of this class, one that the box is a part of, or something else in the same outline,
    as far as two things cannot share it (fire and smoke do).
    """
    reported = judged.reported
    if not len(reported):
        return False
    overlap, own = iou_matrix(xyxy[None], reported.xyxy)[0], reported.class_id == class_id
    part = _share_inside(xyxy, reported.xyxy) >= rules.part_share
    if bool((own & ((overlap >= judged.same(class_id, rules)) | part)).any()):
        return True
    shares_place = judged.amorphous[class_id] & judged.amorphous[reported.class_id]
    return bool((~own & ~shares_place & (overlap >= _POOR_IOU)).any())


def _denied(
    judged: Judged, opinions: Sequence[Detections], rules: EvidenceRules, source: EvidenceSource
) -> list[Suspicion]:
    """Reported boxes of which no second opinion has a trace."""
    found: list[Suspicion] = []
    reported = judged.reported
    for row in range(len(reported)):
        class_id = int(reported.class_id[row])
        least = rules.denial_ratio * float(judged.limits[class_id])
        traces = [o.xyxy[(o.class_id == class_id) & (o.confidence >= least)] for o in opinions]
        box = reported.xyxy[row]
        if all(not len(t) or iou_matrix(box[None], t).max() < 0.1 for t in traces):
            found.append(Suspicion(source, ErrorKind.FALSE_ALARM, class_id, box))
    return found


def _quarrel(
    overlap: Floats, classes: npt.NDArray[np.int64], class_id: int, same_iou: float, *, shapeless: bool
) -> ErrorKind | None:
    """What the reported boxes, by their overlap (n,) with a sure teacher box, did wrong about it."""
    own = overlap[classes == class_id]
    best_own = float(own.max()) if len(own) else 0.0
    if best_own >= same_iou:
        return ErrorKind.POOR_BOX if best_own < _POOR_IOU and not shapeless else None
    others = overlap[classes != class_id]
    if len(others) and float(others.max()) >= _POOR_IOU:
        return ErrorKind.WRONG_CLASS
    return ErrorKind.MISSED


def _share_inside(box: Floats, others: Floats) -> Floats:
    """Overlap (n,) of a box with others, as a share of the smaller of the two."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    smaller = np.minimum((box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1))
    return np.asarray(overlap / np.maximum(smaller, 1e-6), np.float32)
