"""The drawn scenario: its datasets and the modes that its campaign targets."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from cloud.demo.drawn import scenario as scenario_module
from cloud.demo.drawn.scenario import DrawnScenario
from cloud.demo.script import TINY, FootagePhase
from cloud.errors import DemoFailed
from cloud.settings import DataFolder
from messaging.api.sites import CameraResource


class RecordingPlayer:
    """A player that only records the phases that were begun."""

    sites = ("north",)

    def __init__(self) -> None:
        self.begun: list[FootagePhase] = []

    def cameras(self, site: str) -> list[dict[str, Any]]:
        return []

    def begin(self, phase: FootagePhase, round_number: int) -> None:
        self.begun.append(phase)

    def observed(self, cameras: list[CameraResource]) -> bool:
        return True

    def stop(self) -> None:
        pass


class Child:
    """Replaces a child process; ends with the exit code that the test gives its program."""

    codes: ClassVar[dict[str, int]] = {}
    started: ClassVar[list["Child"]] = []

    def __init__(self, arguments: list[object], *, log: Path) -> None:
        self.program, self.arguments, self.killed = str(arguments[2]), arguments, False
        self.started.append(self)

    def wait(self, timeout_s: float) -> int:
        return self.codes.get(self.program, 0)

    def tail(self, lines: int) -> str:
        return "the end of its log"

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DrawnScenario:
    monkeypatch.setattr(scenario_module, "ChildProcess", Child)
    monkeypatch.setattr(Child, "codes", {})
    monkeypatch.setattr(Child, "started", [])
    return DrawnScenario(tmp_path, TINY, RecordingPlayer())


def prepare(drawn: DrawnScenario, tmp_path: Path) -> None:
    drawn.prepare(DataFolder(tmp_path / "cloud"), lambda _: None)


def test_the_observation_starts_and_datasets_are_drawn_meanwhile(
    tmp_path: Path, drawn: DrawnScenario
) -> None:
    prepare(drawn, tmp_path)
    assert isinstance(drawn.player, RecordingPlayer)
    assert drawn.player.begun == [FootagePhase.OBSERVE]
    assert [child.program for child in Child.started] == ["cloud.demo.drawn.sets"]
    given = dict(itertools.pairwise(Child.started[0].arguments))
    assert given["--replay"] == str(TINY.replay_images)
    assert given["--calibration"] == str(TINY.calibration_images)
    assert given["--holdout"] == str(TINY.holdout_images)
    drawn.complete(1.0)
    drawn.stop()
    assert Child.started[0].killed
    assert (drawn.settings(), drawn.campaign_modes([])) == ({}, ())


def test_a_campaign_targets_open_modes_that_are_generated_well_and_have_enough_tracks(
    drawn: DrawnScenario,
) -> None:
    def mode(name: str, *, kind: str = "missed", status: str = "open", tracks: int = 40) -> Any:
        recall = SimpleNamespace(supported=tracks)
        return SimpleNamespace(id=name, class_name=name, kind=kind, status=status, recall=recall)

    others = [
        mode("smoke"),
        mode("pothole"),
        mode("fire", kind="false_alarm"),
        mode("fire", status="closed"),
        mode("fire", tracks=29),
    ]
    assert drawn.campaign_modes(others) == ()
    assert drawn.campaign_modes([*others, mode("garbage", status="reopened"), mode("fallen_person")]) == (
        "garbage",
    )


def test_sets_that_cannot_be_drawn_are_one_sentence(tmp_path: Path, drawn: DrawnScenario) -> None:
    Child.codes["cloud.demo.drawn.sets"] = 1
    prepare(drawn, tmp_path)
    with pytest.raises(DemoFailed, match="were not drawn: the end of its log"):
        drawn.complete(1.0)
