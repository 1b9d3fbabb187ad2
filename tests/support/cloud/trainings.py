"""Small trainings: a parent with a small input, and folders of squares to train it on."""

from dataclasses import replace
from pathlib import Path

from cloud.detector.weights import DetectorWeights, read_weights
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.training.plan import FIRST_TRAINING, TrainingPlan
from tests.support.cloud.labelled_images import square_images

TINY = replace(FIRST_TRAINING, epochs=2, learning_rate=5e-4, batch=4, real_only_epochs=1, threads=1)


def small_parent(folder: Path, width: int = 96, height: int = 64) -> DetectorWeights:
    """The starting detector with a small input, so that a step takes little time; written to a folder."""
    small = read_weights(STARTING_WEIGHTS).with_card(input_width=width, input_height=height)
    small.write(folder / "parent.safetensors")
    return small


def tiny_plan(folder: Path, **changes: object) -> TrainingPlan:
    """A plan of two short epochs whose folders are in `folder`."""
    small_parent(folder)
    fields: dict[str, object] = {
        "parent": folder / "parent.safetensors",
        "name": "tiny",
        "replay": (square_images(folder / "real", 6),),
        "synthetic": (square_images(folder / "generated", 4, seed=1),),
        "recipe": TINY,
        **changes,
    }
    return TrainingPlan(**fields)  # type: ignore[arg-type]  # the test names the fields
