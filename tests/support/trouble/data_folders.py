"""Data folders as people have them: written by spreadsheets, label tools and other programs."""

import json
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = ("fire", "smoke", "pothole")
LABEL = "0 0.395833 0.625 0.125 0.25\n"
INDEX_ROWS = (
    ("images/IMG_0001.jpg", "bridge", "night-rain"),
    ("images/IMG_0002.jpg", "tunnel", "night-rain"),
)
ROWS = {
    "polygon": "0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6",
    "confidence": "0 0.5 0.5 0.2 0.2 0.87",
    "commas": "0,0.5,0.5,0.2,0.2",
    "index": "7 0.5 0.5 0.2 0.2",
    "float_class": "0.0 0.5 0.5 0.2 0.2",
    "pixels": "0 320 180 64 36",
    "negative": "0 -0.2 0.5 0.2 0.2",
    "nan": "0 nan 0.5 0.2 0.2",
    "ignore": "-1 0.5 0.5 0.2 0.2",
    "name": "fire 0.5 0.5 0.2 0.2",
    "decimal_comma": "0 0,5 0,5 0,2 0,2",
    "zero_area": "0 0.5 0.5 0 0.2",
}


def street(width: int = 64, height: int = 36, *, seed: int = 1) -> np.ndarray:
    """Noise in grey levels, (h, w, 3) uint8, another one for every seed."""
    return np.random.default_rng(seed).integers(60, 200, (height, width, 3), dtype=np.uint8)


def put_image(path: Path, *, seed: int = 1, size: tuple[int, int] = (64, 36)) -> Path:
    """Write a small image, whatever letters its name has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, street(*size, seed=seed))
    path.write_bytes(data.tobytes())
    return path


def data_folder(
    folder: Path,
    labels: Mapping[str, str | bytes | None],
    *,
    names: Any = NAMES,
    index: str | bytes | None = None,
) -> Path:
    """A folder in our layout: one image for each name with its label text (None: no label file)."""
    for number, (name, text) in enumerate(labels.items()):
        put_image(folder / "images" / name, seed=number + sum(folder.name.encode()))
        if text is not None:
            put_text(folder / "labels" / Path(name).with_suffix(".txt"), text)
    if names is not None:
        put_text(folder / "classes.json", json.dumps(names))
    if index is not None:
        put_text(folder / "index.csv", index)
    return folder


def put_text(path: Path, text: str | bytes) -> Path:
    """Write text as UTF-8, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def spreadsheet_index(
    folder: Path, *, mark: bytes = b"", separator: str = ",", backslashes: bool = False
) -> Path:
    """Two images of two scenes, with the index as a spreadsheet saves it."""
    rows = [(row[0].replace("/", "\\") if backslashes else row[0], *row[1:]) for row in INDEX_ROWS]
    lines = [separator.join(row) for row in (("file", "scene", "condition"), *rows)]
    index = mark + ("\r\n".join(lines) + "\r\n").encode()
    return data_folder(folder, {"IMG_0001.jpg": LABEL, "IMG_0002.jpg": LABEL}, index=index)


def odd_pairs() -> dict[str, tuple[str, str]]:
    """Image and label file whose names differ though they mean the same, by what differs."""
    german = "straße_brücke_0001"
    return {
        "sub-folder": ("a_0001.jpg", "train/a_0001.txt"),
        "letter case": ("Cam_0001.JPG", "cam_0001.txt"),
        "Unicode form": (
            f"{unicodedata.normalize('NFD', german)}.jpg",
            f"{unicodedata.normalize('NFC', german)}.txt",
        ),
        "both suffixes": ("d_0001.jpg", "d_0001.jpg.txt"),
        "suffix case": ("e_0001.jpg", "e_0001.TXT"),
    }


def coco_folder(folder: Path, *, gone: bool = False, annotations: Sequence[Mapping[str, Any]] = ()) -> Path:
    """One image with one box, further annotations as given, and on request an image that is not there."""
    put_image(folder / "images" / "000001.jpg", size=(640, 360))
    images = [{"id": 1, "file_name": "000001.jpg", "width": 640, "height": 360}]
    if gone:
        images.append({"id": 2, "file_name": "gone.jpg", "width": 640, "height": 360})
    first = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [213, 180, 80, 90], "iscrowd": 0}
    coco = {
        "images": images,
        "categories": [{"id": 7, "name": "fire"}],
        "annotations": [first, *({"image_id": 1, "category_id": 7, **one} for one in annotations)],
    }
    put_text(folder / "annotations.json", json.dumps(coco))
    return folder


def zip_of(folder: Path, path: Path, *, top: str = "") -> Path:
    """A ZIP file of a folder, on request inside a folder `top`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder)}")
    return path
