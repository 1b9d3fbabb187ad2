"""Photographs for the starting detector: only training images of sources with a certain licence."""

import json
from pathlib import Path

import numpy as np
import pytest
from cv2 import imwrite

from cloud.data.labelled_images import list_labelled
from cloud.errors import DataRefused
from cloud.starting_detector.photographs import certain_photographs

ROWS = (
    ("images/train/a.jpg", "train", "dfire"),
    ("images/train/b.jpg", "train", "somebody"),
    ("images/val/c.jpg", "val", "dfire"),
    ("images/train/d.jpg", "train", "intel"),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "hazards"
    for part in ("images/train", "images/val", "labels/train"):
        (folder / part).mkdir(parents=True)
    for name, _, _ in ROWS:
        imwrite(str(folder / name), np.zeros((20, 30, 3), np.uint8))
    (folder / "labels/train/a.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (folder / "data.yaml").write_text("names: {0: fire, 1: smoke}\n")
    lines = ["file,split,source", *(",".join(row) for row in ROWS)]
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_only_training_images_of_certain_licence_are_copied_with_their_labels(
    data: Path, tmp_path: Path
) -> None:
    folder = certain_photographs(data, tmp_path / "out")
    assert tuple(json.loads((folder / "classes.json").read_text())) == ("fire", "smoke")
    found = {file.path.name: [box.class_name for box in file.boxes] for file in list_labelled(folder)}
    assert found == {"a.jpg": ["smoke"], "d.jpg": []}


@pytest.mark.parametrize("missing", ["data.yaml", "index.csv"])
def test_a_folder_of_another_layout_is_refused(data: Path, tmp_path: Path, missing: str) -> None:
    (data / missing).unlink()
    with pytest.raises(
        DataRefused, match=r"is not the hazards data set .* it needs data\.yaml and index\.csv"
    ):
        certain_photographs(data, tmp_path / "out")
