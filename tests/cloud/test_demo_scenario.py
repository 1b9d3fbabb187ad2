"""The drawn scenario: its datasets, its teacher, and one sentence when the teacher cannot be had."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.datasets import DataRole, DatasetRegister
from cloud.demo import scenario as scenario_room
from cloud.demo.scenario import DrawnScenario
from cloud.demo.script import TINY, Phase
from cloud.errors import DemoFailed
from cloud.settings import DataFolder
from messaging.resources import CameraResource


class Silent:
    """A player that only remembers what was begun."""

    sites = ("north",)

    def __init__(self) -> None:
        self.begun: list[Phase] = []

    def cameras(self, site: str) -> list[dict[str, Any]]:
        return []

    def begin(self, phase: Phase, round_number: int) -> None:
        self.begun.append(phase)

    def observed(self, cameras: list[CameraResource]) -> bool:
        return True

    def stop(self) -> None:
        pass


class Exporting:
    """Stands where a child process does; ends with the code of the test."""

    code = 0

    def __init__(self, arguments: object, *, log: Path) -> None:
        self.log = log

    def wait(self, timeout_s: float) -> int:
        return self.code

    def tail(self, lines: int) -> str:
        return "no such weights"


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DrawnScenario:
    monkeypatch.setattr(scenario_room, "ChildProcess", Exporting)
    return DrawnScenario(tmp_path, replace(TINY, replay_images=3, holdout_images=2), Silent())


def test_what_is_learned_and_what_judges_is_drawn_and_the_cameras_begin(
    tmp_path: Path, drawn: DrawnScenario
) -> None:
    said: list[str] = []
    drawn.prepare(DataFolder(tmp_path / "cloud"), tmp_path / "teacher.onnx", said.append)
    register = DatasetRegister(DataFolder(tmp_path / "cloud").datasets)
    assert {data.role: data.images for data in register.all()} == {DataRole.REPLAY: 3, DataRole.HOLDOUT: 2}
    assert isinstance(drawn.player, Silent)
    assert drawn.player.begun == [Phase.OBSERVE]
    assert said
    assert (drawn.settings(), drawn.aims([])) == ({}, ())


def test_a_teacher_that_cannot_be_exported_is_one_sentence(
    tmp_path: Path, drawn: DrawnScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exporting, "code", 1)
    with pytest.raises(DemoFailed, match="was not exported: no such weights"):
        drawn.prepare(DataFolder(tmp_path / "cloud"), tmp_path / "teacher.onnx", lambda _: None)
