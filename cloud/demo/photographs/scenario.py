"""The scenario of the real loop: two cameras show highway photographs as stills, a third a fire at night.

The starting detector was not trained on potholes under 32 px; its judge was, on other highways. In every
phase the cameras show the same roads again. Labels of the cameras' roads are never read.
"""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloud.data.datasets import DatasetRegister
from cloud.data.roles import DataRole
from cloud.demo.drawn.footage import camera_folder
from cloud.demo.photographs.detectors import COCO_FILE, JUDGE_RECIPE, START_RECIPE, PhotoDetectors
from cloud.demo.photographs.roles import POTHOLE, Photograph, Roles, read_photographs, roles_of, write_folder
from cloud.demo.script import DemoProfile, FootagePhase
from cloud.errors import DataRefused
from cloud.settings import DataFolder
from cloud.training.plan import FIRST_TRAINING, Recipe, TrainedWeights, TrainingProgress
from messaging.api.sites import CameraResource
from messaging.resources import FailureModeResource
from synth.street import DRAWN_CLASSES

HIGHWAY, SQUARE = "highway", "square"
FIRE_CAMERA = "fire-night"
FIRE_CLIP = Path("clips") / "aagooo_fire_night.mp4"
PHOTOGRAPHS = Path("hazards")
PLAYED = (FootagePhase.OBSERVE, FootagePhase.SHADOW, FootagePhase.VERIFY)
SHADOW_DELAY_S = 12.0

# The holdout has 20 to 240 boxes per class, one box is up to five points: only a drop of ten counts.
MARGINS = {"recall_drop": 0.10, "precision_drop": 0.10, "enough_boxes": 30}


@dataclass(frozen=True)
class RealInput:
    """The folder of `hazards` and `clips`, and the folder of COCO weights.

    `detectors`: the folder of trained detectors, which later runs reuse.
    """

    data: Path
    weights: Path
    detectors: Path

    def __post_init__(self) -> None:
        for path in (self.photographs / "index.csv", self.clip, self.coco):
            if not path.is_file():
                raise DataRefused(
                    f"{path} does not exist; give the folders of photographs and of COCO weights"
                )

    @property
    def photographs(self) -> Path:
        """The hazards data set."""
        return self.data / PHOTOGRAPHS

    @property
    def clip(self) -> Path:
        """The video of a fire at night."""
        return self.data / FIRE_CLIP

    @property
    def coco(self) -> Path:
        """The weights that the starting detector begins from."""
        return self.weights / COCO_FILE


@dataclass(frozen=True)
class RealProfile:
    """All quantities. `limit` cuts every role to so many photographs, for smoke tests only."""

    recipes: tuple[Recipe, Recipe] = (START_RECIPE, JUDGE_RECIPE)
    limit: int | None = None


class RealPlayer:
    """Puts photographs and the video into the cameras' folders, once per phase."""

    sites = (HIGHWAY, SQUARE)

    def __init__(
        self,
        work: Path,
        roads: Mapping[str, Sequence[Photograph]],
        clip: Path,
        *,
        shadow_delay_s: float = SHADOW_DELAY_S,
    ) -> None:
        self._work, self._roads, self._clip = work, roads, clip
        self._shadow_delay_s = shadow_delay_s
        self._given = dict.fromkeys(roads, 0)
        self._waiting: list[threading.Timer] = []
        for camera in (*roads, FIRE_CAMERA):
            camera_folder(work, camera).mkdir(parents=True, exist_ok=True)

    def cameras(self, site: str) -> list[dict[str, Any]]:
        """See `Player`: the node processes every image, as fast as it can."""
        names = [FIRE_CAMERA] if site == SQUARE else list(self._roads)
        return [
            {
                "name": name,
                "source": str(camera_folder(self._work, name)),
                "segments": True,
                "stills": site == HIGHWAY,
                "speed": None,
            }
            for name in names
        ]

    def begin(self, phase: FootagePhase, round_number: int) -> None:
        """See `Player`: all photographs in order, and the video; nothing in the other phases.

        A shadow run gets each photograph once, so its pass starts after the sites had time to load the
        candidate.
        """
        if phase is FootagePhase.SHADOW:
            self._waiting.append(threading.Timer(self._shadow_delay_s, self._give, (phase, round_number)))
            self._waiting[-1].start()
        elif phase in PLAYED:
            self._give(phase, round_number)

    def _give(self, phase: FootagePhase, round_number: int) -> None:
        stem = f"{round_number:02d}-{PLAYED.index(phase)}-{phase}"
        self._put(self._clip, FIRE_CAMERA, f"{stem}{self._clip.suffix}")
        for camera, photographs in self._roads.items():
            for index, photograph in enumerate(photographs):
                self._put(photograph.path, camera, f"{stem}-{index:04d}{photograph.path.suffix}")
            self._given[camera] += len(photographs)

    def observed(self, cameras: list[CameraResource]) -> bool:
        """See `Player`: the node has processed every photograph so far, and frames of the video."""
        processed = {camera.camera: camera.frames for camera in cameras}
        roads = all(processed.get(camera, 0) >= given for camera, given in self._given.items())
        return roads and processed.get(FIRE_CAMERA, 0) > 0

    def stop(self) -> None:
        """See `Player`: a pass that has not started is cancelled."""
        for timer in self._waiting:
            timer.cancel()

    def _put(self, source: Path, camera: str, name: str) -> None:
        """Copy a file into a camera's folder atomically."""
        aside = self._work / "aside" / name
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, aside)
        os.replace(aside, camera_folder(self._work, camera) / name)


