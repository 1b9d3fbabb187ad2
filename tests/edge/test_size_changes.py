"""A stream that changes its size or is turned: what is kept in pixels is carried over with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ulid import ULID

from edge.camera.health import CameraMetrics
from edge.errors import DetectorError
from edge.evidence.collector import EvidenceCollector, FrameContext
from edge.metrics import NodeMetrics
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.settings import CameraSettings, EvidenceSettings, PrivacySettings, TeacherSettings
from edge.tracking.open_hazards import OpenHazards
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.shadow import ShadowRun
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections
from edge.vision.detector import Image
from edge.vision.frames import Frame, SizeChange
from messaging.reports import HazardEvent, HazardState, Misdetection, RecallTally, Report
from tests.support.edge.shown import show
from tests.support.fake_detector import FakeDetector, describe, load_fake

NOW = 1_700_000_000.0
Size = tuple[int, int]
LARGE, SMALL = (1280, 720), (640, 360)
Place = tuple[float, float, float, float]
RIGHT: Place = (0.70, 0.60, 0.80, 0.75)


class Standing(FakeDetector):
    """Reports one object at a place in fractions of whatever frame it is given."""

    place: Place | None = RIGHT
    places_by_size: dict[Size, Place] | None = None
    confidence = 0.9

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        return [self._on(image) for image in images]

    def _on(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        place = (self.places_by_size or {}).get((width, height), self.place)
        if place is None:
            return Detections.empty(4)
        box = np.asarray(place) * [width, height, width, height]
        return Detections.of([box], [self.confidence], [0], embedding=np.ones((1, 4)))


@dataclass
class Camera:
    """A camera pipeline with its detectors."""

    pipeline: CameraPipeline
    model: Standing

    def show(self, *sizes: Size, start: int = 0, shadow: ShadowRun | None = None) -> list[Report]:
        reports: list[Report] = []
        for number, (width, height) in enumerate(sizes, start):
            image = np.full((height, width, 3), 100, np.uint8)
            frame = Frame("bridge", image, number, number / 5, NOW + number / 5)
            reports += show(self.pipeline, frame, shadow)
        return reports


def camera(folder: Path, *, teacher: bool = False, motion: bool = False) -> Camera:
    model = Standing(describe("a"), "a" * 64)
    service = SwappableDetector(load_fake, SwapPolicy(latency_factor=2.5))
    service.serve(model)
    taught_by = SwappableDetector(load_fake, SwapPolicy(latency_factor=2.5))
    if teacher:
        taught_by.serve(Standing(describe("t"), "b" * 64))
    parts = PipelineParts(
        service,
        taught_by,
        PrivacyAccountant(folder / "bridge.json", PrivacySettings(tally_tracks=1), utc=lambda: NOW),
        NodeMetrics(),
        lambda: str(ULID()),
        EvidenceSettings(second_view_every=1000, motion=motion, motion_filter=motion),
        TeacherSettings(),
        OpenHazards(folder / "hazards.json"),
    )
    return Camera(
        CameraPipeline(CameraSettings(name="bridge", source="unused"), parts, CameraMetrics()), model
    )


def hazards(reports: list[Report]) -> list[HazardEvent]:
    return [report for report in reports if isinstance(report, HazardEvent)]


SEQUENCES = {
    "smaller": [LARGE] * 25 + [SMALL] * 25,
    "larger": [SMALL] * 25 + [LARGE] * 25,
    "back and forth": ([LARGE] * 10 + [SMALL] * 10) * 3,
    "every frame": [LARGE, SMALL] * 25,
    "squeezed": [LARGE] * 25 + [(704, 576)] * 25,
    "turned": [LARGE] * 25 + [(720, 1280)] * 25,
    "one pixel": [LARGE] * 25 + [(1, 1)] * 2 + [LARGE] * 25,
}


@pytest.mark.parametrize("motion", [False, True], ids=["without motion", "with motion"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_standing_hazard_alarms_once_whatever_the_size_of_the_frames(
    tmp_path: Path, name: str, motion: bool
) -> None:
    subject = camera(tmp_path, teacher=True, motion=motion)
    reports = hazards(subject.show(*SEQUENCES[name]))
    assert [report.state for report in reports] == [HazardState.OPENED]
    (closed,) = hazards(subject.pipeline.end(NOW + 20))
    assert (closed.event, closed.state) == (reports[0].event, HazardState.CLOSED)
    assert (closed.box.cx, closed.box.w, closed.box.h) == pytest.approx((0.75, 0.1, 0.15), abs=0.011)


@pytest.mark.parametrize("before", [LARGE, SMALL])
def test_a_hazard_that_leaves_with_the_change_closes_with_the_box_that_it_had(
    tmp_path: Path, before: Size
) -> None:
    subject = camera(tmp_path)
    after = SMALL if before == LARGE else LARGE
    subject.show(*[before] * 25)
    subject.model.place = None
    (closed,) = hazards(subject.show(*[after] * 40, start=25))
    assert closed.state is HazardState.CLOSED
    box = closed.box
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((0.75, 0.675, 0.1, 0.15), abs=0.011)


def test_a_camera_that_is_turned_continues_its_event_at_another_place(tmp_path: Path) -> None:
    subject = camera(tmp_path)
    subject.model.places_by_size = {(720, 1280): (0.25, 0.70, 0.40, 0.80)}
    (opened,) = hazards(subject.show(*[LARGE] * 25, *[(720, 1280)] * 60))
    (closed,) = hazards(subject.pipeline.end(NOW + 20))
    assert closed.event == opened.event
    assert (closed.box.cx, closed.box.cy) == pytest.approx((0.325, 0.75), abs=0.011)


def test_after_a_turn_an_object_of_a_closed_event_is_a_hazard_of_its_own(tmp_path: Path) -> None:
    subject = camera(tmp_path)
    subject.show(*[LARGE] * 25)
    subject.model.place = None
    subject.show(*[LARGE] * 40, start=25)
    subject.model.place = (0.1, 0.1, 0.2, 0.2)
    assert [r.state for r in hazards(subject.show(*[(720, 1280)] * 25, start=65))] == [HazardState.OPENED]


def test_a_failed_inference_on_the_first_frame_of_another_size_changes_nothing(tmp_path: Path) -> None:
    subject = camera(tmp_path)
    subject.show(*[LARGE] * 25)
    detect = subject.model.detect
    subject.model.detect = lambda *given, **how: _fail()  # type: ignore[method-assign]
    with pytest.raises(DetectorError):
        subject.show(SMALL, start=25)
    subject.model.detect = detect  # type: ignore[method-assign]
    assert hazards(subject.show(*[SMALL] * 20, start=26)) == []


def _fail() -> list[Detections]:
    raise DetectorError("inference failed")


def test_the_teachers_track_is_one_track_over_a_change_of_size(tmp_path: Path) -> None:
    subject = camera(tmp_path, teacher=True)
    reports = subject.show(*[LARGE] * 10, *[SMALL] * 10)
    tallies = [r for r in subject.pipeline.end(NOW) if isinstance(r, RecallTally)]
    assert [(t.supported, t.detected) for t in tallies] == [(1, 1)]
    assert not [r for r in reports if isinstance(r, Misdetection)]


@pytest.mark.parametrize("teacher", [True, False])
def test_a_shadow_run_counts_one_track_over_a_change_of_size(tmp_path: Path, teacher: bool) -> None:
    subject = camera(tmp_path, teacher=teacher)
    shadow = ShadowRun(
        Standing(describe("new"), "c" * 64),
        describe("a"),
        "a" * 64,
        teacher=describe("t") if teacher else None,
    )
    subject.show(*[LARGE] * 10, *[SMALL] * 10, shadow=shadow)
    (tally,) = shadow.report(120, final=True).tallies
    assert (tally.supported, tally.incumbent_detected, tally.candidate_detected) == (1, 1, 1)


def test_a_weak_box_that_persists_over_a_change_of_size_is_one_miss(tmp_path: Path) -> None:
    subject = camera(tmp_path)
    subject.model.confidence = 0.75 * min(describe("a").thresholds.values())
    misses = [r for r in subject.show(*[LARGE] * 20, *[SMALL] * 20) if isinstance(r, Misdetection)]
    assert len(misses) == 1


def test_a_gap_over_a_change_of_size_is_not_cut_from_the_image_before() -> None:
    description = describe("a")
    tracker, collector = ByteTracker(description, TrackerSettings()), EvidenceCollector("cam", description)
    embedded: list[Size] = []
    for number in range(16):
        width, height = LARGE if number < 12 else SMALL
        change = SizeChange.between(LARGE, SMALL)
        if number == 12:
            tracker.resize(change)
            collector.resize(change)
        box = np.asarray(RIGHT) * [width, height, width, height]
        found = Detections.empty() if 8 <= number < 12 else Detections.of([box], [0.9], [0])
        frame = Frame("cam", np.zeros((height, width, 3), np.uint8), number, number / 5, NOW)
        context = FrameContext(frame, FrameConditions(), found, "a" * 64, tracker.update(found, number / 5))

        def embed(image: Image, xyxy: np.ndarray) -> np.ndarray:
            embedded.append((image.shape[1], image.shape[0]))
            assert (xyxy[:, 2:] <= (image.shape[1], image.shape[0])).all()
            return np.ones((len(xyxy), 4), np.float32)

        collector.observe(context, embed=embed)
    assert LARGE not in embedded


@pytest.mark.parametrize("change", [SizeChange(0.5, 0.5), SizeChange(2, 2), SizeChange(0.55, 0.8)])
def test_a_moving_track_keeps_its_number_and_its_speed_in_fractions(change: SizeChange) -> None:
    tracker = ByteTracker(describe("a"), TrackerSettings())
    factor = np.asarray([change.x, change.y, change.x, change.y])
    numbers = set()
    for number in range(20):
        box = np.asarray([100 + 8 * number, 200, 160 + 8 * number, 260], np.float64)
        if number == 10:
            tracker.resize(change)
        found = Detections.of([box if number < 10 else box * factor], [0.9], [0])
        update = tracker.update(found, number / 5)
        numbers |= {track.id for track in update.active}
    (track,) = update.active
    assert numbers == {1}
    xs = [point.xyxy[0] for point in track.history]
    np.testing.assert_allclose(np.diff(xs), 8 * change.x, rtol=1e-3)
