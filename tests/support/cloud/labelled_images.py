"""Small labelled folders and scripted detectors for tests of the learning loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cloud.data.boxes import TrueBox
from cloud.data.labelled_images import LabelledImage, write_index, write_labelled
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Image
from edge.vision.providers import GrantedProvider
from messaging.releases import BundleDescription
from messaging.taxonomy import Condition
from tests.support.edge.tiny_bundles import NAMES, tiny_description
from tests.support.fake_detector import ON_CPU

DAY = Condition.parse("day-clear")


def square_images(
    folder: Path, count: int, *, seed: int = 0, scene: str = "yard", condition: str = "day-clear"
) -> Path:
    """Grey noise with one red square of class `fire` each; the square is exactly the box."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        image = rng.integers(90, 130, (96, 96, 3), dtype=np.uint8)
        x, y, side = (int(v) for v in rng.integers((5, 5, 20), (50, 50, 40)))
        image[y : y + side, x : x + side] = (30, 30, 230)
        name = f"{scene}_{number:03d}"
        write_labelled(folder, name, image, [TrueBox("fire", (x, y, x + side, y + side))], NAMES)
        rows.append((f"{name}.jpg", scene, Condition.parse(condition)))
    write_index(folder, rows)
    return folder


def labelled_image(*boxes: TrueBox, condition: Condition = DAY) -> LabelledImage:
    """A black image of 64 x 64 pixels with these true boxes."""
    return LabelledImage("x", np.zeros((64, 64, 3), np.uint8), boxes, condition)


def detections(*rows: tuple[tuple[float, ...], float, int]) -> Detections:
    """Detections from rows of xyxy in pixels, confidence and class index."""
    return Detections.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


@dataclass
class ScriptedDetector:
    """A detector that returns scripted detections, image after image."""

    script: list[Detections]
    description: BundleDescription = field(default_factory=tiny_description)
    digest: str = "d" * 64
    provider: GrantedProvider = ON_CPU

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        return [self.script.pop(0) for _ in images]

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        return np.zeros((len(xyxy), 3), np.float32)
