"""The two detectors of the real loop, trained before it starts: the starting detector, and its judge.

The starting detector is trained from COCO weights with the shipped public embedding basis, so that its
embeddings are in the space of the generator's prototypes. The judge continues from the shipped reference
detector; it was trained on small potholes of other highways, confirms generated ones, and is the teacher of
the sites. Neither was trained on the cameras' roads or on the split `val`. A detector made by an equal plan
is reused.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.data.datasets import DatasetRegister
from cloud.data.roles import DataRole
from cloud.demo.photographs.roles import Photograph, Roles, write_folder
from cloud.starting_detector import REFERENCE_WEIGHTS
from cloud.starting_detector.coco import coco_start
from cloud.training.plan import (
    FIRST_TRAINING,
    Recipe,
    TrainedWeights,
    TrainingPlan,
    TrainingProgress,
    finished,
    train,
)
from messaging.blobs import digest_of
from synth.street import DRAWN_CLASSES

COCO_FILE = "yolo11n_coco_int8derived.pt"
LICENCE = "AGPL-3.0-or-later (photographs: see the data set's own list)"
START_RECIPE = replace(FIRST_TRAINING, epochs=24, mosaic=0.4, seed=7)
JUDGE_RECIPE = replace(FIRST_TRAINING, epochs=12, seed=11)


@dataclass(frozen=True)
class PhotoDetectors:
    """The folder of the detectors (perhaps of an earlier run), and the recipes of their training."""

    folder: Path
    coco: Path
    start: Recipe = START_RECIPE
    judge: Recipe = JUDGE_RECIPE

    def make_start(self, roles: Roles, progress: Callable[[TrainingProgress], None]) -> TrainedWeights:
        """The detector of the cameras: frozen embedding layers, no pothole under 32 px in its training."""
        plan = TrainingPlan(
            parent=self._parent(coco_start(self.coco, self.folder / "coco.safetensors", licence=LICENCE)),
            name="photo-start",
            replay=(self._dataset(roles.base, DataRole.BASE, "start"),),
            calibration=(self._dataset(roles.calibration, DataRole.HOLDOUT, "start-calibration"),),
            recipe=self.start,
        )
        return _made(plan, (self.folder / "start").absolute(), progress)

    def make_judge(self, roles: Roles, progress: Callable[[TrainingProgress], None]) -> TrainedWeights:
        """The judge and teacher: trained on potholes of every size."""
        learned = tuple(dict.fromkeys((*roles.judge, *roles.base[::8])))
        plan = TrainingPlan(
            parent=self._parent(REFERENCE_WEIGHTS),
            name="photo-judge",
            replay=(self._dataset(learned, DataRole.BASE, "judge"),),
            calibration=(self._dataset(roles.judge_calibration, DataRole.HOLDOUT, "judge-calibration"),),
            recipe=self.judge,
        )
        return _made(plan, (self.folder / "judge").absolute(), progress)

    def _parent(self, weights: Path) -> Path:
        """A copy named by its digest, so that equal plans have equal parents."""
        copy = self.folder / "parents" / f"{digest_of(weights.read_bytes())}.safetensors"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, copy)
        return copy.absolute()

    def _dataset(self, photographs: Sequence[Photograph], role: DataRole, name: str) -> Path:
        """These photographs as a folder named by its digest, so that equal plans have equal images."""
        kept = self.folder / "photographs" / name
        shutil.rmtree(kept, ignore_errors=True)
        written = write_folder(photographs, kept, DRAWN_CLASSES)
        register = DatasetRegister(self.folder / "datasets" / name)
        return register.add(written, role, name).folder.absolute()


def _made(plan: TrainingPlan, out: Path, progress: Callable[[TrainingProgress], None]) -> TrainedWeights:
    return finished(plan, out) or train(plan, out, progress=progress)
