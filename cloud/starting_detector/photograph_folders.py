"""Labelled folders of photographs for the training of a shipped detector.

A source counts by the number of copies of its photographs, so that the few of streets are not outnumbered by
the many frames of a few cameras. Copies beyond the first are cropped or darkened; dark streets get a flame.
The same photographs and seed give the same folder.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloud.data.labelled_images import LabelledImage, write_index, write_labelled
from cloud.starting_detector.photograph_variants import (
    Labelled,
    cropped,
    darkened,
    flames,
    with_dark_surroundings,
    with_flame,
)
from cloud.starting_detector.photographs import HazardPhotograph
from edge.vision.detector import Image
from messaging.taxonomy import Light
from synth.street import DRAWN_CLASSES

FLAMES = 220
_ATTEMPTS = 20
_SHAPES = (16 / 9, 4 / 3)


@dataclass(frozen=True)
class Copies:
    """Mean numbers of copies of a photograph; a fraction is the probability of one more."""

    plain: float = 1.0
    cropped: float = 0.0
    cropped_dark: float = 0.0
    dark_surroundings: float = 0.0


ONE = Copies()
FEW_STREETS, WITH_CROP = Copies(cropped=2.5, cropped_dark=1), Copies(cropped=1)
# By source or scene: copies of a photograph with a hazard, and of one without.
COPIES: dict[str, tuple[Copies, Copies]] = {
    "amsterdam": (FEW_STREETS, WITH_CROP),
    "gmdcsa24": (Copies(2, cropped=4, cropped_dark=1), WITH_CROP),
    "fpds": (Copies(2, cropped=4, cropped_dark=1), WITH_CROP),
    "polyhaven": (Copies(3, cropped=4), WITH_CROP),
    "singles": (Copies(3, cropped=4, dark_surroundings=2), Copies(3, cropped=4)),
    "potseg": (Copies(cropped=0.5), ONE),
    "dnit": (Copies(0.5), Copies(0.25)),
    "intel": (Copies(2), Copies(2)),
    "dfire": (Copies(0.5), Copies(0.5)),
    "trash": (Copies(0.5), Copies(0.5)),
    "cctvfire": (Copies(1, dark_surroundings=1), ONE),
    "cctv_fog_bandit": (Copies(0.33), Copies(0.33)),
}
WIDE_FRONTS = {"singles": 60, "polyhaven": 12}
"""Sources whose fires are wide burning fronts: how many patches of flame are cut from each."""


def training_folder(
    photographs: Sequence[HazardPhotograph], folder: Path, *, flames_to_paste: int = FLAMES, seed: int = 0
) -> Path:
    """Write the training copies of these photographs. Returns the folder."""
    rows = []
    patches: list[Image] = []
    dark: list[Image] = []
    for photograph in photographs:
        opened, rng = photograph.file.open(), _random(f"{seed} {photograph.path.name}")
        for kind, (image, boxes) in _copies(photograph, opened, rng):
            name = f"{photograph.source}_{photograph.path.stem}_{kind}"
            write_labelled(folder, name, image, boxes, DRAWN_CLASSES)
            rows.append((f"{name}.jpg", photograph.scene, opened.condition))
        patches += flames(opened.image, opened.boxes, rng, pieces=WIDE_FRONTS.get(photograph.source, 1))
        if not opened.boxes and opened.condition.light in (Light.NIGHT, Light.DUSK):
            dark.append(opened.image)
    rng = _random(f"{seed} burning streets")
    for name, (image, boxes) in _burning_streets(dark, patches, flames_to_paste, rng):
        write_labelled(folder, name, image, boxes, DRAWN_CLASSES)
        rows.append((f"{name}.jpg", name, photographs[0].file.condition))
    write_index(folder, rows)
    return folder


def _copies(
    photograph: HazardPhotograph, opened: LabelledImage, rng: np.random.Generator
) -> Iterator[tuple[str, Labelled]]:
    of_hazard, of_none = COPIES.get(photograph.scene) or COPIES.get(photograph.source) or (ONE, ONE)
    copies = of_hazard if opened.boxes else of_none
    image, boxes = opened.image, opened.boxes
    for number in range(_number(copies.plain, rng)):
        yield f"{number}plain", (image, boxes)
    for number in range(_number(copies.cropped, rng)):
        yield f"{number}cropped", cropped(image, boxes, rng)
    for number in range(_number(copies.cropped_dark, rng)):
        window, kept = cropped(image, boxes, rng)
        yield f"{number}cropped_dark", (darkened(window, rng), kept)
    if any(box.class_name == "fire" for box in boxes):
        for number in range(_number(copies.dark_surroundings, rng)):
            yield f"{number}dark_surroundings", (with_dark_surroundings(image, rng), boxes)


def _burning_streets(
    dark: Sequence[Image], patches: Sequence[Image], count: int, rng: np.random.Generator
) -> Iterator[tuple[str, Labelled]]:
    """Dark streets with a flame each; none without streets or patches."""
    for number in range(count if dark and patches else 0):
        for _ in range(_ATTEMPTS):
            street, _ = cropped(dark[int(rng.integers(len(dark)))], (), rng, shape=float(rng.choice(_SHAPES)))
            lit = with_flame(street, patches[int(rng.integers(len(patches)))], rng)
            if lit is not None:
                yield f"burning_street_{number:04d}", lit
                break


def _number(mean: float, rng: np.random.Generator) -> int:
    return int(mean + rng.random())


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