class RealScenario:
    """Photographs with their roles, two detectors trained on them, and a campaign for missed potholes."""

    def __init__(self, work: Path, given: RealInput, profile: RealProfile) -> None:
        """Reads the index of the photographs. Raises `DataRefused`."""
        self._work, self._profile = work, profile
        self._detectors = PhotoDetectors(given.detectors, given.coco, *profile.recipes)
        self._trained: tuple[TrainedWeights, ...] = ()
        self.roles = _limited(roles_of(read_photographs(given.photographs, "train")), profile.limit)
        self.player = RealPlayer(work, self.roles.roads, given.clip)

    def prepare(self, cloud: DataFolder, show_status: Callable[[str], None]) -> None:
        """See `Scenario`: sort the photographs, train the starting detector and the judge."""
        roles, register = self.roles, DatasetRegister(cloud.datasets)
        start = self._detectors.make_start(
            roles,
            _epoch_status(show_status, f"training the starting detector on {len(roles.base)} photographs"),
        )
        judge = self._detectors.make_judge(
            roles,
            _epoch_status(
                show_status, f"training the judge on {len(roles.judge)} photographs of other highways"
            ),
        )
        self._trained = (start, judge)
        for role, photographs in (
            (DataRole.REPLAY, roles.base),
            (DataRole.CALIBRATION, roles.calibration),
            (DataRole.HOLDOUT, roles.holdout),
            (DataRole.BACKGROUND, roles.backgrounds),
        ):
            folder = write_folder(photographs, self._work / "photographs" / role, DRAWN_CLASSES)
            register.add(folder, role, f"photographs-{role}")
        self.player.begin(FootagePhase.OBSERVE, 0)

    def complete(self, timeout_s: float) -> None:
        """See `Scenario`; nothing is left running."""

    def stop(self) -> None:
        """See `Scenario`."""
        self.player.stop()

    def settings(self) -> dict[str, Any]:
        """See `Scenario`."""
        smoke_test = self._profile.limit is not None
        start, judge = self._trained
        return {
            "starting_weights": str(start.weights.absolute()),
            "teacher_weights": str(judge.weights.absolute()),
            "synthesis": {"reference_weights": str(judge.weights.absolute()), "image_height": 400},
            "campaign": {"shadow_deadline_s": 90.0, "verify_deadline_s": 60.0, "poll_s": 1.0},
            **({} if smoke_test else {"promotion": MARGINS}),
        }

    def campaign_modes(self, modes: Sequence[FailureModeResource]) -> tuple[str, ...]:
        """See `Scenario`: the most harmful missed potholes; modes come most harmful first."""
        missed = [mode.id for mode in modes if mode.class_name == POTHOLE and mode.kind == "missed"]
        return tuple(missed[:1])

    @property
    def training_minutes(self) -> float:
        """Training time of both detectors, in this run or in the one that made them."""
        return sum(trained.seconds for trained in self._trained) / 60


def real_demo_profile(*, tiny: bool) -> tuple[RealProfile, DemoProfile]:
    """The profiles of a run; `tiny` is a smoke test."""
    if not tiny:
        return RealProfile(), DemoProfile(modes=1, images_per_mode=100, epochs=4)
    recipe = replace(FIRST_TRAINING, epochs=1, learning_rate=5e-4, threads=1)
    return (
        RealProfile((recipe, recipe), limit=12),
        DemoProfile(modes=1, images_per_mode=4, epochs=1, smoke_test=True),
    )


def _limited(roles: Roles, limit: int | None) -> Roles:
    if limit is None:
        return roles
    parts = {name: value[:limit] for name, value in vars(roles).items() if name != "roads"}
    return Roles(roads={name: road[:limit] for name, road in roles.roads.items()}, **parts)


def _epoch_status(show_status: Callable[[str], None], what: str) -> Callable[[TrainingProgress], None]:
    """A progress callback that shows the status once per epoch."""
    shown: set[int] = set()

    def progress(at: TrainingProgress) -> None:
        if at.epoch not in shown:
            shown.add(at.epoch)
            show_status(f"{what}: epoch {at.epoch} of {at.epochs}, {at.seconds_left:.0f} s left")

    return progress
