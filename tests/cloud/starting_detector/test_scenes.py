"""The drawn scenes of the shipped detectors: repeated exactly, in disjoint worlds, some without a hazard."""

from pathlib import Path

import numpy as np

from cloud.data.labelled_images import list_labelled
from cloud.starting_detector.scenes import (
    BASE_CALIBRATION,
    BASE_CONDITIONS,
    BASE_TRAINING,
    EMPTY_EVERY,
    HOLDOUT,
    REFERENCE_CALIBRATION,
    REFERENCE_TRAINING,
    SceneSet,
    draw_folder,
    drawn,
)
from synth.street import DRAWN_CLASSES, WorldName

FEW = SceneSet(WorldName.BASE, BASE_CONDITIONS, EMPTY_EVERY, 7, size=(160, 90))


def test_a_scene_set_is_the_same_at_every_call() -> None:
    for one, other in zip(drawn(FEW), drawn(FEW), strict=True):
        assert (one.name, one.boxes, one.condition) == (other.name, other.boxes, other.condition)
        assert np.array_equal(one.image, other.image)


def test_conditions_follow_in_turn_and_every_eighth_scene_has_no_hazard() -> None:
    scenes = list(drawn(FEW))
    assert [scene.condition for scene in scenes] == [*BASE_CONDITIONS, *BASE_CONDITIONS]
    assert scenes[-1].boxes == ()
    assert any(scene.boxes for scene in scenes[:-1])


def test_a_drawn_folder_reads_back_with_a_scene_per_image(tmp_path: Path) -> None:
    files = list_labelled(draw_folder(FEW, tmp_path))
    assert len({file.scene for file in files}) == len(files) == FEW.count
    assert {box.class_name for file in files for box in file.boxes} <= set(DRAWN_CLASSES)


def test_scenes_for_evaluation_are_of_a_world_without_training_and_seeds_never_overlap() -> None:
    training = (BASE_TRAINING, BASE_CALIBRATION, REFERENCE_TRAINING, REFERENCE_CALIBRATION)
    assert HOLDOUT.world not in {scenes.world for scenes in training}
    for one, other in ((BASE_TRAINING, BASE_CALIBRATION), (REFERENCE_TRAINING, REFERENCE_CALIBRATION)):
        assert one.first_seed + one.count <= other.first_seed
