"""COCO files: what is no box of one object is left out and counted, what contradicts itself is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.data.class_names import parse_class_map
from cloud.data.description import describe
from cloud.data.listing import ReadingOptions
from cloud.data.roles import DataRole
from tests.support.trouble.data_folders import coco_folder, put_image, put_text

RLE = {"counts": "0", "size": [360, 640]}


def changed(folder: Path, **parts: Any) -> Path:
    """A COCO folder whose lists are changed."""
    path = coco_folder(folder) / "annotations.json"
    value = json.loads(path.read_text())
    put_text(path, json.dumps(value | parts))
    return folder


def faults(source: Path, **options: Any) -> list[str]:
    return [str(fault) for fault in describe(source, ReadingOptions(**options)).faults]


def test_crowds_and_masks_are_left_out_and_counted_and_a_missing_image_is_a_fault(tmp_path: Path) -> None:
    more = [
        {"id": 2, "bbox": [0, 0, 64, 36], "iscrowd": 1, "segmentation": RLE},
        {"id": 3, "bbox": [9, 9, 64, 36], "iscrowd": 0, "segmentation": RLE},
    ]
    found = describe(coco_folder(tmp_path / "coco", gone=True, annotations=more), ReadingOptions())
    assert [str(fault) for fault in found.faults] == [
        "annotations.json: image 'gone.jpg' is not there; put the file into images/, or remove its entry"
    ]
    assert found.layout == "COCO annotations of annotations.json"
    assert "annotations.json: 1 annotation left out: crowd" in found.notes
    assert "annotations.json: 1 annotation left out: run-length mask" in found.notes
    [image] = found.images
    assert image.boxes[0].cxcywh == pytest.approx((253 / 640, 225 / 360, 80 / 640, 90 / 360))


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ({"id": 1, "bbox": [1, 1, 5, 5]}, "annotation 1: its id is there twice"),
        ({"id": 2, "bbox": [1, 1, 5, 5], "image_id": 9}, "there is no image with the id 9"),
        ({"id": 2, "bbox": [1, 1, 5, 5], "category_id": 1}, "there is no category with the id 1"),
        ({"id": 2, "bbox": [1, 1, 5, 5], "category_id": [7]}, "there is no category with the id [7]"),
        ({"id": 2, "bbox": [600, 300, 100, 90]}, "leaves the image of 640 x 360 pixels"),
        ({"id": 2, "bbox": [1, 1, 0, 5]}, "is empty or leaves"),
        ({"id": 2, "bbox": [0.2, 0.2, 0.1, 0.1]}, "holds fractions; COCO boxes are in pixels"),
        ({"id": 2, "bbox": [1, 1, 5]}, "is not [x, y, width, height]"),
        ({"id": 2, "bbox": ["1", 1, 5, 5]}, "is not [x, y, width, height]"),
        ({"id": 2}, "bbox None is not"),
    ],
)
def test_an_annotation_that_contradicts_itself_is_refused(
    tmp_path: Path, annotation: dict[str, Any], sentence: str
) -> None:
    [fault] = faults(coco_folder(tmp_path / "coco", annotations=[annotation]))
    assert sentence in fault


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"categories": [{"id": 7, "name": n} for n in ("fire", "smoke")]}, "'smoke' is there twice"),
        ({"categories": {"7": "fire"}}, "it needs lists images, annotations, categories"),
        ({"images": [{"id": 1, "file_name": "000001.jpg"}]}, "images[0] needs id, file_name, width"),
        (
            {"images": [{"id": 1, "file_name": "000001.jpg", "width": 320, "height": 180}]},
            "is 640 x 360 pixels, but annotations.json states 320 x 180",
        ),
        (
            {"images": [{"id": i, "file_name": "000001.jpg", "width": 640, "height": 360} for i in (1, 2)]},
            "is listed twice, as image 1 and 2",
        ),
        (
            {"images": [{"id": 1, "file_name": "../../etc/passwd", "width": 1, "height": 1}]},
            "image '../../etc/passwd' is not there",
        ),
    ],
)  # fmt: skip
def test_images_and_categories_that_contradict_themselves_are_refused(
    tmp_path: Path, parts: dict[str, Any], sentence: str
) -> None:
    found = faults(changed(tmp_path / "coco", **parts))
    assert any(sentence in fault for fault in found), found


def test_several_categories_become_classes_of_the_deployment_or_are_dropped(tmp_path: Path) -> None:
    categories = [{"id": 7, "name": "flame"}, {"id": 8, "name": "bonfire"}, {"id": 9, "name": "person"}]
    categories.append({"id": 10, "name": "zebra"})
    first = {"image_id": 1, "iscrowd": 0, "bbox": [10, 10, 50, 50]}
    annotations = [{**first, "id": i, "category_id": i, "bbox": [10 * i, 10, 50, 50]} for i in (7, 8, 9)]
    folder = changed(tmp_path / "coco", categories=categories, annotations=annotations)
    assert len(faults(folder)) == 3
    classes = parse_class_map(["flame=fire", "bonfire=fire"], ["person"])
    found = describe(folder, ReadingOptions(class_map=classes, role=DataRole.REPLAY))
    assert (found.faults, found.class_names, found.boxes.total()) == ((), ("fire",), 2)
    assert "annotations.json: 1 categories without boxes: zebra" in found.notes


def test_the_file_itself_and_the_usual_folders_are_understood(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "coco")
    (folder / "annotations").mkdir()
    for split in ("train", "val"):
        text = (folder / "annotations.json").read_text().replace("000001", f"{split}1")
        put_text(folder / "annotations" / f"instances_{split}.json", text)
        put_image(folder / f"{split}2017" / f"{split}1.jpg", size=(640, 360))
    (folder / "annotations.json").unlink()
    val = describe(folder / "annotations" / "instances_val.json", ReadingOptions())
    assert (val.faults, [image.path for image in val.images]) == ((), ["val2017/val1.jpg"])
    assert describe(folder, ReadingOptions(split="val")).images == val.images
    [fault] = faults(folder)
    assert (
        "is described by 2 files: annotations/instances_train.json, annotations/instances_val.json" in fault
    )


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe{\x00}\x00", b"[" * 100_000, b'{"images": 1, "images": 2}']
)
def test_a_file_that_is_no_json_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    folder = coco_folder(tmp_path / "coco")
    (folder / "annotations.json").write_bytes(text)
    [fault] = faults(folder)
    assert fault.startswith("annotations.json")
