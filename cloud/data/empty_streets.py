"""Hazard-free streets as labelled images: what a campaign's detector must not take for a hazard.

Lamps, wet roads and head lights raise false alarms in conditions that no replay shows. Streets without any
hazard exist for every condition: they are what hazards are painted into.
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
AS_THEY_COME = (Condition(),)


def empty_streets(count: int, folder: Path | None) -> Iterator[LabelledImage]:
    """So many streets as their cameras deliver them, without boxes.

    Pictures of a folder as they come, or drawn streets with the conditions in turn. Raises
    `BackgroundsMissing` for a folder without pictures.
    """
    backgrounds: Backgrounds = DrawnBackgrounds() if folder is None else FolderBackgrounds(folder)
    conditions = DRAWN_CONDITIONS if folder is None else AS_THEY_COME
    width, height = SIZE
    for index in range(count):
        condition = conditions[index % len(conditions)]
        street = backgrounds.get(SEED, index, condition=condition, width=width, height=height)
        seen = apply_camera(street.image, street, np.random.default_rng([SEED, index]))
        yield LabelledImage(f"street-{index:04d}", seen, (), condition)
