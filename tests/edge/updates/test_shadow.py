"""Candidate beside incumbent: what is counted with a teacher and without one."""

from dataclasses import replace

import numpy as np
import pytest

from edge.tracking.tracker import SINGLE_IMAGE
from edge.updates.shadow import ShadowRun
from edge.vision.detections import Detections
from messaging.errors import ConfigurationError
from messaging.reports import ShadowReport, ShadowTally
from messaging.taxonomy import Condition, Light, Weather
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, Message, encode
from tests.support.fake_detector import FakeDetector, describe

NIGHT = Condition(Light.NIGHT, Weather.FOG)
IMAGE = np.zeros((100, 100, 3), np.uint8)
NOTHING = Detections.empty()
NEAR, FAR = [10, 10, 50, 50], [60, 60, 95, 95]


def seen(*boxes: list[int], class_id: int = 0) -> Detections:
    return Detections.of(list(boxes), [0.9] * len(boxes), [class_id] * len(boxes)) if boxes else NOTHING


def run(
    incumbent: Detections, candidate: Detections, teacher: Detections | None = None, *, frames: int = 8
) -> ShadowReport:
    """The same image for some frames, then the end of the footage."""
    detector = FakeDetector(describe("new"), "b" * 64, script=[candidate] * frames)
    shadow = ShadowRun(
        detector, describe("old"), "a" * 64, teacher=None if teacher is None else describe("teacher")
    )
    for number in range(frames):
        shadow.process(
            "gate", IMAGE, incumbent, condition=NIGHT, time_s=number / 4, incumbent_ms=7.0, teacher=teacher
        )
    return shadow.report(120, final=True)


def figures(report: ShadowReport) -> tuple[int, int, int, int, int]:
    (row,) = report.tallies
    assert (row.class_name, row.light, row.weather) == ("fire", Light.NIGHT, Weather.FOG)
    return (
        row.supported,
        row.incumbent_detected,
        row.candidate_detected,
        row.incumbent_unsupported,
        row.candidate_unsupported,
    )


@pytest.mark.parametrize(
    ("incumbent", "candidate", "teacher", "expected"),
    [
        pytest.param(seen(NEAR), seen(NEAR), seen(NEAR), (1, 1, 1, 0, 0), id="all agree"),
        pytest.param(seen(), seen(NEAR), seen(NEAR), (1, 0, 1, 0, 0), id="the candidate finds a miss"),
        pytest.param(seen(NEAR), seen(), seen(NEAR), (1, 1, 0, 0, 0), id="the candidate misses"),
        pytest.param(seen(), seen(NEAR), seen(), (0, 0, 0, 0, 1), id="nobody confirms the candidate"),
        pytest.param(seen(NEAR, FAR), seen(NEAR), seen(NEAR), (1, 1, 1, 1, 0), id="incumbent's false alarm"),
        pytest.param(seen(NEAR, FAR), seen(NEAR, FAR), None, (2, 2, 2, 0, 0), id="no teacher, both agree"),
        pytest.param(seen(NEAR), seen(NEAR, FAR), None, (1, 1, 1, 0, 1), id="no teacher, one sees more"),
    ],
)
def test_tracks_are_counted_by_the_models_that_detect_them(
    incumbent: Detections,
    candidate: Detections,
    teacher: Detections | None,
    expected: tuple[int, int, int, int, int],
) -> None:
    assert figures(run(incumbent, candidate, teacher)) == expected


def test_without_a_teacher_a_track_that_one_model_detects_in_few_frames_is_its_miss() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, script=[seen(NEAR)] * 10)
    shadow = ShadowRun(detector, describe("old"), "a" * 64)
    for number in range(10):
        incumbent = seen(NEAR) if number in (2, 5) else NOTHING
        shadow.process("gate", IMAGE, incumbent, condition=NIGHT, time_s=number / 4, incumbent_ms=7.0)
    assert figures(shadow.report(120, final=True)) == (1, 0, 1, 0, 0)


def test_with_a_teacher_only_frames_that_it_processed_are_counted() -> None:
    detector = FakeDetector(describe("new"), "b" * 64)
    shadow = ShadowRun(detector, describe("old"), "a" * 64, teacher=describe("teacher"))
    shadow.process("gate", IMAGE, NOTHING, condition=NIGHT, time_s=0, incumbent_ms=7.0)
    shadow.process("gate", IMAGE, NOTHING, condition=NIGHT, time_s=1, incumbent_ms=7.0, teacher=NOTHING)
    assert (shadow.report(120).frames, detector.calls) == (1, 1)


