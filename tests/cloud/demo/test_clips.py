"""The demo's third site: which files are clips, when they are played, and what both models report in them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from cloud.demo import clips as clips_module
from cloud.demo import players as players_module
from cloud.demo.clips import EVERY, clip_rows, find_clips
from cloud.demo.drawn.scenario import DrawnScenario
from cloud.demo.players import DrawnPlayer
from cloud.demo.result import ClipRow
from cloud.demo.script import TINY, FootagePhase
from cloud.errors import DataRefused
from edge.vision.detections import Detections
from tests.support.fake_detector import FakeDetector, describe

FRAMES = 3 * EVERY + 1


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "README.md").write_text("no video")
    (folder / "torn.mp4").write_bytes(b"no video either")
    writer = cv2.VideoWriter(str(folder / "night.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    for _ in range(FRAMES):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    return folder


def test_clips_are_the_files_that_can_be_decoded(clips: Path, tmp_path: Path) -> None:
    assert [path.name for path in find_clips(clips)] == ["night.mp4"]
    with pytest.raises(DataRefused, match=r"holds no video; give one with mp4"):
        find_clips(tmp_path)


def test_a_file_that_is_not_named_as_a_video_is_not_opened(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(clips_module, "is_video", lambda path: opened.append(path.name))
    with pytest.raises(DataRefused):
        find_clips(clips)
    assert opened == ["night.mp4", "torn.mp4"]


@pytest.fixture
def player(tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> DrawnPlayer:
    monkeypatch.setattr(players_module, "ChildProcess", lambda *_, **__: SimpleNamespace(kill=lambda: None))
    return DrawnPlayer(tmp_path, TINY, find_clips(clips))


def test_a_third_site_plays_the_clips_and_has_frames_for_the_swap(player: DrawnPlayer) -> None:
    assert player.sites == ("north", "south", "west")
    (camera,) = player.cameras("west")
    folder = Path(camera["source"])
    player.clips *= 2
    for phase in FootagePhase:
        player.begin(phase, 0)
    assert sorted(path.name for path in folder.iterdir()) == [
        "00-0-observe-000.mp4",
        "00-0-observe-001.mp4",
        "00-3-swap-000.mp4",
        "00-4-verify-000.mp4",
        "00-4-verify-001.mp4",
    ]
    assert (folder / "00-0-observe-000.mp4").read_bytes() == player.clips[0].read_bytes()


def test_without_clips_there_is_no_third_site(tmp_path: Path) -> None:
    assert DrawnPlayer(tmp_path, TINY).sites == ("north", "south")


def test_a_campaign_targets_no_condition_that_only_clips_have(tmp_path: Path, player: DrawnPlayer) -> None:
    def mode(condition: str) -> Any:
        recall = SimpleNamespace(supported=40)
        return SimpleNamespace(
            id=condition, class_name="fire", condition=condition, kind="missed", status="open", recall=recall
        )

    modes = [mode("day-clear"), mode("night-rain")]
    assert DrawnScenario(tmp_path, TINY, player).campaign_modes(modes) == ("night-rain",)


def test_frames_in_which_each_model_reports_a_class_are_counted(clips: Path) -> None:
    box = Detections.of([[1, 1, 9, 9]], [0.9], [1], embedding=np.zeros((1, 4)))
    nothing = Detections.empty(4)
    before = FakeDetector(describe(), "a", script=[nothing, box, nothing, nothing])
    after = FakeDetector(describe(), "b")
    assert clip_rows([before, after], find_clips(clips)) == (
        ClipRow("night", "fire", 4, 0, 4),
        ClipRow("night", "smoke", 4, 1, 0),
    )
