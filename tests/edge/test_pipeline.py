"""One frame through the camera pipeline: hazards, evidence, tallies; a failure is never an empty result."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from ulid import ULID

from edge.camera.health import CameraMetrics
from edge.errors import DetectorError
from edge.evidence.sampling import SEGMENT_FRAMES
from edge.metrics import NodeMetrics
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.accounts import Account, account_file
from edge.settings import CameraSettings, EvidenceSettings, PrivacySettings, TeacherSettings
from edge.tracking.open_hazards import OpenHazards
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.shadow import ShadowRun
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Image
from edge.vision.frames import Frame
from messaging.reports import ErrorKind, EvidenceSource, HazardEvent, HazardState, Misdetection, RecallTally
from tests.support.edge.shown import show
from tests.support.fake_detector import FakeDetector, describe, load_fake

NOW = 1_700_000_000.0
PLAIN = EvidenceSettings(second_view_every=1000, motion=False, motion_filter=False)


def _box(confidence: float = 0.9, class_id: int = 0) -> Detections:
    return Detections.of([[20, 20, 44, 44]], [confidence], [class_id], embedding=np.ones((1, 4)))


def _frames(count: int, fps: float = 5.0) -> Iterator[Frame]:
    rng = np.random.default_rng(0)
    for i in range(count):
        image = rng.integers(90, 110, (96, 128, 3), dtype=np.uint8)
        yield Frame("bridge", image, i, i / fps, NOW + i / fps)


class Always(FakeDetector):
    """Returns the same boxes on every image."""

    boxes: Detections = Detections.empty(4)

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        return [self.boxes for _ in images]


def _always(name: str, digest: str, boxes: Detections) -> Always:
    detector = Always(describe(name), digest * 64)
    detector.boxes = boxes
    return detector


def in_service(detector: FakeDetector | None) -> SwappableDetector:
    swappable = SwappableDetector(load_fake, SwapPolicy(latency_factor=2.5))
    if detector is not None:
        swappable.serve(detector)
    return swappable


def _pipeline(
    tmp_path: Path,
    detector: FakeDetector | SwappableDetector,
    teacher: FakeDetector | None = None,
) -> CameraPipeline:
    account_file(tmp_path / "bridge.json").write(Account())
    accountant = PrivacyAccountant(tmp_path / "bridge.json", PrivacySettings(tally_tracks=1), utc=lambda: NOW)
    parts = PipelineParts(
        in_service(detector) if isinstance(detector, FakeDetector) else detector,
        in_service(teacher),
        accountant,
        NodeMetrics(),
        lambda: str(ULID()),
        PLAIN,
        TeacherSettings(),
        OpenHazards(tmp_path / "hazards.json"),
    )
    return CameraPipeline(CameraSettings(name="bridge", source="unused"), parts, CameraMetrics())


def test_a_steady_box_opens_one_hazard_event(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()))
    reports = [report for frame in _frames(20) for report in show(pipeline, frame)]
    opened = [r for r in reports if isinstance(r, HazardEvent) and r.state is HazardState.OPENED]
    assert [event.class_name for event in opened] == ["fire"]
    assert opened[0].model_digest == "a" * 64


def test_after_a_kill_a_hazard_that_persists_is_the_same_event_and_not_opened_again(tmp_path: Path) -> None:
    def hazards(pipeline: CameraPipeline, frames: int) -> list[HazardEvent]:
        reports = [report for frame in _frames(frames) for report in show(pipeline, frame)]
        return [r for r in reports if isinstance(r, HazardEvent)]

    (opened,) = hazards(_pipeline(tmp_path, _always("a", "a", _box())), 20)
    again = _pipeline(tmp_path, _always("a", "a", _box()))
    assert hazards(again, 20) == []
    (closed,) = [r for r in again.end(NOW) if isinstance(r, HazardEvent)]
    assert (closed.event, closed.state) == (opened.event, HazardState.CLOSED)
    assert len(hazards(_pipeline(tmp_path, _always("a", "a", _box())), 20)) == 1, "a closed event is over"


def test_after_a_stop_a_hazard_that_persists_continues_and_the_tallies_are_reported(tmp_path: Path) -> None:
    before = _pipeline(tmp_path, _always("a", "a", _box()), _always("t", "b", _box()))
    for frame in _frames(20):
        show(before, frame)
    assert [type(report) for report in before.stop(NOW)] == [RecallTally]
    after = _pipeline(tmp_path, _always("a", "a", _box()))
    assert [report for frame in _frames(20) for report in show(after, frame)] == []


def test_a_hazard_that_is_not_detected_after_a_kill_is_closed(tmp_path: Path) -> None:
    killed = _pipeline(tmp_path, _always("a", "a", _box()))
    for frame in _frames(20):
        show(killed, frame)
    again = _pipeline(tmp_path, _always("a", "a", Detections.empty(4)))
    reports = [report for frame in _frames(40) for report in show(again, frame)]
    assert [r.state for r in reports if isinstance(r, HazardEvent)] == [HazardState.CLOSED]


def test_an_object_that_only_the_teacher_detects_is_a_miss_and_lowers_recall(tmp_path: Path) -> None:
    service, teacher = _always("a", "a", Detections.empty(4)), _always("t", "b", _box(class_id=2))
    pipeline = _pipeline(tmp_path, service, teacher)
    reports = [report for frame in _frames(20) for report in show(pipeline, frame)]
    misses = [r for r in reports if isinstance(r, Misdetection)]
    assert {(m.kind, m.class_name, m.evidence) for m in misses} == {
        (ErrorKind.MISSED, "pothole", EvidenceSource.TEACHER)
    }
    tallies = [r for r in pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert [(t.class_name, t.supported, t.detected) for t in tallies] == [("pothole", 1, 0)]


def test_an_object_that_both_detect_counts_as_detected(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()), _always("t", "b", _box()))
    for frame in _frames(10):
        show(pipeline, frame)
    tallies = [r for r in pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert [(t.supported, t.detected) for t in tallies] == [(1, 1)]


def test_weak_boxes_of_the_teacher_continue_its_track_and_are_no_evidence_of_a_miss(tmp_path: Path) -> None:
    """Three strong boxes, then weak ones; the detector in service reports seven of the weak frames."""
    service, teacher = _always("a", "a", Detections.empty(4)), _always("t", "b", _box())
    pipeline = _pipeline(tmp_path, service, teacher)

    def misses(frames: list[Frame]) -> int:
        reports = [report for frame in frames for report in show(pipeline, frame)]
        return sum(isinstance(r, Misdetection) and r.kind is ErrorKind.MISSED for r in reports)

    frames = list(_frames(13))
    assert misses(frames[:2]) == 0
    assert misses(frames[2:3]) == 1
    service.boxes, teacher.boxes = _box(), _box(confidence=0.3)
    assert misses(frames[3:10]) == 0
    service.boxes = Detections.empty(4)
    assert misses(frames[10:]) == 0
    tallies = [r for r in pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert [(t.supported, t.detected) for t in tallies] == [(1, 1)]


def test_a_track_missed_in_less_than_half_of_its_frames_is_no_miss_and_one_missed_longer_is(
    tmp_path: Path,
) -> None:
    service, teacher = _always("a", "a", _box()), _always("t", "b", _box())
    pipeline, reported = _pipeline(tmp_path, service, teacher), []
    for number, frame in enumerate(_frames(30)):
        service.boxes = _box() if number < 12 and number % 3 else Detections.empty(4)
        misses = [r for r in show(pipeline, frame) if isinstance(r, Misdetection)]
        reported += [number for miss in misses if miss.evidence is EvidenceSource.TEACHER]
    assert reported == [16]  # its 17th frame is the first after which less than half, 8, were detected


def test_a_detector_that_fails_raises_and_is_no_evidence(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, FakeDetector(describe(), "a" * 64, kind="failing"))
    for frame in _frames(3):
        with pytest.raises(DetectorError):
            show(pipeline, frame)
    assert pipeline.end(NOW) == []


def test_misses_that_cannot_be_embedded_cost_no_hazard_and_are_reported_without_a_prototype(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_embed(image: Image, xyxy: Floats) -> Floats:
        raise DetectorError("time-out")

    seen = _always("a", "a", _box())
    both = Detections.of([[20, 20, 44, 44], [80, 20, 104, 44]], [0.9, 0.9], [0, 2], embedding=np.ones((2, 4)))
    pipeline = _pipeline(tmp_path, seen, _always("t", "b", both))
    frames = list(_frames(20))
    monkeypatch.setattr(seen, "embed", failing_embed)
    reports = [report for frame in frames for report in show(pipeline, frame)]
    assert sum(isinstance(report, HazardEvent) for report in reports) == 1
    assert [(r.kind, r.class_name) for r in reports if isinstance(r, Misdetection)] == [
        (ErrorKind.MISSED, "pothole")
    ]
    assert pipeline.prototypes(NOW) == []


def test_an_open_hazard_of_a_class_that_the_model_does_not_have_is_closed(tmp_path: Path) -> None:
    before = _pipeline(tmp_path, _always("a", "a", _box()))
    (opened,) = [report for frame in _frames(20) for report in show(before, frame)]
    other = Always(describe("b", ("smoke", "pothole")), "b" * 64)
    after = _pipeline(tmp_path, other)
    reported = [report for frame in _frames(20) for report in show(after, frame)]
    assert [(r.event, r.state) for r in reported if isinstance(r, HazardEvent)] == [
        (opened.event, HazardState.CLOSED)
    ]


def test_a_swap_changes_the_digest_on_reports_and_starts_new_tallies(tmp_path: Path) -> None:
    service = _always("a", "a", Detections.empty(4))
    pipeline = _pipeline(tmp_path, service, _always("t", "b", _box()))
    frames = list(_frames(40))
    for frame in frames[:10]:
        show(pipeline, frame)
    service.digest, service.boxes = "c" * 64, _box()
    for frame in frames[10:]:
        show(pipeline, frame)
    tallies = [r for r in pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert {(t.model_digest[0], t.supported, t.detected) for t in tallies} == {("c", 1, 1)}


class Embedding(Always):
    """Counts the boxes that it embeds."""

    embedded = 0

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        self.embedded += len(xyxy)
        return np.ones((len(xyxy), 4), np.float32)


class SwappingTeacher(Always):
    """Calls `swap` while it processes a frame, after the detector in service has processed it."""

    swap: Callable[[], None]

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        self.swap()
        return super().detect(images, floor=floor)


def test_a_frame_belongs_to_one_model_when_another_is_swapped_in_before_the_frame_ends(
    tmp_path: Path,
) -> None:
    old, new = Embedding(describe("old"), "a" * 64), Embedding(describe("new"), "c" * 64)
    old.boxes = new.boxes = Detections.empty(4)
    swappable, teacher = in_service(old), SwappingTeacher(describe("t"), "b" * 64)
    teacher.boxes, teacher.swap = _box(class_id=2), lambda: None
    pipeline = _pipeline(tmp_path, swappable, teacher)
    frames = list(_frames(8))
    before = [report for frame in frames[:2] for report in show(pipeline, frame)]
    teacher.swap = lambda: swappable.swap(new)
    (missed,) = [*before, *show(pipeline, frames[2])]
    assert missed.model_digest == "a" * 64
    assert (old.embedded, new.embedded) == (1, 0), "the model that missed the object embeds it"
    teacher.swap = lambda: None
    after = [report for frame in frames[3:] for report in show(pipeline, frame)]
    assert [report.model_digest for report in after] == ["c" * 64]
    assert new.embedded == 1


def test_without_a_teacher_the_shadow_run_is_given_as_many_frames_as_the_budget_allows(
    tmp_path: Path,
) -> None:
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()))
    shadow = ShadowRun(_always("new", "b", _box()), describe("a"), "a" * 64)
    for frame in _frames(30):
        pipeline.comparisons.note_cost(0.6 * TeacherSettings().cpu_share)
        show(pipeline, frame, shadow)
    report = shadow.report(0, final=True)
    assert 4 <= report.frames <= 12
    assert [(t.supported, t.incumbent_detected, t.candidate_detected) for t in report.tallies] == [(1, 1, 1)]


def test_with_a_teacher_the_shadow_run_processes_no_frame_on_which_the_teacher_failed(tmp_path: Path) -> None:
    failing = FakeDetector(describe("t"), "t" * 64, kind="failing")
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()), failing)
    shadow = ShadowRun(_always("new", "b", _box()), describe("a"), "a" * 64, teacher=failing.description)
    for frame in _frames(5):
        show(pipeline, frame, shadow)
    assert shadow.report(0, final=True).frames == 0


def test_fewer_than_twenty_tracks_give_no_prototype(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()))
    for frame in _frames(30):
        show(pipeline, frame)
    pipeline.end(NOW)
    assert pipeline.prototypes(NOW) == []


def _stills(tmp_path: Path, service: FakeDetector, teacher: FakeDetector | None) -> CameraPipeline:
    accountant = PrivacyAccountant(tmp_path / "road.json", PrivacySettings(tally_tracks=1), utc=lambda: NOW)
    settings = EvidenceSettings(second_view_every=1000)
    parts = PipelineParts(
        in_service(service),
        in_service(teacher),
        accountant,
        NodeMetrics(),
        lambda: str(ULID()),
        settings,
        TeacherSettings(),
        OpenHazards(tmp_path / "hazards.json"),
    )
    return CameraPipeline(CameraSettings(name="road", source="unused", stills=True), parts, CameraMetrics())


def test_in_stills_every_image_is_processed_and_every_box_is_a_track_of_its_own(tmp_path: Path) -> None:
    pipeline = _stills(tmp_path, _always("a", "a", _box()), _always("t", "b", _box()))
    for frame in _frames(6):
        assert not pipeline.process(frame).skipped
        while pipeline.compare() is not None:
            pass
    tallies = [r for r in pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert [(t.supported, t.detected) for t in tallies] == [(6, 6)]


def test_in_stills_a_miss_is_reported_in_every_image(tmp_path: Path) -> None:
    service, teacher = _always("a", "a", Detections.empty(4)), _always("t", "b", _box(class_id=2))
    pipeline = _stills(tmp_path, service, teacher)
    reports = [report for frame in _frames(5) for report in show(pipeline, frame)]
    assert [r.evidence for r in reports if isinstance(r, Misdetection)] == [EvidenceSource.TEACHER] * 5


def test_in_stills_without_a_teacher_the_shadow_run_processes_every_image(tmp_path: Path) -> None:
    pipeline = _stills(tmp_path, _always("a", "a", _box()), None)
    shadow = ShadowRun(_always("new", "b", _box()), describe("a"), "a" * 64)
    for frame in _frames(6):
        show(pipeline, frame, shadow)
    assert shadow.report(0, final=True).frames == 6


def test_frames_that_nobody_compares_are_dropped_and_counted_and_delay_no_frame(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, _always("a", "a", _box()), _always("t", "b", _box()))
    for frame in _frames(40):
        pipeline.process(frame)
    exposed = pipeline._parts.metrics.exposition().decode()
    dropped = 40 - 2 * SEGMENT_FRAMES
    assert f'frames_total{{camera="bridge",result="comparison_dropped"}} {dropped}.0' in exposed
