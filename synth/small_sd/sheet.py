"""The sample sheet of a checkpoint: every class under chosen conditions, beside its empty painting.

Each cell shows background, painting with hazard and empty painting, the latter two pasted inside the mask.
Backgrounds are the empty halves of training crops. Images are BGR uint8. Nothing here knows torch.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Condition
from synth.generator import PROTOTYPE_WIDTH, Generator, Image, PatchRequest
from synth.prompts import Medium, prompt_for
from synth.small_sd.crops import CropSet

SHEET_SCENES = ("day-clear", "night-clear", "night-rain", "night-fog")
_GAP_PX = 2


def sample_sheet(
    generator: Generator, crops: CropSet, *, scenes: Sequence[str] = SHEET_SCENES, per_cell: int = 2,
    seed: int = 0, prototypes: bool = False,
) -> Image:  # fmt: skip
    """One row a class, `per_cell` triples a condition; places that the crops do not have stay black."""
    drawn = crops.medium == Medium.PHOTO
    rng = np.random.default_rng(seed)
    rows = []
    for name in sorted(set(crops.class_name[drawn].tolist())):
        cells = []
        for condition in scenes:
            found = np.flatnonzero(drawn & (crops.class_name == name) & (crops.condition == condition))
            chosen = rng.permutation(found)[:per_cell]
            cells += [_triple(generator, crops, int(row), rng, prototypes) for row in chosen]
            cells += [np.zeros_like(_blank(crops))] * (per_cell - len(chosen))
        rows.append(np.hstack(cells))
    return np.asarray(np.vstack(rows), np.uint8)


def mean_prototype(crops: CropSet, name: str, condition: str) -> NDArray[np.float32]:
    """Mean embedding of the drawn crops of one class and condition, (64,); zeros where there is none."""
    rows = (crops.class_name == name) & (crops.condition == condition) & (crops.medium == Medium.PHOTO)
    vectors = crops.embedding[rows]
    return np.asarray(vectors.mean(axis=0) if len(vectors) else np.zeros(PROTOTYPE_WIDTH), np.float32)


def _triple(
    generator: Generator, crops: CropSet, row: int, rng: np.random.Generator, prototypes: bool
) -> NDArray[np.uint8]:
    patch, mask = crops.empty[row], crops.mask[row]
    name, key = str(crops.class_name[row]), str(crops.condition[row])
    condition, seed = Condition.parse(key), int(rng.integers(2**31))
    vector = mean_prototype(crops, name, key) if prototypes else None
    hazard, empty = generator.paint(
        [
            PatchRequest(prompt_for(name, condition, rng=rng), patch, mask, seed, vector),
            PatchRequest(prompt_for(None, condition, rng=rng), patch, mask, seed),
        ]
    )
    pasted = [np.where(mask[..., None], painted.image, patch) for painted in (hazard, empty)]
    return _framed([patch, *pasted])


def _blank(crops: CropSet) -> NDArray[np.uint8]:
    return _framed([crops.empty[0]] * 3)


def _framed(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    bordered = [cv2.copyMakeBorder(image, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT) for image in images]
    bordered[-1] = cv2.copyMakeBorder(bordered[-1], 0, 0, 0, 2 * _GAP_PX, cv2.BORDER_CONSTANT)
    return np.asarray(np.hstack(bordered), np.uint8)
