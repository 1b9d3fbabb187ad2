"""`data.yaml` of ultralytics: splits as folder, list or text file; what is not there is refused."""

from pathlib import Path
from typing import Any

import pytest

from cloud.data.description import describe
from cloud.data.listing import ReadingOptions
from cloud.data.roles import DataRole
from tests.support.trouble.data_folders import LABEL, put_image, put_text

NAMES = "names: {0: fire, 1: smoke}\n"


def data_set(folder: Path, text: str) -> Path:
    """Two images in train, one in val, and this data.yaml."""
    for number, name in enumerate(("train/a_1", "train/b_1", "val/c_1")):
        put_image(folder / "images" / f"{name}.jpg", seed=number)
        put_text(folder / "labels" / f"{name}.txt", LABEL)
    put_text(folder / "data.yaml", text)
    return folder


def faults(source: Path, **options: Any) -> list[str]:
    return [str(fault) for fault in describe(source, ReadingOptions(**options)).faults]


@pytest.mark.parametrize(
    "entry",
    ["images/train", "[images/train]", "[images/train/a_1.jpg, images/train/b_1.jpg]", "train.txt",
     "./images/train/", "../images/train"],
)  # fmt: skip
def test_a_split_is_a_folder_a_list_or_a_text_file(tmp_path: Path, entry: str) -> None:
    folder = data_set(tmp_path / "set", f"{NAMES}train: {entry}\nval: images/val\n")
    put_text(folder / "train.txt", "./images/train/a_1.jpg\r\nimages\\train\\b_1.jpg\r\n\r\n")
    found = describe(folder, ReadingOptions(split="train", role=DataRole.REPLAY))
    assert found.faults == ()
    assert found.layout == "YOLO data set of data.yaml"
    assert [image.path for image in found.images] == ["images/train/a_1.jpg", "images/train/b_1.jpg"]
    assert found.boxes.total() == 2


def test_with_several_splits_one_must_be_chosen_for_a_role(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "set", f"{NAMES}train: images/train\nval: images/val\n")
    [fault] = faults(folder, role=DataRole.REPLAY)
    assert "has the splits train (2 images), val (1 images); add one with --split" in fault
    assert len(describe(folder, ReadingOptions(role=DataRole.REPLAY, split="all")).images) == 3
    [fault] = faults(folder, role=DataRole.REPLAY, split="test")
    assert "has no split 'test'; its splits are: train (2 images), val (1 images)" in fault


def test_the_path_may_lead_to_another_folder(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "set", "")
    elsewhere = put_text(tmp_path / "yaml" / "mine.yaml", f"{NAMES}path: {folder}\ntrain: images/train\n")
    (folder / "data.yaml").unlink()
    assert len(describe(elsewhere, ReadingOptions()).images) == 2
    put_text(elsewhere, f"{NAMES}path: ../set\ntrain: images/train\n")
    assert len(describe(elsewhere, ReadingOptions()).images) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("names: [fire]\nnames: [smoke]\ntrain: images/train\n", "key 'names' is there twice"),
        ("names: [fire\n", "not valid YAML"),
        ("names: {0: fire, 2: smoke}\ntrain: images/train\n", "class indices must be 0 to 1, got 0, 2"),
        ("names: [yes, no]\ntrain: images/train\n", "True is not a class name"),
        ("names: [fire]\nnc: 2\ntrain: images/train\n", "nc is 2, but there are 1 names"),
        ("names: [fire]\ntrain: images/trian\n", "train: there are no images at 'images/trian'"),
        ("names: [fire]\ntrain: {a: b}\n", "train: {'a': 'b'} is no path"),
        ("names: [fire]\ntrain: list.txt\n", "list.txt, line 2: there is no image 'images/train/x.jpg'"),
        ("names: [fire]\n", "names no images"),
        ("train: images/train\n", "has no key `names`"),
        ("- fire\n", "holds no keys and values"),
        ("names: [fire]\ntrain: ../../../../etc\n", "there are no images at '../../../../etc'"),
    ],
)
def test_what_is_unclear_or_not_there_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    folder = data_set(tmp_path / "set", text)
    put_text(folder / "list.txt", "images/train/a_1.jpg\nimages/train/x.jpg\n")
    found = faults(folder)
    assert any(sentence in fault for fault in found), found


def test_a_missing_split_that_is_not_asked_for_is_a_note(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "set", f"{NAMES}train: images/train\ntest: images/test\ndownload: x\n")
    found = describe(folder, ReadingOptions(split="train"))
    assert found.faults == ()
    assert "data.yaml: test: there are no images at 'images/test'" in found.notes
    assert "data.yaml: keys not read: download" in found.notes
