"""Folders of labelled images, read strictly: YOLO layout, class *names* in `classes.json`.

    FOLDER/classes.json       ["fire", "smoke"]: names in the order of the labels' indices
    FOLDER/images/NAME.jpg    (or .png)
    FOLDER/labels/NAME.txt    one line per box: index, centre x, centre y, width, height, normalised 0-1
    FOLDER/index.csv          optional; columns file, scene, condition

A missing or empty label file means that the image has no hazard. A file that is unreadable or out of range is
refused with its name and the line; nothing is repaired. Pixels are read only on `open`.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from cloud.errors import DataRefused
from edge.errors import ImageRefused
from edge.vision import image_files
from edge.vision.detector import Image
from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition, Light, taxonomy_of

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
SLACK = 0.02


@dataclass(frozen=True)
class TrueBox:
    """One labelled hazard: `xyxy` in pixels of its image."""

    class_name: str
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image, BGR uint8 (h, w, 3), with every hazard in it."""

    name: str
    image: Image
    boxes: tuple[TrueBox, ...]
    condition: Condition


@dataclass(frozen=True)
class NormalisedBox:
    """One line of a label file: class name and centre, width, height, normalised to 0-1."""

    class_name: str
    cxcywh: tuple[float, float, float, float]

    def pixels(self, width: int, height: int) -> TrueBox:
        """The box in pixels, clipped to the image."""
        x, y, w, h = self.cxcywh
        corners = (
            max(x - w / 2, 0.0) * width,
            max(y - h / 2, 0.0) * height,
            min(x + w / 2, 1.0) * width,
            min(y + h / 2, 1.0) * height,
        )
        return TrueBox(self.class_name, corners)


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
    """Every image of a labelled folder, sorted by name. Raises `DataRefused` for the first fault."""
    names = read_class_names(folder)
    paths = sorted(p for p in (folder / "images").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataRefused(f"{folder} holds no images; put JPEG or PNG files under {folder}/images")
    index = _read_index(folder / "index.csv")
    return tuple(_labelled_file(folder, path, names, index.get(path.name, {})) for path in paths)


def open_labelled(folder: Path) -> Iterator[LabelledImage]:
    """The images of a folder one by one, with pixels."""
    for file in list_labelled(folder):
        yield file.open()


def read_class_names(folder: Path) -> tuple[str, ...]:
    """The class names of a folder, in the order of its indices."""
    path = folder / "classes.json"
    try:
        names = json.loads(path.read_text())
        return taxonomy_of(names).names
    except FileNotFoundError:
        raise DataRefused(
            f'{folder} has no classes.json; write the class names there, as ["fire", "smoke"]'
        ) from None
    except (ConfigurationError, TypeError, ValueError) as error:
        raise DataRefused(f"{path} is not a list of distinct class names: {error}") from None


def read_labels(path: Path, class_names: Sequence[str]) -> tuple[NormalisedBox, ...]:
    """The boxes of one label file; a missing file has none. Raises `DataRefused` with file and line."""
    if not path.exists():
        return ()
    lines = path.read_text().splitlines()
    return tuple(
        _parse_line(line, class_names, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def write_labelled(
    folder: Path, name: str, image: Image, boxes: Sequence[TrueBox], class_names: Sequence[str]
) -> None:
    """Add one image with its labels to a folder; `classes.json` is written with the first one."""
    if not (folder / "classes.json").exists():
        write_class_names(folder, class_names)
    height, width = image.shape[:2]
    lines = []
    for box in boxes:
        x1, y1, x2, y2 = box.xyxy
        row = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(" ".join([str(class_names.index(box.class_name)), *(f"{v:.6f}" for v in row)]))
    cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines))


def write_class_names(folder: Path, class_names: Sequence[str]) -> None:
    """Create a labelled folder with its class names."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "classes.json").write_text(json.dumps(list(class_names)))


def write_index(folder: Path, rows: Sequence[tuple[str, str, Condition]]) -> None:
    """Write `index.csv` from rows (image name without suffix, scene, condition)."""
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "scene", "condition"])
        writer.writerows([f"images/{name}.jpg", scene, condition.key] for name, scene, condition in rows)


def scene_of(stem: str) -> str:
    """The scene of a file name: the part before its last number (`cam3_0042` -> `cam3`)."""
    return re.sub(r"[_-]?\d+$", "", stem) or stem


def _labelled_file(folder: Path, path: Path, names: Sequence[str], row: dict[str, str]) -> LabelledFile:
    boxes = read_labels(folder / "labels" / f"{path.stem}.txt", names)
    scene = row.get("scene") or scene_of(path.stem)
    return LabelledFile(path, boxes, _condition(row.get("condition", "")), scene)


def _condition(text: str) -> Condition:
    """The condition of `night-rain` or of a light alone; unknown for other texts, as in foreign indexes."""
    if "-" in text:
        return Condition.parse(text)
    return Condition(light=Light(text)) if text in set(Light) else Condition()


def _read_index(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file) if row.get("file")}


def _parse_line(line: str, class_names: Sequence[str], where: str) -> NormalisedBox:
    fields = line.split()
    try:
        index, (x, y, w, h) = int(fields[0]), map(float, fields[1:])
    except ValueError:
        raise DataRefused(f"{where}: expected `index x y width height`; got {line!r}") from None
    if not 0 <= index < len(class_names):
        raise DataRefused(f"{where}: class index {index}, but classes.json has {len(class_names)} names")
    inside = min(x - w / 2, y - h / 2) >= -SLACK and max(x + w / 2, y + h / 2) <= 1 + SLACK
    if not (inside and w > 0 and h > 0):
        raise DataRefused(f"{where}: box {x} {y} {w} {h} leaves the image or is empty; use fractions 0-1")
    return NormalisedBox(class_names[index], (x, y, w, h))
