"""The real loop: footage of its cameras, metrics on val, and how a result without gain is reported."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cloud.data.boxes import NormalisedBox
from cloud.demo.outcome import CloudState
from cloud.demo.photographs.outcome import RealTruth, figures_of_real, real_outcome
from cloud.demo.photographs.roles import Photograph
from cloud.demo.photographs.scenario import (
    FIRE_CAMERA,
    RealInput,
    RealPlayer,
    RealScenario,
    real_demo_profile,
)
from cloud.demo.photographs.truth import RoadMetrics, frames_with_fire, road_metrics
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, Images, Measured, Score
from cloud.demo.script import FootagePhase
from cloud.errors import DataRefused
from edge.vision.detections import Detections
from messaging.api.sites import CameraResource
from messaging.resources import CampaignResource
from tests.support.cloud.photographs import data_set
from tests.support.fake_detector import FakeDetector, describe

FIRE, POTHOLE = 0, 2


def photograph(folder: Path, name: str, *boxes: tuple[float, float, float, float]) -> Photograph:
    path = folder / f"{name}.jpg"
    cv2.imwrite(str(path), np.full((100, 160, 3), 90, np.uint8))
    truth = tuple(NormalisedBox("pothole", box) for box in boxes)
    return Photograph(path, folder / f"{name}.txt", "dnit", "road", "day", 160, 100, truth)


def potholes(*xyxy: Sequence[float]) -> Detections:
    return Detections.of(list(xyxy), [0.9] * len(xyxy), [POTHOLE] * len(xyxy)) if xyxy else Detections.empty()


def scripted(*answers: Detections) -> FakeDetector:
    return FakeDetector(describe(), "a" * 64, script=list(answers))


def test_every_phase_plays_the_roads_in_order_and_the_video_once(tmp_path: Path) -> None:
    roads = {"km1": (photograph(tmp_path, "b"), photograph(tmp_path, "a"))}
    (tmp_path / "fire.mp4").write_bytes(b"video")
    player = RealPlayer(tmp_path / "work", roads, tmp_path / "fire.mp4", shadow_delay_s=0.01)
    player.begin(FootagePhase.OBSERVE, 0)
    player.begin(FootagePhase.FILLER, 0)
    player.begin(FootagePhase.SHADOW, 0)
    for timer in threading.enumerate():
        if isinstance(timer, threading.Timer):
            timer.join(10)
    given = sorted(path.name for path in (tmp_path / "work" / "footage" / "km1").iterdir())
    assert given == [
        "00-0-observe-0000.jpg", "00-0-observe-0001.jpg", "00-1-shadow-0000.jpg", "00-1-shadow-0001.jpg"
    ]  # fmt: skip
    videos = sorted(path.name for path in (tmp_path / "work" / "footage" / FIRE_CAMERA).iterdir())
    assert videos == ["00-0-observe.mp4", "00-1-shadow.mp4"]
    assert [camera["stills"] for camera in player.cameras("highway")] == [True]
    assert [camera["stills"] for camera in player.cameras("square")] == [False]


def test_a_pass_that_has_not_started_when_the_run_ends_is_cancelled(tmp_path: Path) -> None:
    roads = {"km1": (photograph(tmp_path, "a"),)}
    player = RealPlayer(tmp_path / "work", roads, tmp_path / "fire.mp4", shadow_delay_s=60)
    player.begin(FootagePhase.SHADOW, 0)
    player.stop()
    assert list((tmp_path / "work" / "footage" / "km1").iterdir()) == []


def _camera(name: str, frames: int) -> CameraResource:
    required = {field for field, info in CameraResource.model_fields.items() if info.is_required()}
    numbers = dict.fromkeys(required, 0)
    texts = {"site": "highway", "camera": name, "light": "day", "weather": "clear"}
    return CameraResource.model_validate({**numbers, **texts, "connected": True, "frames": frames})


@pytest.mark.parametrize(
    ("road", "video", "expected"), [(2, 1, True), (1, 1, False), (2, 0, False)], ids=["all", "road", "video"]
)
def test_an_observation_ends_when_every_photograph_was_processed(
    tmp_path: Path, road: int, video: int, expected: bool
) -> None:
    roads = {"km1": (photograph(tmp_path, "b"), photograph(tmp_path, "a"))}
    (tmp_path / "fire.mp4").write_bytes(b"video")
    player = RealPlayer(tmp_path / "work", roads, tmp_path / "fire.mp4")
    player.begin(FootagePhase.OBSERVE, 0)
    assert player.observed([_camera("km1", road), _camera(FIRE_CAMERA, video)]) is expected


def test_potholes_are_counted_by_their_size_at_640(tmp_path: Path) -> None:
    road = [
        photograph(tmp_path, "both", (0.25, 0.5, 0.25, 0.4), (0.75, 0.5, 0.1, 0.05)),
        photograph(tmp_path, "small", (0.5, 0.5, 0.1, 0.05)),
        photograph(tmp_path, "none"),
    ]
    detector = scripted(
        potholes([20, 30, 60, 70]), potholes([72, 47.5, 88, 52.5], [0, 0, 40, 40]), potholes([5, 5, 11, 11])
    )
    seen = road_metrics(detector, road)
    assert (seen.small, seen.large) == ((False, True), (True,))
    assert (seen.false_small, seen.false_large) == (1, 1)
    assert (seen.empty_photographs, seen.false_on_empty) == (1, 1)
    assert seen.small_score == Score(2, 1, 1)


def test_a_video_without_ground_truth_is_only_described(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "f.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    for _ in range(7):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    burning = Detections.of([[1, 1, 9, 9]], [0.9], [FIRE])
    assert frames_with_fire(scripted(burning, potholes(), burning), tmp_path / "f.mp4") == (2, 3)


def test_a_video_without_frames_is_refused_and_not_reported_as_free_of_fire(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"video .*gone\.mp4 has no frame"):
        frames_with_fire(scripted(), tmp_path / "gone.mp4")


def _truth(before: tuple[bool, ...], after: tuple[bool, ...]) -> RealTruth:
    roads = {
        arm: RoadMetrics(small, (True,), 0, 0, 4, 1)
        for arm, small in (("before", before), ("candidate", after))
    }
    others = {arm: {("fire", "day-unknown"): Score(4, 2, 1)} for arm in roads}
    return RealTruth(roads, roads, others, dict.fromkeys(roads, (1, 3)), dict.fromkeys(roads, 0.25))


RESULT = DemoResult((), (), Images(0, 0, {}), {}, Measured(10.0, None, None, None, None))


@pytest.mark.parametrize(
    ("after", "points", "p"),
    [((True,) * 8, 100.0, 0.5**8), ((False,) * 8, 0.0, 1.0)],
    ids=["a gain", "no gain is reported as zero, with its interval"],
)
def test_the_gain_has_counts_interval_and_a_paired_test(
    after: tuple[bool, ...], points: float, p: float
) -> None:
    figures = {f.name: f for f in figures_of_real(RESULT, _truth((False,) * 8, after))}
    gain = figures["small_pothole_gain_before_to_candidate_points"]
    assert (gain.value, gain.n, gain.target, gain.holds) == (points, 8, None, None)
    assert gain.interval is not None
    assert gain.interval[0] < gain.interval[1]
    assert figures["small_pothole_gain_before_to_candidate_p"].value == pytest.approx(p)
    low, high = figures["small_pothole_recall_before"].interval or (1, 0)
    assert low <= 0 < high


def _campaign(state: str, reason: str) -> CampaignResource:
    numbers = dict.fromkeys(("count", "attempt", "created_at", "updated_at", "ended_at", "images_kept"), 1)
    texts = {"id": "C", "state": state, "reason": reason, "started_by": "a person"}
    rest = {"modes": ("pothole.day-clear.missed",), "seed": 1, "stages": (), "images_refused": {}}
    digests = {"incumbent_digest": "a" * 64, "candidate_digest": "b" * 64}
    return CampaignResource.model_validate({**numbers, **texts, **rest, **digests})


def test_a_stopped_campaign_is_reported_as_stopped_and_its_candidate_is_measured(tmp_path: Path) -> None:
    (tmp_path / "sites" / "highway" / "gate").mkdir(parents=True)
    status = {"bytes_by_kind": {"misdetection": 700}, "forwarded": {"misdetection": 2}}
    (tmp_path / "sites" / "highway" / "gate" / "gate_status.json").write_text(json.dumps(status))
    (tmp_path / "footage" / "km1").mkdir(parents=True)
    (tmp_path / "footage" / "km1" / "a.jpg").write_bytes(b"x" * 1000)
    evidence = CloudState((_campaign("rejected", "not for service: no gain"),), (), ())
    truth = _truth((False,), (True,))
    result = real_outcome(tmp_path, evidence, RESULT.measured, truth, {"highway": ["km1"]})
    assert "ended rejected: not for service: no gain. No other model was put in service." in result.notes[0]
    assert "those of its candidate" in result.notes[1]
    assert [(row.condition, row.after.found) for row in result.rows] == [
        ("val roads, under 32 px", 1), ("val roads, 32 px and more", 1), ("other val, day-unknown", 2)
    ]  # fmt: skip
    assert result.sites[0].footage_bytes == 1000
    page = write_report(result, tmp_path, figures=figures_of_real(result, truth)).read_text()
    assert "under 32 px" in page


def test_missing_input_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"index\.csv does not exist"):
        RealInput(tmp_path, tmp_path, tmp_path)


def test_the_campaign_targets_the_most_harmful_missed_potholes(tmp_path: Path) -> None:
    data_set(tmp_path / "hazards")
    (tmp_path / "clips").mkdir()
    for path in (tmp_path / "clips" / "aagooo_fire_night.mp4", tmp_path / "yolo11n_coco_int8derived.pt"):
        path.write_bytes(b"")
    given = RealInput(tmp_path, tmp_path, tmp_path)
    scenario = RealScenario(tmp_path / "w", given, real_demo_profile(tiny=True)[0])
    modes = [_mode("fire", "missed"), _mode("pothole", "false_alarm"), _mode("pothole", "missed")]
    assert scenario.campaign_modes(modes) == ("pothole.day-clear.missed",)  # type: ignore[arg-type]  # only what is read


def _mode(class_name: str, kind: str) -> object:
    return SimpleNamespace(id=f"{class_name}.day-clear.{kind}", class_name=class_name, kind=kind)
