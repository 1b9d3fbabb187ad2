"""What a city brings: labelled photographs in four roles, its own detector, and a camera.

The photographs are drawn scenes, since no photographs ship with the project; the detector is an ultralytics
checkpoint that knows clear days only. The camera shows another world at night in rain, which no model has
been trained on, over a real RTSP server.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from cloud.data.labelled_images import write_index, write_labelled
from cloud.detector.ultralytics.network import network_of
from cloud.detector.weights import read_weights
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.starting_detector.scenes import (
    BASE_CALIBRATION,
    BASE_TRAINING,
    CAMPAIGN_CALIBRATION,
    HOLDOUT,
    SceneSet,
    drawn,
)
from messaging.taxonomy import Condition
from synth.street import DRAWN_CLASSES, StreetCamera, WorldName

CAMERA_CONDITION = Condition.parse("night-rain")
CAMERA_CLASSES = {"garbage": 12.0, "fallen_person": 4.0, "fire": 1.0}
CAMERA_SEED = 23
FPS = 5


@dataclass(frozen=True)
class CitySize:
    """Numbers of images, and of frames that the camera plays in a loop."""

    base: int
    replay: int
    calibration: int
    holdout: int
    frames: int


def build_city(folder: Path, size: CitySize) -> None:
    """Write `base`, `replay`, `calibration`, `holdout`, `detector.pt` and `frames`."""
    _draw(folder / "base", (BASE_CALIBRATION,), size.base)
    _draw(folder / "replay", (BASE_TRAINING,), size.replay)
    _draw(folder / "calibration", CAMPAIGN_CALIBRATION, size.calibration)
    _draw(folder / "holdout", (HOLDOUT,), size.holdout)
    _write_checkpoint(folder / "detector.pt")
    camera = StreetCamera(
        world=WorldName.FOOTAGE,
        seed=CAMERA_SEED,
        condition=CAMERA_CONDITION,
        fps=float(FPS),
        classes=DRAWN_CLASSES,
        hazard_weights=CAMERA_CLASSES,
        spawn_per_s=1.2,
    )
    _write_images(folder / "frames", (frame.image for frame in camera.frames(size.frames)))


def _draw(folder: Path, sets: Sequence[SceneSet], count: int) -> None:
    """Draw `count` scenes, equally many of each set, as one labelled folder."""
    rows = []
    for scenes in sets:
        for labelled in drawn(replace(scenes, count=count // len(sets))):
            write_labelled(folder, labelled.name, labelled.image, labelled.boxes, DRAWN_CLASSES)
            rows.append((f"{labelled.name}.jpg", labelled.name, labelled.condition))
    write_index(folder, rows)


def _write_images(folder: Path, images: Iterable[np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), image)


def _write_checkpoint(path: Path) -> None:
    """The shipped starting detector as `yolo train` would have written it."""
    weights = read_weights(STARTING_WEIGHTS)
    module = copy.deepcopy(network_of(weights).module).half()
    module.args = {"task": "detect", "imgsz": weights.card.input_width}
    module.names = dict(enumerate(weights.card.class_names))
    torch.save({"epoch": -1, "model": module, "train_args": {"task": "detect"}}, path)
