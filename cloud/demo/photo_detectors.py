"""The two detectors of the real loop, trained before it starts: the one to be healed, and its judge.

The starting detector comes from COCO weights with the public embedding basis that ships, so that its
embeddings lie in the very space that the generator's prototypes were made in. The judge goes on from the
shipped reference detector; it has seen small potholes on other highways, confirms painted ones and is the
idle-time teacher of the sites. Neither has seen a photograph of the cameras' roads or of the split `val`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.detector_weights import WeightsCard, read_weights
from cloud.errors import WeightsRefused
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from cloud.training import Recipe, TrainedWeights, TrainingPlan, TrainingProgress, train
from cloud.ultralytics_yolo import start_from_coco
from synth.street import DRAWN_CLASSES

COCO_FILE = "yolo11n_coco_int8derived.pt"
START_THRESHOLD = 0.25
LICENCE = "AGPL-3.0-or-later (photographs: see the data set's own list)"


@dataclass(frozen=True)
class Training:
    """What one detector learns from and is calibrated on: labelled folders, and how."""

    learn: tuple[Path, ...]
    calibration: tuple[Path, ...]
    recipe: Recipe


def coco_start(coco: Path, out: Path) -> Path:
    """COCO weights with our classes and the shipped basis, as a weights file.

    Raises:
        WeightsRefused: another file than the known one, or its frozen layers are not those that shipped
            prototypes belong to.
    """
    shipped = read_weights(STARTING_WEIGHTS)
    card = WeightsCard(
        "coco-start", DRAWN_CLASSES, dict.fromkeys(DRAWN_CLASSES, START_THRESHOLD), 320, LICENCE
    )
    start = start_from_coco(coco, shipped.basis, card)
    if start.embedding_digest != shipped.embedding_digest:
        raise WeightsRefused(
            f"the frozen layers of {coco} give embedding {start.embedding_digest[:12]}, the shipped ones "
            f"{shipped.embedding_digest[:12]}; the generator's prototypes would mean nothing"
        )
    start.write(out)
    return out


def train_start(
    coco: Path, training: Training, out: Path, *, progress: Callable[[TrainingProgress], None]
) -> TrainedWeights:
    """The detector of the cameras: frozen embedding layers, no pothole under 32 px ever seen."""
    plan = TrainingPlan(
        parent=coco_start(coco, out / "coco.safetensors"),
        name="photo-start",
        replay=training.learn,
        calibration=training.calibration,
        recipe=training.recipe,
    )
    return train(plan, out, progress=progress)


def train_judge(
    training: Training, out: Path, *, progress: Callable[[TrainingProgress], None]
) -> TrainedWeights:
    """The judge and teacher: every layer learns, at a larger image size than the cameras' detector."""
    plan = TrainingPlan(
        parent=REFERENCE_WEIGHTS,
        name="photo-judge",
        replay=training.learn,
        calibration=training.calibration,
        recipe=replace(training.recipe, frozen=False),
    )
    return train(plan, out, progress=progress)
