"""What a demonstration is played with: its data, its detectors, its cameras, and what its campaign aims at.

The machinery of the demo (`cloud.demo.run`) is the same for drawn streets and for real photographs; what
differs between them is said here and in `cloud.demo.photographs.scenario`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cloud.demo.fleet import PYTHON
from cloud.demo.players import Player
from cloud.demo.script import DemoProfile, FootagePhase
from cloud.errors import DemoFailed
from cloud.failure_modes.rules import MIN_SUPPORTED_TRACKS
from cloud.settings import DataFolder
from cloud.starting_detector import REFERENCE_WEIGHTS
from messaging.resources import FailureModeResource
from messaging.runtime.child_process import ChildProcess

EXPORT_LIMIT_S = 300.0
PAINTED_WELL = frozenset({"fire", "garbage", "fallen_person"})
AIMED_AT = {("missed", "open"), ("missed", "reopened")}


class Scenario(Protocol):
    """The part of a demonstration that depends on what it is played with."""

    @property
    def player(self) -> Player:
        """What plays before the cameras."""

    def prepare(self, cloud: DataFolder, teacher: Path, say: Callable[[str], None]) -> None:
        """Begin what needs no program yet: datasets with their roles, the teacher's bundle (whole when this
        returns), and the first observation. Raises `DemoFailed`.
        """

    def complete(self, timeout_s: float) -> None:
        """Wait for what `prepare` left running. Raises `DemoFailed`."""

    def stop(self) -> None:
        """End what was started, the player too."""

    def settings(self) -> dict[str, Any]:
        """Sections of the cloud's configuration that differ from the demo's."""

    def aims(self, modes: Sequence[FailureModeResource]) -> tuple[str, ...]:
        """The failure modes that the campaign aims at; none means the most harmful ones."""


class DrawnScenario:
    """Drawn streets, or footage of the user's own, with the detectors that ship."""

    def __init__(self, work: Path, profile: DemoProfile, player: Player) -> None:
        self.player = player
        self._work, self._profile = work, profile
        self._drawing: ChildProcess | None = None

    def prepare(self, cloud: DataFolder, teacher: Path, say: Callable[[str], None]) -> None:
        """See `Scenario`; the campaign's data are drawn while the cameras are watched."""
        say("exporting the reference detector, drawing footage and the campaign's data")
        self.player.begin(FootagePhase.OBSERVE, 0)
        self._drawing = self._draw_sets(cloud)
        arguments: list[str | Path] = [
            PYTHON,
            "-m",
            "cloud.detector.bundle_export",
            REFERENCE_WEIGHTS,
            teacher,
        ]
        export = ChildProcess(arguments, log=self._work / "export.log")
        if export.wait(EXPORT_LIMIT_S) != 0:
            raise DemoFailed(f"the reference detector was not exported: {export.tail(5)}")

    def complete(self, timeout_s: float) -> None:
        """See `Scenario`."""
        if self._drawing is not None and self._drawing.wait(timeout_s) != 0:
            raise DemoFailed(f"the campaign's data were not drawn: {self._drawing.tail(5)}")

    def stop(self) -> None:
        """See `Scenario`."""
        self.player.stop()
        if self._drawing is not None:
            self._drawing.kill()

    def _draw_sets(self, cloud: DataFolder) -> ChildProcess:
        arguments: list[str | Path] = [PYTHON, "-m", "cloud.demo.drawn.sets"]
        arguments += ["--cloud", cloud.root, "--work", self._work / "drawn"]
        arguments += ["--replay", str(self._profile.replay_images)]
        arguments += ["--calibration", str(self._profile.calibration_images)]
        arguments += ["--holdout", str(self._profile.holdout_images)]
        return ChildProcess(arguments, log=self._work / "drawing.log")

    def settings(self) -> dict[str, Any]:
        """See `Scenario`: as the demo's."""
        return {}

    def aims(self, modes: Sequence[FailureModeResource]) -> tuple[str, ...]:
        """See `Scenario`: the most harmful of what the bundled generator paints well and the edge can judge.

        A person who has looked at samples would not aim at the others: smoke is painted too faintly in the
        dark, and potholes as smudges that taught a detector worse (docs/results.md).
        """
        wanted = [
            mode.id
            for mode in modes
            if (mode.kind, mode.status) in AIMED_AT
            and mode.class_name in PAINTED_WELL
            and mode.recall.supported >= MIN_SUPPORTED_TRACKS
        ]
        return tuple(wanted[: self._profile.modes])
