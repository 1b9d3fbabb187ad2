"""Training folders of photographs: few photographs count more, the same input gives the same folder."""

import hashlib
from pathlib import Path

import numpy as np
from cv2 import imwrite

from cloud.data.labelled_images import list_labelled
from cloud.starting_detector.photograph_folders import training_folder
from cloud.starting_detector.photographs import TRAIN, HazardPhotograph, read_photographs
from tests.cloud.starting_detector.test_photographs import data_set

ROWS = (
    *((f"images/train/ams{n}.jpg", "train", "amsterdam", f"ams_{n}", "day", "near") for n in range(4)),
    *((f"images/train/pot{n}.jpg", "train", "dnit", f"road_{n}", "day", "far") for n in range(20)),
    ("images/train/dark.jpg", "train", "intel", "intel_1", "night", "none"),
    ("images/train/burning.jpg", "train", "cctvfire", "cctv_1", "day", "near"),
)


def photographs(folder: Path) -> tuple[HazardPhotograph, ...]:
    """Streets, roads, one dark image without hazard, and one with a flame in the box of all."""
    found = data_set(folder, ROWS)
    burning = np.full((180, 320, 3), 40, np.uint8)
    burning[70:110, 120:200] = (30, 140, 250)
    imwrite(str(found / "images/train/burning.jpg"), burning)
    return read_photographs([found], TRAIN)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its path there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_photographs_of_streets_have_more_copies_than_those_of_highways(tmp_path: Path) -> None:
    files = list_labelled(
        training_folder(photographs(tmp_path / "data"), tmp_path / "out", flames_to_paste=0)
    )
    counts = {s: sum(f.path.name.startswith(s) for f in files) for s in ("amsterdam", "dnit")}
    assert 16 <= counts["amsterdam"] <= 20
    assert 5 <= counts["dnit"] <= 15
    assert all(file.boxes for file in files if file.path.name.startswith("amsterdam"))


def test_dark_streets_get_a_flame(tmp_path: Path) -> None:
    files = list_labelled(
        training_folder(photographs(tmp_path / "data"), tmp_path / "out", flames_to_paste=5)
    )
    burning = [file for file in files if file.path.name.startswith("burning_street")]
    assert len(burning) == 5
    assert [box.class_name for file in burning for box in file.boxes] == ["fire"] * 5


def test_the_same_photographs_give_the_same_folder(tmp_path: Path) -> None:
    some = photographs(tmp_path / "data")
    one, other = (training_folder(some, tmp_path / name, flames_to_paste=2) for name in ("one", "other"))
    assert digests(one) == digests(other)
    assert digests(one) != digests(training_folder(some, tmp_path / "third", flames_to_paste=2, seed=1))
