"""Training crops from photographs whose licence is certain, recognised by the prefix of their file name.

The folder has `images/train/*.jpg` and YOLO labels in `labels/train/*.txt`. There is no image of the same
scene without the hazard, so their crops teach the hazard alone; images without labels teach empty streets.
Images are BGR uint8. Nothing here imports torch.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import ImageRefused
from edge.vision.image_files import read_image
from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition, Light, Weather
from synth.planning.patches import Box, Image, inpainting_mask
from synth.planning.prompts import Medium
from synth.small_sd.crops import MASK_GROWTHS, NO_CLASS, PATCH_PX, Crop, random_window, shrink, size_bin

logger = logging.getLogger(__name__)

CERTAIN_SOURCES = ("dfire", "furg", "dnit", "intel")
_LABELS = ("fire", "smoke", "pothole", "garbage")
_MIN_SIDE_PX = 14.0
_EMPTY_PER_PICTURE = 3


@dataclass(frozen=True, eq=False)
class LicensedPhotograph:
    """One image with its labelled boxes in pixels."""

    image: Image
    boxes: tuple[tuple[str, Box], ...]


def read_photographs(folder: Path) -> Iterator[LicensedPhotograph]:
    """The train photographs of the certain sources. Raises `ConfigurationError` when there are none."""
    paths = [
        path for path in sorted((folder / "images" / "train").glob("*.jpg"))
        if path.name.split("_")[0] in CERTAIN_SOURCES
    ]  # fmt: skip
    if not paths:
        raise ConfigurationError(
            f"{folder} holds no images/train/*.jpg of {', '.join(CERTAIN_SOURCES)}; leave --photographs out"
        )
    for path in paths:
        try:
            image = read_image(path)
        except ImageRefused as error:
            logger.warning("a photograph is left out: %s", error)
            continue
        label = folder / "labels" / "train" / f"{path.stem}.txt"
        yield LicensedPhotograph(image, tuple(_boxes(label, image.shape[1], image.shape[0])))


def crops_of_photograph(
    photograph: LicensedPhotograph, embeddings: NDArray[np.float32], rng: np.random.Generator, *, per_box: int
) -> list[Crop]:
    """`per_box` crops of each box that is not tiny, or a few empty ones; mirrored half of the time."""
    height, width = photograph.image.shape[:2]
    crops: list[Crop] = []
    for (name, xyxy), embedding in zip(photograph.boxes, embeddings, strict=True):
        if max(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]) >= _MIN_SIDE_PX:
            crops += [_crop(photograph.image, xyxy, name, embedding, rng) for _ in range(per_box)]
    nothing = np.zeros(embeddings.shape[1], np.float32)
    if not photograph.boxes:
        for _ in range(_EMPTY_PER_PICTURE):
            side = float(rng.uniform(20, 0.3 * min(width, height)))
            x, y = float(rng.uniform(0, width - side)), float(rng.uniform(0, height - side))
            box = (x, y, x + side, y + side * float(rng.uniform(0.3, 1.0)))
            crops.append(_crop(photograph.image, box, NO_CLASS, nothing, rng))
    return crops


def _crop(
    image: Image, xyxy: Box, name: str, embedding: NDArray[np.float32], rng: np.random.Generator
) -> Crop:
    height, width = image.shape[:2]
    window = random_window(xyxy, width, height, rng)
    mask = inpainting_mask(
        window.to_patch(xyxy, PATCH_PX), PATCH_PX, growth=float(rng.uniform(*MASK_GROWTHS))
    )
    patch = shrink(window.cut(image))
    if rng.random() < 0.5:
        patch, mask = np.ascontiguousarray(patch[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    condition = Condition(_light(image), Weather.UNKNOWN)
    size = size_bin(xyxy, width, height)
    return Crop(patch, patch, name == NO_CLASS, mask, name, condition, size, Medium.PHOTOGRAPH, embedding)


def _light(image: Image) -> Light:
    """Day or night by mean luminance; unknown between the two limits."""
    luminance = float(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean())
    if luminance >= 85:
        return Light.DAY
    return Light.NIGHT if luminance < 50 else Light.UNKNOWN


def _boxes(label: Path, width: int, height: int) -> Iterator[tuple[str, Box]]:
    for line in label.read_text().splitlines() if label.exists() else ():
        index, cx, cy, w, h = (float(v) for v in line.split())
        x1, x2 = (cx - w / 2) * width, (cx + w / 2) * width
        y1, y2 = (cy - h / 2) * height, (cy + h / 2) * height
        yield _LABELS[int(index)], (x1, y1, x2, y2)
