"""The scenario of a demonstration: its data, detectors and cameras, and the modes its campaign targets.

`cloud.demo.run` is the same for drawn streets and for photographs; the differences are here and in
`cloud.demo.photographs.scenario`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cloud.demo.fleet import PYTHON
from cloud.demo.players import DrawnPlayer, Player
from cloud.demo.script import CAMERAS, DemoProfile, FootagePhase
from cloud.errors import DemoFailed
from cloud.failure_modes.rules import MIN_SUPPORTED_TRACKS
from cloud.settings import DataFolder
from messaging.resources import FailureModeResource
from messaging.runtime.child_process import ChildProcess

GENERATED_WELL = frozenset({"fire", "garbage", "fallen_person"})
TARGETED = {("missed", "open"), ("missed", "reopened")}


class Scenario(Protocol):
    """The part of a demonstration that depends on its footage."""

    @property
    def player(self) -> Player:
        """The footage of the cameras."""

    def prepare(self, cloud: DataFolder, show_status: Callable[[str], None]) -> None:
        """Before any program runs: start drawing datasets, start the first observation."""

    def complete(self, timeout_s: float) -> None:
        """Wait for what `prepare` started. Raises `DemoFailed`."""

    def stop(self) -> None:
        """Stop what was started, the player included."""

    def settings(self) -> dict[str, Any]:
        """Sections of the cloud's configuration that differ from the demo's."""

    def campaign_modes(self, modes: Sequence[FailureModeResource]) -> tuple[str, ...]:
        """Ids of the failure modes for the campaign; none means the most harmful ones."""


class DrawnScenario:
    """Drawn streets, or the user's footage, with the shipped detectors."""

    def __init__(self, work: Path, profile: DemoProfile, player: Player) -> None:
        self.player = player
        self._work, self._profile = work, profile
        self._drawing: ChildProcess | None = None

    def prepare(self, cloud: DataFolder, show_status: Callable[[str], None]) -> None:
        """See `Scenario`; the campaign's data are drawn during the observation."""
        show_status("drawing footage and the campaign's data")
        self.player.begin(FootagePhase.OBSERVE, 0)
        self._drawing = self._draw_sets(cloud)

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
        arguments += ["--photographs", str(self._profile.photographs)]
        return ChildProcess(arguments, log=self._work / "drawing.log")

    def settings(self) -> dict[str, Any]:
        """See `Scenario`; nothing differs."""
        return {}

    def campaign_modes(self, modes: Sequence[FailureModeResource]) -> tuple[str, ...]:
        """See `Scenario`: the most harmful modes of classes that the bundled generator renders well.

        The others are left out after an inspection of samples: smoke is too faint in the dark, and potholes
        are smudges that made a detector worse (docs/results.md). With drawn cameras only their conditions,
        since real clips have no ground truth to show a gain.
        """
        drawn = isinstance(self.player, DrawnPlayer)
        conditions = {camera.condition_key for camera in CAMERAS}
        wanted = [
            mode.id
            for mode in modes
            if (mode.kind, mode.status) in TARGETED
            and mode.class_name in GENERATED_WELL
            and (not drawn or mode.condition in conditions)
            and mode.recall.supported >= MIN_SUPPORTED_TRACKS
        ]
        return tuple(wanted[: self._profile.modes])
