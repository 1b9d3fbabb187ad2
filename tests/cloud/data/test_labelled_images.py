"""A labelled folder is read strictly: what is wrong is refused with its file and line."""

import json
from pathlib import Path

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.data.index_file import scene_of
from cloud.data.labelled_images import list_labelled, open_labelled, write_labelled
from cloud.errors import DataRefused
from messaging.taxonomy import Condition, Light, Weather
from tests.support.cloud.labelled_images import square_images


def test_images_and_labels_read_back_as_written(tmp_path: Path) -> None:
    image = np.full((50, 80, 3), 128, np.uint8)
    boxes = (TrueBox("fire", (10, 5, 30, 45)), TrueBox("smoke", (0, 0, 80, 50)))
    write_labelled(tmp_path, "cam1_0001", image, boxes, ("smoke", "fire"))
    [read] = open_labelled(tmp_path)
    assert read.image.shape == image.shape
    for box, expected in zip(read.boxes, boxes, strict=True):
        assert box.class_name == expected.class_name
        assert box.xyxy == pytest.approx(expected.xyxy, abs=0.01)


def test_condition_and_scene_come_from_the_index(tmp_path: Path) -> None:
    square_images(tmp_path, 2, scene="market", condition="night-rain")
    file = list_labelled(tmp_path)[0]
    assert file.condition == Condition(Light.NIGHT, Weather.RAIN)
    assert file.scene == "market"


def test_without_an_index_the_condition_is_unknown_and_the_scene_is_taken_from_the_name(
    tmp_path: Path,
) -> None:
    square_images(tmp_path, 1)
    (tmp_path / "index.csv").unlink()
    file = list_labelled(tmp_path)[0]
    assert file.condition == Condition()
    assert file.scene == "yard"


@pytest.mark.parametrize(
    ("stem", "scene"), [("cam3_0042", "cam3"), ("a-b-7", "a-b"), ("0042", "0042"), ("x", "x")]
)
def test_the_scene_is_the_part_before_the_last_number(stem: str, scene: str) -> None:
    assert scene_of(stem) == scene


def test_an_image_without_a_label_file_has_no_hazard(tmp_path: Path) -> None:
    square_images(tmp_path, 1)
    next((tmp_path / "labels").iterdir()).unlink()
    assert list_labelled(tmp_path)[0].boxes == ()


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("0 0.5 0.5 0.2", "expected"),
        ("fire 0.5 0.5 0.2 0.2", "expected"),
        ("2 0.5 0.5 0.2 0.2", "class index 2"),
        ("-1 0.5 0.5 0.2 0.2", "class index -1"),
        ("0 0.9 0.5 0.4 0.2", "leaves the image"),
        ("0 0.5 0.5 0.0 0.2", "is empty"),
        ("0 40 50 20 20", "leaves the image"),
        ("0 nan 0.5 0.2 0.2", "leaves the image"),
    ],
)
def test_a_bad_label_is_refused_with_file_and_line(tmp_path: Path, line: str, phrase: str) -> None:
    square_images(tmp_path, 1)
    (tmp_path / "labels" / "yard_000.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DataRefused, match=rf"yard_000\.txt, line 2: .*{phrase}"):
        list_labelled(tmp_path)


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    square_images(tmp_path, 1)
    (tmp_path / "images" / "yard_000.jpg").write_bytes(b"no image")
    with pytest.raises(DataRefused, match=r"yard_000\.jpg is no JPEG, PNG"):
        list(open_labelled(tmp_path))


@pytest.mark.parametrize("content", [None, "{", '["fire", "fire"]', "[]", "3"])
def test_class_names_must_be_a_list_of_distinct_names(tmp_path: Path, content: str | None) -> None:
    square_images(tmp_path, 1)
    (tmp_path / "classes.json").unlink()
    if content is not None:
        (tmp_path / "classes.json").write_text(content)
    with pytest.raises(DataRefused, match=r"classes\.json"):
        list_labelled(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(json.dumps(["fire"]))
    with pytest.raises(DataRefused, match="holds no images"):
        list_labelled(tmp_path)
