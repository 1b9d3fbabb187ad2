import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import DetectorError
from edge.evidence.collector import (
    PROBABILITY,
    Comparisons,
    Evidence,
    EvidenceCollector,
    FrameContext,
    Repetition,
    track_key,
)
from edge.evidence.teacher import TeacherResult
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections, Floats
from edge.vision.frames import Frame, MotionReading
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import Light, Weather
from tests.support.edge.model_bundles import describe

FIRE, SMOKE, POTHOLE = 0, 1, 3
BOX = (100.0, 100.0, 160.0, 180.0)
FAR = (400.0, 100.0, 460.0, 180.0)
TALL = (100.0, 100.0, 160.0, 290.0)
NOTHING = np.zeros((0, 4), np.float32)
IMAGE = np.zeros((360, 640, 3), np.uint8)
START_UTC = 1_800_000_030.0


def box(
    xyxy: tuple[float, ...] = BOX, confidence: float = 0.8, class_id: int = FIRE, runner_up: float = 0.05
) -> Detections:
    return Detections.of([xyxy], [confidence], [class_id], runner_up=[runner_up])


def both(*parts: Detections) -> Detections:
    names = ("xyxy", "confidence", "class_id")
    return Detections.of(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def from_teacher(boxes: Detections) -> TeacherResult:
    """The teacher's result with these boxes above their thresholds, as on a still."""
    return TeacherResult(boxes, boxes, missed=None)


def busy(*xyxy: tuple[float, ...]) -> MotionReading:
    regions = np.asarray(xyxy, np.float32).reshape(-1, 4)
    return MotionReading(True, False, NOTHING, NOTHING, regions)


class Camera:
    """A camera at 5 frames per second with its tracker and collector; the boxes are a script."""

    def __init__(self, **changes: object) -> None:
        bundle = describe()
        self.tracker = ByteTracker(bundle, TrackerSettings())
        self.collector = EvidenceCollector("cam", bundle, **changes)  # type: ignore[arg-type]  # a table's
        self.frame = 0
        self.embedded_images: list[int] = []

    def see(
        self,
        seen: Detections | None = None,
        *,
        still: bool = False,
        motion: MotionReading | None = None,
        comparisons: Comparisons | None = None,
        embed: bool = False,
    ) -> list[Evidence]:
        seen = Detections.empty() if seen is None else seen
        time_s = self.frame / 5
        image = np.full_like(IMAGE, self.frame % 256)
        frame = Frame("cam", image, self.frame, time_s, START_UTC + time_s)
        self.frame += 1
        context = FrameContext(
            frame,
            FrameConditions(Light.NIGHT, Weather.RAIN),
            seen,
            "d" * 64,
            None if still else self.tracker.update(seen, time_s),
            motion,
        )
        return self.collector.observe(context, comparisons, embed=self.embed if embed else None)

    def embed(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        self.embedded_images.append(int(image[0, 0, 0]))
        return np.full((len(xyxy), 4), image[0, 0, 0], np.float32)

    def run(self, *script: Detections | None) -> list[Evidence]:
        return [e for seen in script for e in self.see(seen)]


def summary(evidence: list[Evidence]) -> list[tuple[str, str, str]]:
    return [(e.report.evidence.value, e.report.kind.value, e.report.class_name) for e in evidence]


def test_a_gap_between_detections_is_a_miss_with_class_and_box() -> None:
    camera = Camera()
    moved = (120.0, 100.0, 180.0, 180.0)
    assert camera.run(box(), box(), box(), None, None, None) == []
    found = camera.see(box(moved), embed=True)
    assert summary(found) == [("track_gap", "missed", "fire")]
    assert found[0].track_key == track_key(1)
    # Three quarters of the way between the two detections: the last frame of the gap, where it is pooled.
    assert found[0].xyxy.tolist() == pytest.approx([115, 100, 175, 180])
    assert camera.embedded_images == [5]
    assert found[0].embedding is not None
    assert found[0].embedding.tolist() == [5, 5, 5, 5]


def test_the_report_is_coarse_and_complete() -> None:
    camera = Camera()
    camera.run(box(), box(), box(), None, None)
    report = camera.see(box())[0].report
    assert report.minute_utc == 1_800_000_000
    assert (report.box.cx, report.box.cy, report.box.w, report.box.h) == (0.2, 0.39, 0.09, 0.22)
    assert (report.tags.light, report.tags.weather) == (Light.NIGHT, Weather.RAIN)
    assert report.probability == PROBABILITY[EvidenceSource.TRACK_GAP, ErrorKind.MISSED]
    assert report.model_digest == "d" * 64


@pytest.mark.parametrize(
    "script",
    [
        [box(), box(), box(), None, box()],
        [box(), None, None, box(), None],
        [box()] * 6,
        [box(), box(), box()] + [None] * 30,
    ],
    ids=["one frame is a flicker", "not yet confirmed", "no gap", "not detected again"],
)
def test_what_is_no_gap_is_no_evidence(script: list[Detections | None]) -> None:
    assert Camera().run(*script) == []


def test_weak_boxes_in_between_are_a_gap_too() -> None:
    weak = box(confidence=0.2)
    assert summary(Camera().run(box(), box(), box(), weak, weak, box()))[0] == ("track_gap", "missed", "fire")


def test_a_frame_on_which_the_detector_failed_is_no_gap() -> None:
    camera = Camera()
    camera.run(box(), box(), box())
    for _ in range(4):
        camera.frame += 1
        camera.collector.detection_failed()
    assert camera.run(box(), box()) == []


def test_boxes_that_stay_below_the_threshold_are_a_miss_although_no_track_ever_starts() -> None:
    camera = Camera()
    found = camera.run(*[box(confidence=0.25)] * 8)
    assert summary(found) == [("low_margin", "missed", "fire")]
    assert found[0].track_key == "weak-1"


def test_a_class_whose_runner_up_is_as_good_is_uncertain() -> None:
    found = Camera().run(*[box(confidence=0.5, runner_up=0.46)] * 8)
    assert summary(found) == [("low_margin", "wrong_class", "fire")]


def test_clear_boxes_are_no_evidence() -> None:
    assert Camera().run(*[box()] * 20) == []


def test_motion_that_persists_where_nothing_is_detected_is_a_miss_of_unknown_class() -> None:
    found = Camera().see(motion=busy(BOX))
    assert summary(found) == [("motion", "missed", "unknown")]


@pytest.mark.parametrize(
    "seen",
    [box(), box(confidence=0.25), box((90.0, 90.0, 130.0, 130.0))],
    ids=["box", "weak box", "part of it"],
)
def test_motion_where_something_is_detected_is_explained(seen: Detections) -> None:
    assert Camera().see(seen, motion=busy(BOX)) == []


def test_motion_is_explained_by_what_was_detected_there_recently() -> None:
    camera = Camera()
    camera.run(*[box()] * 3)
    assert camera.see(None, motion=busy(BOX)) == []
    for _ in range(25):
        camera.see(None)
    assert summary(camera.see(None, motion=busy(BOX))) == [("motion", "missed", "unknown")]


def test_a_change_of_the_whole_image_is_no_evidence() -> None:
    reading = MotionReading(True, True, NOTHING, NOTHING, np.asarray([BOX], np.float32))
    assert Camera().see(None, motion=reading) == []


@pytest.mark.parametrize(
    ("own", "views", "expected"),
    [
        (None, [box()], [("view_disagreement", "missed", "fire")]),
        (box(), [box(), box()], []),
        (box(), [None, None], [("view_disagreement", "false_alarm", "fire")]),
        (box(), [None, box(confidence=0.25)], []),
        (box(class_id=SMOKE), [box(), box(class_id=SMOKE)], [("view_disagreement", "missed", "fire")]),
        (None, [box(confidence=0.3)], []),
    ],
    ids=[
        "in a view only",
        "agreement",
        "in no view",
        "a trace in a view",
        "another class",
        "a view below its threshold",
    ],
)
@pytest.mark.parametrize("still", [False, True], ids=["footage", "still"])
def test_a_second_view_that_disagrees_is_evidence(
    own: Detections | None, views: list[Detections | None], expected: list[tuple[str, str, str]], still: bool
) -> None:
    seen = tuple(Detections.empty() if v is None else v for v in views)
    assert summary(Camera().see(own, comparisons=Comparisons(views=seen), still=still)) == expected


@pytest.mark.parametrize(
    ("own", "teacher", "expected"),
    [
        (None, box(), [("teacher", "missed", "fire")]),
        (box(), Detections.empty(), [("teacher", "false_alarm", "fire")]),
        (box(), box(), []),
        (
            box(class_id=POTHOLE),
            box(class_id=FIRE),
            [("teacher", "wrong_class", "fire"), ("teacher", "false_alarm", "pothole")],
        ),
        (box(class_id=POTHOLE), box((100, 100, 160, 215), class_id=POTHOLE), []),
        (box(class_id=POTHOLE), box(TALL, class_id=POTHOLE), [("teacher", "poor_box", "pothole")]),
        (box(), box(TALL), []),
    ],
    ids=["missed", "unsupported", "agreement", "another class", "good box", "poor box", "amorphous"],
)
@pytest.mark.parametrize("still", [False, True], ids=["footage", "still"])
def test_a_teacher_that_disagrees_is_evidence(
    own: Detections | None, teacher: Detections, expected: list[tuple[str, str, str]], still: bool
) -> None:
    assert (
        summary(Camera().see(own, comparisons=Comparisons(teacher=from_teacher(teacher)), still=still))
        == expected
    )


def test_in_footage_the_teacher_reports_misses_only_of_tracks_missed_most_of_the_time() -> None:
    tracker, camera = ByteTracker(describe(), TrackerSettings()), Camera()
    tracks = [tracker.update(box(), number / 5) for number in range(4)][-1].active
    for missed, expected in (((), []), (tracks, [("teacher", "missed", "fire")])):
        teacher = TeacherResult(box(), box(), missed=missed)
        found = camera.see(None, comparisons=Comparisons(teacher=teacher))
        assert summary(found) == expected
    assert found[0].track_key == track_key(tracks[0].id, EvidenceSource.TEACHER)


def test_a_result_that_is_absent_is_no_evidence() -> None:
    assert Camera().see(box(), comparisons=Comparisons(views=None, teacher=None)) == []


def test_in_a_still_a_box_just_below_its_threshold_is_a_miss() -> None:
    found = Camera().see(both(box(confidence=0.3), box(FAR, confidence=0.15)), still=True)
    assert summary(found) == [("low_margin", "missed", "fire")]


def test_stills_have_no_memory() -> None:
    camera = Camera()
    for _ in range(3):
        assert len(camera.see(box(confidence=0.3), still=True)) == 1


def test_one_place_and_kind_is_reported_once_by_all_sources_together() -> None:
    camera = Camera()
    comparisons = Comparisons(views=(box(),), teacher=from_teacher(box((105, 105, 160, 180))))
    found = camera.see(None, comparisons=comparisons, motion=busy(BOX))
    assert summary(found) == [("teacher", "missed", "fire")]
    assert camera.see(None, comparisons=comparisons, motion=busy(BOX)) == []
    elsewhere = camera.see(None, comparisons=Comparisons(teacher=from_teacher(box(FAR))))
    assert summary(elsewhere) == [("teacher", "missed", "fire")]


def test_a_class_is_reported_where_only_motion_was_reported_before() -> None:
    camera = Camera()
    assert summary(camera.see(None, motion=busy(BOX))) == [("motion", "missed", "unknown")]
    found = camera.see(None, comparisons=Comparisons(teacher=from_teacher(box())))
    assert summary(found) == [("teacher", "missed", "fire")]


def test_a_place_is_reported_again_after_its_cool_down_or_after_a_long_time() -> None:
    camera = Camera(repetition=Repetition(cool_down_s=2.0, at_most_s=6.0))
    comparisons = Comparisons(teacher=from_teacher(box()))
    assert len(camera.see(None, comparisons=comparisons)) == 1
    reported = [camera.frame for _ in range(40) if camera.see(None, comparisons=comparisons)]
    assert reported == [32]  # 6.2 s after the first: the first frame that is more than 6 s later
    camera.run(*[None] * 11)
    assert len(camera.see(None, comparisons=comparisons)) == 1


def test_only_the_enabled_sources_report() -> None:
    camera = Camera(sources=frozenset({EvidenceSource.MOTION}))
    found = camera.see(
        None, comparisons=Comparisons(teacher=from_teacher(box()), views=(box(),)), motion=busy(FAR)
    )
    assert summary(found) == [("motion", "missed", "unknown")]


def test_another_bundle_starts_with_nothing_reported() -> None:
    camera = Camera()
    comparisons = Comparisons(teacher=from_teacher(box()))
    camera.see(None, comparisons=comparisons)
    camera.collector.describe(describe({"fire": 0.3}))
    assert len(camera.see(None, comparisons=comparisons)) == 1


def test_an_embedding_that_fails_reports_nothing_and_the_next_frame_may() -> None:
    camera = Camera()

    def broken(image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        raise DetectorError("time-out")

    camera.embed = broken  # type: ignore[method-assign]  # a detector that fails
    with pytest.raises(DetectorError):
        camera.see(None, comparisons=Comparisons(teacher=from_teacher(box())), embed=True)
    assert len(camera.see(None, comparisons=Comparisons(teacher=from_teacher(box())))) == 1


@pytest.mark.parametrize(("changed", "factor"), [(BOX, 1.0), (FAR, 0.4)], ids=["changed", "still"])
def test_a_miss_where_nothing_changed_is_less_probable(changed: tuple[float, ...], factor: float) -> None:
    motion = MotionReading(True, False, np.asarray([changed], np.float32), NOTHING, NOTHING)
    found = Camera().see(None, motion=motion, comparisons=Comparisons(teacher=from_teacher(box())))
    usual = PROBABILITY[EvidenceSource.TEACHER, ErrorKind.MISSED]
    assert found[0].report.probability == pytest.approx(factor * usual, abs=0.006)


@pytest.mark.parametrize(
    "reported",
    [box((95.0, 95.0, 165.0, 185.0), class_id=POTHOLE), box((90.0, 90.0, 300.0, 300.0))],
    ids=["something else in the same outline", "the whole of which this is a part"],
)
def test_an_object_reported_under_another_class_or_box_is_not_missed(reported: Detections) -> None:
    comparisons = Comparisons(views=(both(box(), reported), reported))
    assert Camera().see(reported, comparisons=comparisons) == []


def test_evidence_boxes_are_inside_the_frame() -> None:
    found = Camera().see(None, comparisons=Comparisons(teacher=from_teacher(box((-50, -50, 700, 400)))))
    assert found[0].xyxy.tolist() == [0, 0, 640, 360]


def test_the_floor_is_what_weak_tracks_need() -> None:
    assert Camera().collector.floor == pytest.approx(0.4 * 0.5)
