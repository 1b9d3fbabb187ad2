"""Images that enter by hand: immutable, in one role, refused in a sentence."""

import errno
import threading
from pathlib import Path

import numpy as np
import pytest

from cloud.data import datasets
from cloud.data.boxes import TrueBox
from cloud.data.datasets import DatasetRegister
from cloud.data.description import describe
from cloud.data.labelled_images import list_labelled, write_index, write_labelled
from cloud.data.listing import ReadingOptions
from cloud.data.roles import DataRole, role_of
from cloud.errors import DataRefused
from messaging.errors import StateFileBroken
from messaging.taxonomy import Condition
from tests.support.trouble.data_folders import LABEL, data_folder, put_text


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


def test_a_licence_is_kept_and_can_be_stated_later_for_the_same_images(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    described = describe(folder_of(tmp_path / "in", ("road_1",)), ReadingOptions(role=DataRole.REPLAY))
    first = register.store(described, DataRole.REPLAY)
    assert first.licence == ""
    stated = register.store(described, DataRole.REPLAY, licence="CC BY 4.0")
    assert (stated.licence, stated.digest, stated.files) == ("CC BY 4.0", first.digest, first.files)
    assert register.store(described, DataRole.REPLAY) == stated
    assert register.all() == [stated]
    assert register.remove(stated).left == ()


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


def test_images_keep_their_bytes_and_labels_are_written_in_one_form(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = data_folder(tmp_path / "in", {"Cam_0001.JPG": None}, index="file;scene\nCam_0001.JPG;gate 7\n")
    put_text(folder / "labels" / "cam_0001.TXT", b"\xef\xbb\xbf" + LABEL.encode())
    stored = register.add(folder, DataRole.HOLDOUT)
    image = stored.folder / "images" / "Cam_0001.JPG"
    assert image.read_bytes() == (folder / "images" / "Cam_0001.JPG").read_bytes()
    assert (stored.scenes, stored.boxes, stored.classes) == (("gate 7",), 1, ("fire",))
    [file] = list_labelled(stored.folder)
    assert (file.path, file.scene, len(file.boxes)) == (image, "gate 7", 1)


@pytest.mark.parametrize("name", ["night_0001.jpg", "night.jpg", "night-rain-7.jpg"])
def test_images_that_are_named_by_a_condition_are_stored_so_that_they_are_read_again(
    tmp_path: Path, name: str
) -> None:
    folder = data_folder(tmp_path / "in", {name: LABEL})
    added = DatasetRegister(tmp_path / "store").add(folder, DataRole.REPLAY)
    assert [one.path.stem for one in list_labelled(added.folder)] == [Path(name).stem]
    assert added.scenes[0].startswith("images-night")


def test_an_image_may_not_be_in_training_and_holdout_whatever_its_scene_is_called(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "a", ("x_1",), scene="bridge")
    register.add(folder, DataRole.REPLAY)
    write_index(folder, [("x_1.jpg", "elsewhere", Condition())])
    with pytest.raises(DataRefused, match=r"1 images are in role replay already .*: images/x_1\.jpg"):
        register.add(folder, DataRole.HOLDOUT)


def test_a_folder_that_changes_while_it_is_added_leaves_nothing(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "in", ("x_1", "x_2"))
    described = register.check(folder, ReadingOptions(role=DataRole.REPLAY))
    (folder / "images" / "x_2.jpg").write_bytes(b"half")
    with pytest.raises(DataRefused, match=r"x_2\.jpg changed while it was read"):
        register.store(described, DataRole.REPLAY)
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [".lock"]
    assert register.all() == []


def test_a_file_that_is_still_written_while_a_folder_is_read_is_noticed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", ("x_1", "x_2"))
    labels = folder / "labels" / "x_2.txt"
    later = threading.Timer(0.4, labels.write_text, ("0 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n",))
    later.start()
    found = describe(folder, ReadingOptions(still_s=1.0))
    later.join()
    [fault] = found.faults
    assert "1 files changed while it was read: labels/x_2.txt" in str(fault)


def test_a_full_or_read_only_disk_leaves_nothing_and_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "in", ("x_1", "x_2"))

    def full(path: Path, data: bytes) -> None:
        if path.name == "x_2.jpg":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    monkeypatch.setattr(datasets, "_write_file", full)
    with pytest.raises(DataRefused, match=r"is not added: .*No space left on device; free space"):
        register.add(folder, DataRole.REPLAY)
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [".lock"]


def test_what_a_killed_addition_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    put_text(tmp_path / "datasets" / ".adding-x" / "images" / "x_1.jpg", "half")
    register.add(folder_of(tmp_path / "in", ("x_1",)), DataRole.REPLAY)
    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == [".lock", "replay"]


def test_removing_deletes_only_what_the_store_wrote(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "in", ("x_1", "x_2"))
    stored = register.add(folder, DataRole.REPLAY)
    notes = put_text(stored.folder / "images" / "notes.txt", "mine")
    (stored.folder / "labels" / "x_2.txt").write_text("changed by hand")
    removed = register.remove(register.find(stored.digest[:8]))
    assert removed.left == ("images/notes.txt", "labels/x_2.txt")
    assert (notes.read_text(), register.all()) == ("mine", [])
    assert len(list((folder / "images").iterdir())) == 2
    with pytest.raises(DataRefused, match="holds files that the store did not write"):
        register.add(folder, DataRole.REPLAY)
    assert notes.exists()


def test_removing_leaves_no_folder_and_the_data_can_be_added_again(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    folder = folder_of(tmp_path / "in", ("x_1", "x_2"))
    stored = register.add(folder, DataRole.REPLAY, "streets")
    removed = register.remove(register.find("streets"))
    assert (removed.left, removed.files, stored.folder.exists()) == ((), 7, False)
    assert register.add(folder, DataRole.REPLAY, "streets") == stored


def test_a_name_that_fits_none_or_several_datasets_is_refused(tmp_path: Path) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    for letter in "ab":
        register.add(folder_of(tmp_path / letter, (f"{letter}_1",)), DataRole.REPLAY, "streets")
    with pytest.raises(DataRefused, match="'streets' names 2 datasets; name one by its digest"):
        register.find("streets")
    with pytest.raises(DataRefused, match="there is no dataset 'x'"):
        register.find("x")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0\0\0"])
def test_an_emptied_card_is_refused_and_never_believed(tmp_path: Path, content: bytes) -> None:
    register = DatasetRegister(tmp_path / "datasets")
    stored = register.add(folder_of(tmp_path / "in", ("x_1",)), DataRole.REPLAY)
    (stored.folder / "dataset.json").write_bytes(content)
    with pytest.raises(StateFileBroken, match=r"dataset\.json is (empty|damaged)"):
        register.all()
