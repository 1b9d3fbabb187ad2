"""The drawn ground truth is opened once: every frame is decoded once, and each detector is counted alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.demo.drawn.truth import MIN_TRACK_FRAMES, TRACK_IOU, true_metrics
from cloud.demo.result import Score
from cloud.errors import DataRefused
from edge.evidence.recall_counter import MatchRule
from edge.tracking.tracker import TrackerSettings
from messaging.taxonomy import Condition
from synth.street import FootageBox, Truth
from tests.support.synth.fakes import COLOURS, FakeDetector

FRAMES = 10
BOX = (40.0, 30.0, 80.0, 60.0)
KEY = ("smoke", "night-clear")


@pytest.fixture
def video(tmp_path: Path) -> tuple[Path, Truth]:
    """A smoke-coloured square of one track on every frame, a fire-coloured one that is not in the truth."""
    path = tmp_path / "bridge" / "video.mp4"
    path.parent.mkdir()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (160, 96))
    image = np.full((96, 160, 3), 90, np.uint8)
    image[30:60, 40:80] = COLOURS["smoke"]
    image[30:60, 110:140] = COLOURS["fire"]
    for _ in range(FRAMES):
        writer.write(image)
    writer.release()
    boxes = (FootageBox("smoke", BOX, 1),)
    scene = Condition.parse("night-clear")
    return path, Truth(5.0, 160, 96, scene, ("fire", "smoke"), (boxes,) * FRAMES)


def test_each_detector_is_counted_alone_and_in_order(video: tuple[Path, Truth]) -> None:
    detectors = [FakeDetector(sees=()), FakeDetector(sees=("smoke", "fire"))]
    blind, seeing = true_metrics(detectors, [video], every=2)
    assert (blind.boxes[KEY], seeing.boxes[KEY]) == (Score(5, 0, 0), Score(5, 5, 0))
    assert seeing.boxes["fire", "night-clear"] == Score(0, 0, 5)
    assert (blind.track_recall(KEY), seeing.track_recall(KEY)) == (0.0, 1.0)
    assert seeing.track_recall(("fire", "night-clear")) is None


def test_the_rule_is_that_of_the_edge() -> None:
    assert (MatchRule().iou, TrackerSettings().confirm_hits) == (TRACK_IOU, MIN_TRACK_FRAMES)


def test_an_object_in_too_few_frames_is_no_track(video: tuple[Path, Truth]) -> None:
    (often,) = true_metrics([FakeDetector(sees=("smoke",))], [video], every=4)
    (seldom,) = true_metrics([FakeDetector(sees=("smoke",))], [video], every=5)
    assert (often.boxes[KEY], often.tracks[KEY]) == (Score(3, 3, 0), (1, 1))
    assert (seldom.boxes[KEY], seldom.track_recall(KEY)) == (Score(2, 2, 0), None)


def test_the_footage_is_decoded_once_for_all_detectors(
    video: tuple[Path, Truth], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda path, *how: (opened.append(path), real(path, *how))[1])
    true_metrics([FakeDetector(), FakeDetector()], [video])
    assert opened == [str(video[0])]


@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "gone"])
def test_a_video_without_frames_is_refused_and_not_counted_as_empty(
    video: tuple[Path, Truth], damaged: bool
) -> None:
    path, _ = video
    if damaged:
        path.write_bytes(b"no video at all")
    else:
        path.unlink()
    with pytest.raises(DataRefused, match=r"video .*video\.mp4 has no frame"):
        true_metrics([FakeDetector()], [video])
