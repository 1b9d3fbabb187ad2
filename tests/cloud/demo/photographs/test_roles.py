"""Real photographs: one role per scene, camera roads in none, val read separately."""

import json
from pathlib import Path

import pytest

from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import list_labelled
from cloud.data.roles import DataRole
from cloud.demo.photographs.roles import (
    CAMERA_ROADS,
    Photograph,
    of_highways,
    read_photographs,
    roles_of,
    write_folder,
)
from cloud.errors import DataRefused
from tests.support.cloud.photographs import data_set

SHARED = Path(__file__).parents[5] / "shared" / "data" / "hazards"
CLASSES = ("fire", "smoke", "flood", "pothole")


def scenes(photographs: tuple[Photograph, ...]) -> set[str]:
    return {photograph.scene for photograph in photographs}


def test_a_scene_has_one_role_and_the_camera_roads_have_no_other(tmp_path: Path) -> None:
    roles = roles_of(read_photographs(data_set(tmp_path), "train"))
    assert {name: scenes(road) for name, road in roles.roads.items()} == {
        name: {scene} for name, scene in CAMERA_ROADS.items()
    }
    parts = [roles.base, roles.calibration, roles.holdout, roles.backgrounds]
    seen = [scene for part in parts for scene in scenes(part)]
    assert len(seen) == len(set(seen))
    learned = {scene for part in (*parts, roles.judge, roles.judge_calibration) for scene in scenes(part)}
    assert not learned & set(CAMERA_ROADS.values())


def test_the_starting_detector_is_trained_on_no_small_pothole_and_the_judge_is(tmp_path: Path) -> None:
    roles = roles_of(read_photographs(data_set(tmp_path), "train"))
    assert not any(photograph.has_small_pothole for photograph in roles.base)
    assert any(photograph.has_pothole for photograph in roles.base)
    assert any(photograph.has_small_pothole for photograph in roles.judge)
    assert [photograph.boxes for photograph in roles.backgrounds] == [()]


def test_small_is_under_32_px_at_640(tmp_path: Path) -> None:
    (large, small) = (p for p in read_photographs(data_set(tmp_path), "train") if p.scene.endswith("150131"))
    assert large.shorter_side_px(large.boxes[0]) == pytest.approx(80)
    assert small.shorter_side_px(small.boxes[0]) == pytest.approx(16)
    assert (large.has_small_pothole, small.has_small_pothole) == (False, True)


def test_a_folder_is_written_in_the_detectors_own_classes(tmp_path: Path) -> None:
    photographs = read_photographs(data_set(tmp_path / "data"), "train")
    folder = write_folder(photographs, tmp_path / "out", CLASSES)
    files = list_labelled(folder)
    assert len(files) == len(photographs)
    assert {box.class_name for file in files for box in file.boxes} == {"fire", "pothole"}
    assert {file.scene for file in files} == scenes(photographs)
    assert json.loads((folder / "classes.json").read_text()) == list(CLASSES)


def test_a_folder_that_is_no_data_set_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="is not the hazards data set"):
        read_photographs(tmp_path, "train")


def test_a_data_set_without_the_camera_roads_is_refused() -> None:
    with pytest.raises(DataRefused, match="lacks one of the roads"):
        roles_of(())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real photographs are not here")
def test_the_real_photographs_fit_the_register_and_val_is_apart(tmp_path: Path) -> None:
    roles = roles_of(read_photographs(SHARED, "train"))
    assert {name: len(road) for name, road in roles.roads.items()} == {"rs290-km294": 116, "rs290-km070": 68}
    assert min(len(roles.base), len(roles.judge), len(roles.holdout), len(roles.backgrounds)) > 20
    every = {p.path for part in vars(roles).values() if isinstance(part, tuple) for p in part}
    val = read_photographs(SHARED, "val")
    assert not {p.scene for p in val} & {p.scene for p in read_photographs(SHARED, "train")}
    assert not every & {p.path for p in val}
    assert sum(of_highways(photograph) for photograph in val) == 94
    register = DatasetRegister(tmp_path / "datasets")
    for role, photographs in (
        (DataRole.REPLAY, roles.base[::40]),
        (DataRole.HOLDOUT, roles.holdout[::20]),
        (DataRole.BACKGROUND, roles.backgrounds[:3]),
    ):
        register.add(write_folder(photographs, tmp_path / role, (*CLASSES, "garbage")), role)
    assert len(register.all()) == 3
