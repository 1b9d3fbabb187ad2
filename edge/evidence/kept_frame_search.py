"""Answers a verdict request from the kept frames of its camera: was a hazard of this class missed then?

The teacher is run on frames around the time, as the evidence source *teacher* compares it with the detector
in service; a person's word takes the place of the track that it needs otherwise. Without a teacher,
or where it detects nothing, weak boxes of the detector in service count. Nothing here sends anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import DetectorError
from edge.evidence.kept_frames import KeptFrame, KeptFrames
from edge.evidence.sources import (
    EvidenceCandidate,
    EvidenceRules,
    ThresholdedDetections,
    low_margins_of_still,
    teacher_disagreements,
)
from edge.evidence.teacher import TeacherModel, TeacherResult, translated
from edge.rounding import geometry_of, minute_of
from edge.vision.conditions import box_tags
from edge.vision.detector import Image
from messaging.reports import AnswerOutcome, ErrorKind, EvidenceSource, Misdetection
from messaging.trust.verdict_requests import VerdictRequest

WINDOW_S = 120.0
"""A person's time is about right: frames so long before and after it are evidence."""
MOST_FRAMES = 12
# Guesses, not measured: a person and another detector agree; a person and a weak box agree.
TAUGHT_PROBABILITY, WEAK_PROBABILITY = 0.9, 0.6
_RULES = EvidenceRules()
_ERRORS = (ErrorKind.MISSED, ErrorKind.WRONG_CLASS)


@dataclass(frozen=True)
class SearchResult:
    """What the frames show; with `CONFIRMED` the misdetection."""

    outcome: AnswerOutcome
    report: Misdetection | None = None


@dataclass(frozen=True, eq=False)
class _SearchedFrame:
    """One frame. `taught`: the teacher processed it; `reported`: the model in service reported the class."""

    frame: KeptFrame
    image: Image
    taught: bool
    reported: bool
    missed: EvidenceCandidate | None
    weak: EvidenceCandidate | None


def search_kept_frames(
    kept: KeptFrames, request: VerdictRequest, teacher: TeacherModel | None
) -> SearchResult:
    """Answer a request; at most `MOST_FRAMES` calls of the teacher, spread over the window."""
    near = kept.near(request.at_utc, WINDOW_S)
    if not near:
        return SearchResult(AnswerOutcome.NOT_KEPT)
    known = [frame for frame in near if request.class_name in frame.description.class_names]
    if not known:
        return SearchResult(AnswerOutcome.NOT_KNOWN)
    step = -(-len(known) // MOST_FRAMES)
    return _judged([_searched(frame, request.class_name, teacher) for frame in known[::step]], request)


def _judged(searched: Sequence[_SearchedFrame], request: VerdictRequest) -> SearchResult:
    """The answer. A miss is a blind spot if the model misses the hazard in most frames that show it."""
    missed = [one for one in searched if one.missed is not None]
    reported = [one for one in searched if one.reported]
    weak = [one for one in searched if one.weak is not None]
    if len(missed) > len(reported):
        return _confirmed(missed[0], missed[0].missed, request, TAUGHT_PROBABILITY)
    if reported:
        return SearchResult(AnswerOutcome.DETECTED)
    if weak:
        return _confirmed(weak[0], weak[0].weak, request, WEAK_PROBABILITY)
    taught = any(one.taught for one in searched)
    return SearchResult(AnswerOutcome.NOT_FOUND if taught else AnswerOutcome.NO_TEACHER)


def _searched(frame: KeptFrame, class_name: str, teacher: TeacherModel | None) -> _SearchedFrame:
    class_id = frame.description.class_names.index(class_name)
    thresholded, image = ThresholdedDetections.of(frame.detections, frame.description), frame.image()
    taught = None if teacher is None else _taught(frame, image, teacher)
    seen = [] if taught is None else teacher_disagreements(thresholded, taught, _RULES)
    return _SearchedFrame(
        frame,
        image,
        taught is not None,
        bool((thresholded.reported.class_id == class_id).any()),
        _first(seen, class_id),
        _first(low_margins_of_still(thresholded, _RULES), class_id),
    )


def _first(candidates: Sequence[EvidenceCandidate], class_id: int) -> EvidenceCandidate | None:
    return next((one for one in candidates if one.class_id == class_id and one.kind in _ERRORS), None)


def _taught(frame: KeptFrame, image: Image, teacher: TeacherModel) -> TeacherResult | None:
    """The teacher's confident boxes; None if it failed."""
    try:
        model, seen = teacher.detect_frame(image)
    except DetectorError:
        return None
    boxes = translated(seen, model.description, frame.description)
    return TeacherResult(boxes, boxes, None)


def _confirmed(
    frame: _SearchedFrame, candidate: EvidenceCandidate | None, request: VerdictRequest, probability: float
) -> SearchResult:
    assert candidate is not None, "a frame without a candidate confirms nothing"
    height, width = frame.image.shape[:2]
    report = Misdetection(
        camera=request.camera,
        kind=candidate.kind,
        class_name=request.class_name,
        tags=box_tags(frame.frame.tags, candidate.xyxy, width, height),
        box=geometry_of(candidate.xyxy, width, height),
        evidence=EvidenceSource.OPERATOR,
        probability=probability,
        minute_utc=minute_of(frame.frame.at_utc),
        model_digest=frame.frame.model_digest,
    )
    return SearchResult(AnswerOutcome.CONFIRMED, report)
