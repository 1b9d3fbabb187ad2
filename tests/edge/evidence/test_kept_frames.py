"""The kept frames of a camera: how many, for how long, in how much memory, and with which boxes."""

import numpy as np
import pytest

from edge.evidence.collector import FrameContext
from edge.evidence.kept_frames import LONGEST_SIDE, KeptFrames
from edge.settings import KeptFrameSettings
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections
from edge.vision.frames import Frame
from tests.support.fake_detector import describe

NOW = 1_800_000_000.0


class Camera:
    """Frames of one camera, of noise; `now_utc` is the node's clock."""

    def __init__(self, size: tuple[int, int] = (96, 128), **settings: float) -> None:
        self.now_utc, self._size = NOW, size
        self.kept = KeptFrames(KeptFrameSettings(**settings), lambda: self.now_utc)
        self._chance = np.random.default_rng(3)

    def show(self, *boxes: list[float]) -> None:
        image = self._chance.integers(0, 255, (*self._size, 3), dtype=np.uint8)
        found = Detections.of(np.asarray(boxes).reshape(-1, 4), [0.9] * len(boxes), [1] * len(boxes))
        frame = Frame("bridge", image, 0, 0.0, self.now_utc)
        self.kept.offer(FrameContext(frame, FrameConditions(), found, "a" * 64), describe())

    def watch(self, seconds: float, fps: float = 4.0) -> None:
        for _ in range(round(seconds * fps)):
            self.show()
            self.now_utc += 1 / fps

    def times(self) -> list[float]:
        """Ages of the frames in seconds, the youngest first."""
        return [round(self.now_utc - frame.at_utc, 1) for frame in self.kept.near(self.now_utc, 1e9)]


def test_one_frame_every_few_seconds_is_kept_for_the_configured_minutes() -> None:
    camera = Camera(minutes=1.0, every_s=5.0)
    camera.watch(100.0)
    assert camera.times() == [5.0 * n for n in range(1, 13)]


def test_frames_are_forgotten_also_when_the_camera_gives_none() -> None:
    camera = Camera(minutes=1.0)
    camera.watch(10.0)
    camera.now_utc += 61
    camera.kept.forget_old()
    assert (camera.times(), camera.kept.length_bytes) == ([], 0)


def test_the_oldest_frames_go_when_there_is_no_more_room() -> None:
    camera = Camera((480, 640), mib=1.0)
    camera.watch(60.0)
    assert 2**19 < camera.kept.length_bytes <= 2**20
    assert camera.times()[0] == 5.0
    assert len(camera.times()) < 12


def test_zero_minutes_keep_nothing() -> None:
    camera = Camera(minutes=0.0)
    camera.watch(20.0)
    assert camera.times() == []


def test_a_clock_that_is_set_back_stops_nothing_and_keeps_no_frame_for_longer() -> None:
    camera = Camera(minutes=1.0)
    camera.watch(10.0)
    camera.now_utc -= 3600
    camera.watch(10.0)
    assert camera.times() == [5.0, 10.0]


def test_the_frames_of_a_time_come_nearest_first() -> None:
    camera = Camera()
    camera.watch(60.0)
    near = camera.kept.near(NOW + 29, within_s=10.0)
    assert [frame.at_utc - NOW for frame in near] == pytest.approx([30.0, 25.0, 35.0, 20.0])


def test_a_large_image_is_scaled_with_its_boxes() -> None:
    camera = Camera((1440, 2560))
    camera.show([100, 200, 300, 400])
    (frame,) = camera.kept.near(NOW, 1.0)
    assert frame.image().shape == (720, LONGEST_SIDE, 3)
    assert frame.detections.xyxy.tolist() == [[50, 100, 150, 200]]


def test_a_small_image_keeps_its_size_and_its_boxes() -> None:
    camera = Camera()
    camera.show([10, 20, 30, 40])
    (frame,) = camera.kept.near(NOW, 1.0)
    assert frame.image().shape == (96, 128, 3)
    assert frame.detections.xyxy.tolist() == [[10, 20, 30, 40]]
