"""Progress of a run for its caller: counts, time left, thumbnails, and images without their hazards.

None of it is part of the labelled set.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import TypeAdapter, ValidationError

from messaging.runtime.atomic_files import write_atomically
from synth.planning.patches import Box, Image

THUMBNAIL_PX = 160
EMPTY_QUALITY = 75
PROGRESS_FILE = "progress.jsonl"


@dataclass(frozen=True)
class Progress:
    """Counts of a run so far.

    `seconds_left` is None until this process has kept an image; `seconds` is how long it has generated.
    """

    order: str
    asked: int
    images_judged: int
    kept: int
    refused: dict[str, int]
    patches_generated: int
    patch_budget: int
    seconds_left: float | None
    seconds: float = 0.0


_PROGRESS = TypeAdapter(Progress)


def append_progress(folder: Path, progress: Progress) -> None:
    """Append one JSON line; a line torn by a crash is ended first, so that readers skip that line alone."""
    path = folder / PROGRESS_FILE
    with path.open("ab+") as file:
        torn = file.tell() and _last_byte(file.fileno(), file.tell()) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(asdict(progress)).encode() + b"\n")


def read_progress(folder: Path) -> Progress | None:
    """The last complete line of a run's progress; None when there is none."""
    path = folder / PROGRESS_FILE
    for line in reversed(path.read_bytes().splitlines() if path.is_file() else []):
        try:
            return _PROGRESS.validate_json(line)
        except ValidationError:
            continue
    return None


def write_thumbnail(folder: Path, name: str, image: Image, boxes: list[Box]) -> None:
    """Write `thumbnails/NAME.jpg`: the image at 160 px (longer side) with its boxes (image pixels) drawn."""
    content = small_jpeg(image, boxes, longer_px=THUMBNAIL_PX)
    write_atomically(folder / "thumbnails" / f"{name}.jpg", content)


def small_jpeg(image: Image, boxes: Sequence[Box], *, longer_px: int) -> bytes:
    """The image as JPEG, at most `longer_px` pixels on its longer side, its boxes (image pixels) drawn."""
    scale = min(longer_px / max(image.shape[:2]), 1.0)
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    for box in boxes:
        left, top, right, bottom = (round(v * scale) for v in box)
        cv2.rectangle(small, (left - 1, top - 1), (right, bottom), (60, 60, 255), 1)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return bytes(data)


def write_empty(folder: Path, name: str, image: Image) -> None:
    """Write `empty/NAME.jpg`: the image as it is without its hazards, for people who compare the two."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, EMPTY_QUALITY])
    write_atomically(folder / "empty" / f"{name}.jpg", bytes(data))


def _last_byte(descriptor: int, length: int) -> bytes:
    return os.pread(descriptor, 1, length - 1)
