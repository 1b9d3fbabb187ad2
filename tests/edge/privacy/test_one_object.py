"""The attack on the unit of privacy: one object, in view for hours and in all kinds of evidence."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from ulid import ULID

from edge.camera.health import CameraMetrics
from edge.metrics import NodeMetrics
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.accounts import Account, account_file
from edge.settings import CameraSettings, EvidenceSettings, PrivacySettings, TeacherSettings
from edge.tracking.open_hazards import OpenHazards
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Image
from edge.vision.frames import Frame
from messaging.reports import EvidenceSource, Misdetection, Report
from tests.support.edge.shown import show
from tests.support.fake_detector import FakeDetector, describe, load_fake

NOW = 1_700_000_000.0
FRAMES = 5
HOLD_S = 900.0
NOTHING = Detections.empty(4)


@dataclass
class Fickle(FakeDetector):
    """Detects what it is given in a frame (`now`), something else in second views, and embeds everything."""

    now: Detections = field(default_factory=lambda: NOTHING)
    in_views: Detections = field(default_factory=lambda: NOTHING)

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        return [self.now] if len(images) == 1 else [NOTHING, self.in_views]

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        return np.ones((len(xyxy), 4), np.float32)


def at(confidence: float, class_id: int = 0, *, moved: float = 0.0, part: bool = False) -> Detections:
    """The object: a part of it, or all of it; moved a little, as boxes do."""
    box = [30, 30, 40, 40] if part else [20 + moved, 20, 44 + moved, 44]
    return Detections.of([box], [confidence], [class_id], embedding=np.ones((1, 4)))


def appearance() -> Iterator[tuple[Detections, Detections, Detections]]:
    """What detector, views and teacher find in some frames, so that all evidence sources report."""
    yield from [(at(0.9, moved=i % 3), at(0.9), at(0.9)) for i in range(4)]
    yield from [(NOTHING, NOTHING, NOTHING)] * 3
    yield from [(at(0.9), at(0.9), at(0.9))] * 3
    yield from [(NOTHING, at(0.9, 2, part=True), NOTHING)] * 2
    yield from [(at(0.3, 1, moved=i % 2), NOTHING, NOTHING) for i in range(6)]
    yield from [(at(0.9, 1), NOTHING, NOTHING)] * 4
    yield from [(NOTHING, NOTHING, at(0.9, 2))] * 6


class Street:
    """A camera with a teacher, and all reports that it made."""

    def __init__(self, folder: Path, *, stills: bool) -> None:
        self.own, self.teacher = Fickle(describe("a"), "a" * 64), Fickle(describe("t"), "b" * 64)
        own, teacher = (SwappableDetector(load_fake, SwapPolicy(latency_factor=2.5)) for _ in range(2))
        own.serve(self.own)
        teacher.serve(self.teacher)
        account_file(folder / "cam.json").write(Account())
        parts = PipelineParts(
            own,
            teacher,
            PrivacyAccountant(folder / "cam.json", PrivacySettings(least_cosine=0.0), utc=lambda: NOW),
            NodeMetrics(),
            lambda: str(ULID()),
            EvidenceSettings(second_view_every=1, motion=False, motion_filter=False),
            TeacherSettings(),
            OpenHazards(folder / "hazards.json"),
        )
        camera = CameraSettings(
            name="cam",
            source="unused",
            speed=None,
            stills=stills,
            same_place_s=HOLD_S,
            same_place_frames=FRAMES,
        )
        self.pipeline = CameraPipeline(camera, parts, CameraMetrics())
        self.reports: list[Report] = []
        self.frames, self.time_s = 0, 0.0

    def show(self, own: Detections, views: Detections, teacher: Detections, *, after_s: float = 0.2) -> None:
        self.own.now, self.own.in_views, self.teacher.now = own, views, teacher
        image = np.full((96, 128, 3), 100 + self.frames % 7, np.uint8)
        self.frames, self.time_s = self.frames + 1, self.time_s + after_s
        self.reports += show(self.pipeline, Frame("cam", image, self.frames, self.time_s, NOW + self.time_s))

    def empty_for(self, seconds: float) -> None:
        for _ in range(FRAMES + 2):
            self.show(NOTHING, NOTHING, NOTHING, after_s=seconds / FRAMES)

    def counted(self) -> int:
        return sum(self.pipeline._prototypes._book.counts().values())


@pytest.mark.parametrize("stills", [False, True], ids=["footage", "stills"])
def test_one_object_in_all_evidence_kinds_is_never_released_however_long_it_is_seen(
    tmp_path: Path, stills: bool
) -> None:
    street = Street(tmp_path, stills=stills)
    for again in range(6):
        for seen in appearance():
            street.show(*seen)
        if again % 2 == 0:
            street.show(NOTHING, NOTHING, NOTHING, after_s=800.0)
        assert street.pipeline.prototypes(NOW) == []
    sources = {r.evidence for r in street.reports if isinstance(r, Misdetection)}
    assert sources >= {EvidenceSource.VIEW_DISAGREEMENT, EvidenceSource.TEACHER, EvidenceSource.LOW_MARGIN}
    assert stills or EvidenceSource.TRACK_GAP in sources
    assert street.counted() == 0, "its place is still held"
    street.empty_for(HOLD_S)
    assert street.counted() == 1


def test_a_standing_object_on_stills_an_hour_apart_is_never_released(tmp_path: Path) -> None:
    street = Street(tmp_path, stills=True)
    for hour in range(30):
        street.show(at(0.9, moved=hour % 3), at(0.9), at(0.9), after_s=3600.0)
    street.empty_for(HOLD_S)
    assert street.counted() == 1
    assert street.pipeline.prototypes(NOW) == []


def test_twenty_objects_that_come_one_after_the_other_are_released(tmp_path: Path) -> None:
    street = Street(tmp_path, stills=False)
    for _ in range(20):
        for _ in range(4):
            street.show(at(0.9), at(0.9), at(0.9))
        street.empty_for(HOLD_S)
    (released,) = street.pipeline.prototypes(NOW)
    assert getattr(released, "tracks", None) == 20


@pytest.mark.parametrize(("pixels_per_frame", "located"), [(0.0, 6), (0.1, 6), (9.0, 60)])
def test_a_track_that_stands_still_is_located_once_a_second_and_one_that_moves_in_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels_per_frame: float, located: int
) -> None:
    prototypes = Street(tmp_path, stills=False).pipeline._prototypes
    real, times = prototypes.appearances.at, list[float]()

    def at_place(xyxy: Floats, time_s: float, track: Hashable | None = None) -> int:
        times.append(time_s)
        return real(xyxy, time_s, track)

    monkeypatch.setattr(prototypes.appearances, "at", at_place)
    for frame in range(60):
        box = np.asarray([20, 20, 44, 44], np.float32) + pixels_per_frame * frame
        prototypes.observe({"track-1": box.astype(np.float32)}, frame / 10)
    assert len(times) == located
    assert prototypes.appearances.at(box, 6.0) == 1


def test_a_swap_to_another_embedding_space_stops_no_frame_and_mixes_no_sums(tmp_path: Path) -> None:
    street = Street(tmp_path, stills=False)
    for _ in range(3):
        for _ in range(4):
            street.show(at(0.9), NOTHING, NOTHING)
        street.empty_for(HOLD_S)
    assert street.counted() == 3
    for _ in range(4):
        street.show(at(0.9), NOTHING, NOTHING)
    other = describe("other").model_copy(update={"embedding_digest": "f" * 64, "embedding_width": 8})
    street.own = Fickle(other, "c" * 64)
    street.pipeline._parts.detector.serve(street.own)
    wide = Detections.of([[20, 20, 44, 44]], [0.9], [0], embedding=np.ones((1, 8)))
    for _ in range(4):
        street.show(wide, NOTHING, NOTHING)
    street.empty_for(HOLD_S)
    ((key, count),) = street.pipeline._prototypes._book.counts().items()
    assert (key.embedding_digest, count) == ("f" * 64, 1)
