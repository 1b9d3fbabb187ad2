"""Verdict requests are answered by what the kept frames show, and by nothing else."""

from collections.abc import Sequence

import numpy as np
import pytest

from edge.errors import DetectorError
from edge.evidence.collector import FrameContext
from edge.evidence.kept_frame_search import MOST_FRAMES, WINDOW_S, search_kept_frames
from edge.evidence.kept_frames import KeptFrames
from edge.settings import KeptFrameSettings
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections
from edge.vision.detector import Detector, Image
from edge.vision.frames import Frame
from messaging.reports import AnswerOutcome, BoxGeometry, ErrorKind, EvidenceSource
from messaging.taxonomy import Light, Weather
from messaging.trust.verdict_requests import VerdictRequest
from tests.support.fake_detector import CLASSES, FakeDetector, describe

NOW = 1_800_000_000
BOX = [32.0, 24.0, 64.0, 48.0]
NOTHING = Detections.empty()


def found(confidence: float = 0.9, class_id: int = 0) -> Detections:
    return Detections.of([BOX], [confidence], [class_id])


class Teacher:
    """A teacher that finds what it is given, or fails; `calls` counts."""

    def __init__(self, *results: Detections | None, classes: Sequence[str] = CLASSES) -> None:
        self.description = describe("teacher", classes)
        self._results, self.calls = results, 0

    def detect_frame(self, image: Image, *, floor: float | None = None) -> tuple[Detector, Detections]:
        result = self._results[min(self.calls, len(self._results) - 1)]
        self.calls += 1
        if result is None:
            raise DetectorError("the teacher failed")
        return FakeDetector(self.description, "t" * 64), result


def kept(*frames: Detections, every_s: float = 5.0) -> KeptFrames:
    """Frames before `NOW`, the last at that time, with the boxes of the detector in service."""
    made = KeptFrames(KeptFrameSettings(every_s=every_s), lambda: float(NOW))
    image = np.full((96, 128, 3), 90, np.uint8)
    tags = FrameConditions(Light.NIGHT, Weather.RAIN)
    for n, boxes in enumerate(reversed(frames)):
        frame = Frame("bridge", image, n, 0.0, NOW - every_s * (len(frames) - 1 - n))
        made.offer(FrameContext(frame, tags, boxes, "a" * 64), describe())
    return made


def request(class_name: str = "fire", at_utc: int = NOW) -> VerdictRequest:
    return VerdictRequest(
        number=5, camera="bridge", class_name=class_name, at_utc=at_utc, expires_at_utc=NOW + 900
    )


def test_what_the_teacher_finds_and_the_model_did_not_is_a_miss_with_class_condition_and_box() -> None:
    answer = search_kept_frames(kept(NOTHING, NOTHING), request(at_utc=NOW - 61), Teacher(found()))
    assert answer.outcome is AnswerOutcome.CONFIRMED
    report = answer.report
    assert report is not None
    assert (report.camera, report.kind, report.class_name) == ("bridge", ErrorKind.MISSED, "fire")
    assert (report.evidence, report.model_digest) == (EvidenceSource.OPERATOR, "a" * 64)
    assert report.box == BoxGeometry(cx=0.375, cy=0.375, w=0.25, h=0.25)
    assert (report.tags.light, report.tags.weather) == (Light.NIGHT, Weather.RAIN)
    assert report.minute_utc == (NOW - 5) // 60 * 60, "the minute of the frame, not the person's"


def test_what_the_teacher_calls_otherwise_than_the_model_is_an_error_of_its_class() -> None:
    answer = search_kept_frames(kept(found(class_id=1)), request("fire"), Teacher(found(class_id=0)))
    assert answer.report is not None
    assert (answer.report.kind, answer.report.class_name) == (ErrorKind.WRONG_CLASS, "fire")


def test_what_the_model_reported_in_most_frames_was_detected() -> None:
    answer = search_kept_frames(kept(found(), found(), NOTHING), request(), Teacher(found()))
    assert (answer.outcome, answer.report) == (AnswerOutcome.DETECTED, None)


def test_what_the_model_reported_in_few_frames_was_missed() -> None:
    answer = search_kept_frames(kept(found(), NOTHING, NOTHING), request(), Teacher(found()))
    assert answer.outcome is AnswerOutcome.CONFIRMED


@pytest.mark.parametrize("teacher", [None, Teacher(NOTHING), Teacher(None)])
def test_a_weak_box_of_the_model_confirms_a_person(teacher: Teacher | None) -> None:
    answer = search_kept_frames(kept(NOTHING, found(0.4)), request(), teacher)
    assert answer.outcome is AnswerOutcome.CONFIRMED
    assert answer.report is not None
    assert answer.report.probability < 0.9, "it is weaker evidence than the teacher's"


@pytest.mark.parametrize(
    ("teacher", "outcome"),
    [
        (Teacher(NOTHING), AnswerOutcome.NOT_FOUND),
        (Teacher(found(class_id=2)), AnswerOutcome.NOT_FOUND),
        (None, AnswerOutcome.NO_TEACHER),
        (Teacher(None), AnswerOutcome.NO_TEACHER),
    ],
)
def test_looking_without_finding_is_not_the_same_as_not_looking(
    teacher: Teacher | None, outcome: AnswerOutcome
) -> None:
    assert search_kept_frames(kept(NOTHING), request(), teacher).outcome is outcome


def test_a_teacher_with_other_classes_is_understood_by_their_names() -> None:
    teacher = Teacher(found(class_id=1), classes=("tree", "fire"))
    assert search_kept_frames(kept(NOTHING), request(), teacher).outcome is AnswerOutcome.CONFIRMED


def test_a_teacher_that_fails_on_a_frame_is_asked_about_the_next() -> None:
    answer = search_kept_frames(kept(NOTHING, NOTHING), request(), Teacher(None, found()))
    assert answer.outcome is AnswerOutcome.CONFIRMED


def test_a_time_of_which_no_frame_is_kept_is_said_to_be_such() -> None:
    teacher = Teacher(found())
    assert search_kept_frames(kept(), request(), teacher).outcome is AnswerOutcome.NOT_KEPT
    early = request(at_utc=NOW - round(WINDOW_S) - 1)
    assert search_kept_frames(kept(NOTHING), early, teacher).outcome is AnswerOutcome.NOT_KEPT
    assert teacher.calls == 0


def test_a_class_that_the_model_does_not_have_is_not_known() -> None:
    assert (
        search_kept_frames(kept(NOTHING), request("flood"), Teacher(found())).outcome
        is AnswerOutcome.NOT_KNOWN
    )


def test_the_teacher_is_asked_about_few_frames_spread_over_the_window() -> None:
    teacher = Teacher(NOTHING)
    search_kept_frames(kept(*[NOTHING] * 100, every_s=1.0), request(), teacher)
    assert MOST_FRAMES // 2 < teacher.calls <= MOST_FRAMES