def test_in_stills_every_box_of_the_teacher_counts_once_even_at_the_same_place() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, script=[seen(NEAR)] * 5)
    shadow = ShadowRun(detector, describe("old"), "a" * 64, teacher=describe("teacher"))
    for number in range(5):
        shadow.process(
            "road", IMAGE, NOTHING, condition=NIGHT, time_s=number / 5, incumbent_ms=7.0,
            teacher=seen(NEAR, FAR), tracking=SINGLE_IMAGE,
        )  # fmt: skip
    assert figures(shadow.report(120, final=True)) == (10, 0, 5, 0, 0)


def test_in_stills_without_a_teacher_a_box_of_both_models_in_one_image_is_supported() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, script=[seen(NEAR, FAR)] * 4)
    shadow = ShadowRun(detector, describe("old"), "a" * 64)
    for number in range(4):
        shadow.process(
            "road",
            IMAGE,
            seen(NEAR),
            condition=NIGHT,
            time_s=number / 4,
            incumbent_ms=7.0,
            tracking=SINGLE_IMAGE,
        )
    assert figures(shadow.report(120, final=True)) == (4, 4, 4, 0, 4)


def test_a_teacher_may_have_other_classes() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, script=[seen(NEAR)] * 8)
    teacher = describe("teacher", ("pothole", "fire"))
    shadow = ShadowRun(detector, describe("old"), "a" * 64, teacher=teacher)
    for number in range(8):
        shadow.process(
            "gate", IMAGE, NOTHING, condition=NIGHT, time_s=number / 4, incumbent_ms=7.0, teacher=seen(NEAR)
        )
    assert figures(shadow.report(120, final=True)) == (1, 0, 1, 0, 0)


def test_a_candidate_whose_inference_fails_is_a_failure_and_never_an_empty_result() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, kind="failing")
    shadow = ShadowRun(detector, describe("old"), "a" * 64)
    for number in range(5):
        shadow.process("gate", IMAGE, seen(NEAR), condition=NIGHT, time_s=number, incumbent_ms=7.0)
    report = shadow.report(120, final=True)
    assert (report.candidate_failures, report.frames, report.tallies) == (5, 0, ())


def test_counts_add_up_over_the_run_and_cameras_are_counted_apart() -> None:
    detector = FakeDetector(describe("new"), "b" * 64, script=[seen(NEAR)] * 16)
    shadow = ShadowRun(detector, describe("old"), "a" * 64, clock=iter(np.arange(0, 99, 0.005)).__next__)
    for number in range(8):
        for camera in ("gate", "yard"):
            shadow.process(camera, IMAGE, seen(NEAR), condition=NIGHT, time_s=number / 4, incumbent_ms=7.0)
    assert shadow.report(120).tallies == ()
    final = shadow.report(180, final=True)
    assert figures(final) == (2, 2, 2, 0, 0)
    assert (final.frames, final.incumbent_p95_ms, final.candidate_p95_ms) == (16, 7.0, 5.0)


def test_models_of_other_classes_are_not_compared() -> None:
    for names in (["cat"], ["smoke", "fire", "pothole"]):
        other = FakeDetector(describe("new", names), "b" * 64)
        with pytest.raises(ConfigurationError, match="classes of one model in the other, first"):
            ShadowRun(other, describe("old"), "a" * 64)


@pytest.mark.parametrize("teacher", [None, seen(NEAR, FAR, class_id=2)])
def test_only_the_classes_that_both_models_have_are_compared(teacher: Detections | None) -> None:
    before = FakeDetector(describe("before", ["fire", "smoke"]), "b" * 64, script=[seen(NEAR)] * 8)
    taught = None if teacher is None else describe("teacher")
    shadow = ShadowRun(before, describe("new"), "a" * 64, teacher=taught)
    for number in range(8):
        shadow.process(
            "gate", IMAGE, seen(NEAR, FAR, class_id=2), condition=NIGHT, time_s=number / 4, incumbent_ms=7.0,
            teacher=teacher,
        )  # fmt: skip
    shadow.report(120, final=True)
    paired = shadow.paired()
    assert (paired.frames, paired.unconfirmed, paired.unsupported) == (8, (0, 8), (0, 1))
    assert (paired.supported, paired.alone) == (0, (0, 0))


def test_the_largest_report_fits_into_a_message() -> None:
    row = ShadowTally(
        class_name="c" * 40,
        light=Light.UNKNOWN,
        weather=Weather.UNKNOWN,
        supported=9_999_999,
        incumbent_detected=9_999_999,
        candidate_detected=9_999_999,
        incumbent_unsupported=9_999_999,
        candidate_unsupported=9_999_999,
    )
    report = run(seen(NEAR), seen(NEAR)).model_copy(update={"tallies": (row,) * 32})
    message = Message("0" * 26, "harbour", 0, report)
    assert len(encode(message)) <= MAX_MESSAGE_BYTES
    assert replace(message, site="x").report is report
