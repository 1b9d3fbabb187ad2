"""The drawn scenes on which the shipped detectors are trained, calibrated and evaluated.

The starting detector is trained on clear days and some clear dusks of world BASE only: its blind spots are
intended. The reference detector is trained on every condition of world REFERENCE, the judge on those of world
BACKGROUND. Campaigns choose thresholds on `CAMPAIGN_CALIBRATION`. World HOLDOUT is for evaluation only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.data.boxes import TrueBox
from cloud.data.labelled_images import LabelledImage, write_index, write_labelled
from messaging.taxonomy import Condition, Light, Weather
from synth.street import DRAWN_CLASSES, DRAWN_CONDITIONS, WorldName, draw_still

DAY = Condition(Light.DAY, Weather.CLEAR)
DUSK = Condition(Light.DUSK, Weather.CLEAR)
BASE_CONDITIONS = (DAY, DAY, DAY, DUSK)
EMPTY_EVERY = 8


@dataclass(frozen=True)
class SceneSet:
    """Which scenes to draw: `count` of a world, conditions in turn, seeds from `first_seed` upward.

    Every eighth scene has no hazard, so that training lowers false alarms too.
    """

    world: WorldName
    conditions: tuple[Condition, ...]
    count: int
    first_seed: int
    size: tuple[int, int] = (640, 360)


BASE_TRAINING = SceneSet(WorldName.BASE, BASE_CONDITIONS, 640, 0)
BASE_CALIBRATION = SceneSet(WorldName.BASE, BASE_CONDITIONS, 120, 100_000)
REFERENCE_TRAINING = SceneSet(WorldName.REFERENCE, DRAWN_CONDITIONS, 2520, 0)
REFERENCE_CALIBRATION = SceneSet(WorldName.REFERENCE, DRAWN_CONDITIONS, 180, 100_000)
JUDGE_TRAINING = SceneSet(WorldName.BACKGROUND, DRAWN_CONDITIONS, 2520, 700_000)
JUDGE_CALIBRATION = SceneSet(WorldName.BACKGROUND, DRAWN_CONDITIONS, 180, 800_000)
CAMPAIGN_CALIBRATION = tuple(
    SceneSet(world, DRAWN_CONDITIONS, 180, 400_000)
    for world in (WorldName.BASE, WorldName.BACKGROUND, WorldName.GENERATOR, WorldName.REFERENCE)
)
HOLDOUT = SceneSet(WorldName.HOLDOUT, DRAWN_CONDITIONS, 450, 500_000)


def drawn(scenes: SceneSet) -> Iterator[LabelledImage]:
    """Yield the scenes one by one, the same at every call."""
    for number in range(scenes.count):
        condition = scenes.conditions[number % len(scenes.conditions)]
        frame = draw_still(
            world=scenes.world,
            seed=scenes.first_seed + number,
            condition=condition,
            size=scenes.size,
            hazards=0 if number % EMPTY_EVERY == EMPTY_EVERY - 1 else None,
        )
        boxes = tuple(TrueBox(box.class_name, box.xyxy) for box in frame.boxes)
        yield LabelledImage(
            f"{scenes.world.value}_{scenes.first_seed + number:06d}", frame.image, boxes, condition
        )


def draw_folder(scenes: SceneSet, folder: Path, class_names: Sequence[str] = DRAWN_CLASSES) -> Path:
    """Write the scenes as a labelled folder, each image as a scene of its own. Returns the folder."""
    rows = []
    for labelled in drawn(scenes):
        write_labelled(folder, labelled.name, labelled.image, labelled.boxes, class_names)
        rows.append((f"{labelled.name}.jpg", labelled.name, labelled.condition))
    write_index(folder, rows)
    return folder
