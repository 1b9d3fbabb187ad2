"""Images that enter by hand: immutable, in one role, refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import write_index, write_labelled
from cloud.data.roles import DataRole, role_of
from cloud.errors import DataRefused
from messaging.taxonomy import Condition


def folder_of(path: Path, names: tuple[str, ...], *, scene: str | None = None) -> Path:
    for number, name in enumerate(names):
        grey = np.full((32, 32, 3), 20 * number + ord(path.name[0]), np.uint8)
        write_labelled(path, name, grey, [TrueBox("fire", (4, 4, 12, 12))], ["fire"])
    if scene is not None:
        write_index(path, [(f"{name}.jpg", scene, Condition()) for name in names])
    return path


def test_a_folder_is_copied_under_its_digest_and_the_same_bytes_again_change_nothing(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "in", ("road_1", "road_2"))
    first = register.add(folder, DataRole.REPLAY)
    assert register.add(folder, DataRole.REPLAY) == first
    assert (first.images, first.boxes, first.scenes) == (2, 2, ("road",))
    assert first.folder.name == first.digest
    assert register.folders(DataRole.REPLAY) == (first.folder,)
    assert register.images(DataRole.HOLDOUT) == 0


@pytest.mark.parametrize("second", [DataRole.HOLDOUT, DataRole.BACKGROUND])
def test_a_scene_may_not_be_in_training_and_holdout(second: DataRole, tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    register.add(folder_of(tmp_path / "a", ("x_1",), scene="bridge"), DataRole.REPLAY)
    with pytest.raises(DataRefused, match=r"scene 'bridge' is in role replay already"):
        register.add(folder_of(tmp_path / "b", ("y_1",), scene="bridge"), second)
    assert len(register.all()) == 1


def test_a_scene_may_be_base_and_replay(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    register.add(folder_of(tmp_path / "a", ("x_1",), scene="bridge"), DataRole.BASE)
    register.add(folder_of(tmp_path / "b", ("y_1",), scene="bridge"), DataRole.REPLAY)
    assert len(register.all()) == 2


def test_a_folder_without_images_or_with_a_broken_one_leaves_nothing_behind(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataRefused, match="holds no images"):
        register.add(empty, DataRole.BACKGROUND)
    broken = folder_of(tmp_path / "broken", ("x_1",))
    (broken / "images" / "x_1.jpg").write_bytes(b"no image")
    with pytest.raises(DataRefused, match="is no JPEG, PNG"):
        register.add(broken, DataRole.REPLAY)
    assert register.all() == []


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(DataRefused, match="'training' is not one of base, replay"):
        role_of("training")
