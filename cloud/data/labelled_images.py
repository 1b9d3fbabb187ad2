"""Labelled images as training and evaluation use them, and the folders that the product writes itself.

    FOLDER/classes.json       ["fire", "smoke"]: names in the order of the labels' indices
    FOLDER/images/NAME.jpg    (or another image format)
    FOLDER/labels/NAME.txt    one line per box: index, centre x, centre y, width, height, normalised 0-1
    FOLDER/index.csv          optional; columns file, scene, condition

An empty label file means that the image has no hazard. Pixels are read only on `open`.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from cloud.data.boxes import NormalisedBox, TrueBox
from cloud.data.description import describe
from cloud.data.faults import refuse
from cloud.data.listing import ReadingOptions
from cloud.errors import DataRefused
from edge.errors import ImageRefused
from edge.vision import image_files
from edge.vision.detector import Image
from messaging.taxonomy import Condition


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image, BGR uint8 (h, w, 3), with every hazard in it."""

    name: str
    image: Image
    boxes: tuple[TrueBox, ...]
    condition: Condition


@dataclass(frozen=True)
class LabelledFile:
    """An image file with its labels, pixels not read yet. `scene` names the scene it was taken in."""

    path: Path
    boxes: tuple[NormalisedBox, ...]
    condition: Condition
    scene: str

    def open(self) -> LabelledImage:
        """Read the pixels. Raises `DataRefused` for a file that is not an image."""
        image = read_image(self.path)
        height, width = image.shape[:2]
        return LabelledImage(
            self.path.stem, image, tuple(box.pixels(width, height) for box in self.boxes), self.condition
        )


def read_image(path: Path) -> Image:
    """An image as BGR uint8. Raises `DataRefused` naming the file."""
    try:
        return image_files.read_image(path)
    except ImageRefused as error:
        raise DataRefused(str(error)) from None


def list_labelled(folder: Path) -> tuple[LabelledFile, ...]:
    """Every image of a labelled folder, sorted by path. Raises `DataRefused` with its faults."""
    found = describe(folder, ReadingOptions(classes=None), with_pixels=False)
    refuse(str(folder), found.faults)
    return tuple(
        LabelledFile(folder / image.path, image.boxes, image.condition, image.scene) for image in found.images
    )


def open_labelled(folder: Path) -> Iterator[LabelledImage]:
    """The images of a folder one by one, with pixels."""
    for file in list_labelled(folder):
        yield file.open()


def write_labelled(
    folder: Path, name: str, image: Image, boxes: Sequence[TrueBox], class_names: Sequence[str]
) -> None:
    """Add one image with its labels to a folder; `classes.json` is written with the first one."""
    if not (folder / "classes.json").exists():
        write_class_names(folder, class_names)
    height, width = image.shape[:2]
    normalised = []
    for box in boxes:
        x1, y1, x2, y2 = box.xyxy
        centre = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
        normalised.append(NormalisedBox(box.class_name, (*centre, (x2 - x1) / width, (y2 - y1) / height)))
    cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    (folder / "labels" / f"{name}.txt").write_text(label_text(normalised, class_names))


def label_text(boxes: Sequence[NormalisedBox], class_names: Sequence[str]) -> str:
    """The label file of these boxes."""
    return "\n".join(
        " ".join([str(class_names.index(box.class_name)), *(f"{value:.6f}" for value in box.cxcywh)])
        for box in boxes
    )


def write_class_names(folder: Path, class_names: Sequence[str]) -> None:
    """Create a labelled folder with its class names."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "classes.json").write_text(json.dumps(list(class_names)))


def write_index(folder: Path, rows: Sequence[tuple[str, str, Condition]]) -> None:
    """Write `index.csv` from rows (name of the image file, scene, condition)."""
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "scene", "condition"])
        writer.writerows([f"images/{name}", scene, condition.key] for name, scene, condition in rows)
