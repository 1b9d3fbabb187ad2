"""Hazard-free streets as labelled images, so that training also lowers false alarms.

Lamps, wet roads and headlights cause false alarms in conditions that replay images lack. Streets without a
hazard exist for every condition: they are the backgrounds that hazards are inpainted into.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cloud.data.labelled_images import LabelledImage
from messaging.taxonomy import Condition
from synth.generation.compositing import apply_camera
from synth.planning.backgrounds import Backgrounds, DrawnBackgrounds, FolderBackgrounds
from synth.street import DRAWN_CONDITIONS

SIZE = (640, 360)
SEED = 77
UNKNOWN_CONDITION = (Condition(),)


def empty_streets(count: int, folder: Path | None) -> Iterator[LabelledImage]:
    """Yield `count` images without boxes: those of a folder, or drawn streets with the conditions in turn.

    Raises `BackgroundsMissing` for a folder without images.
    """
    backgrounds: Backgrounds = DrawnBackgrounds() if folder is None else FolderBackgrounds(folder)
    conditions = DRAWN_CONDITIONS if folder is None else UNKNOWN_CONDITION
    width, height = SIZE
    for index in range(count):
        condition = conditions[index % len(conditions)]
        street = backgrounds.get(SEED, index, condition=condition, width=width, height=height)
        image = apply_camera(street.image, street, np.random.default_rng([SEED, index]))
        yield LabelledImage(f"street-{index:04d}", image, (), condition)
