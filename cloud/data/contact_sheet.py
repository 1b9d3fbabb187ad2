"""A contact sheet: up to twenty images of a dataset with their boxes and class names, as one PNG.

The choice is a function of the dataset alone and shows every class: a person sees at a glance whether boxes
are where the hazards are and whether classes are swapped.
"""

import hashlib
import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np

from cloud.data.description import DatasetDescription, DescribedImage
from edge.vision.detector import GREY, Image
from edge.vision.image_files import decode_image

MOST_IMAGES = 20
COLUMNS = 5
TILE_PX = (384, 240)
CAPTION_PX = 22
GAP_PX = 6
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_COLOURS = (
    (60, 60, 230),
    (60, 170, 250),
    (200, 120, 40),
    (60, 180, 60),
    (200, 60, 180),
    (40, 160, 180),
    (140, 140, 60),
)  # BGR, dark enough for white letters


def contact_sheet(described: DatasetDescription) -> bytes | None:
    """The sheet as PNG; None if no image can be shown."""
    assert described.tree is not None
    chosen = choose(described.images)
    if not chosen:
        return None
    names = sorted({box.class_name for image in described.images for box in image.boxes})
    tiles = [
        _tile(decode_image(described.tree.read(image.path), image.path), image, names) for image in chosen
    ]
    width, height = TILE_PX[0] + GAP_PX, TILE_PX[1] + CAPTION_PX + GAP_PX
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    sheet = np.full((rows * height + GAP_PX, columns * width + GAP_PX, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        top, left = row * height + GAP_PX, column * width + GAP_PX
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    encoded, data = cv2.imencode(".png", sheet)
    assert encoded
    return data.tobytes()


def choose(images: Sequence[DescribedImage], most: int = MOST_IMAGES) -> list[DescribedImage]:
    """At most `most` images in order of path: each class in turn, then images without hazard."""
    readable = [image for image in images if image.digest]
    order = sorted(readable, key=lambda one: hashlib.sha256(f"{one.digest}{one.path}".encode()).digest())
    queues = [
        [one for one in order if any(box.class_name == name for box in one.boxes)]
        for name in sorted({box.class_name for one in readable for box in one.boxes})
    ]
    chosen: dict[str, DescribedImage] = {}
    while any(queues) and len(chosen) < most:
        for queue in queues:
            image = next((one for one in queue if one.path not in chosen), None)
            queue[:] = queue[queue.index(image) + 1 :] if image is not None else []
            if image is not None and len(chosen) < most:
                chosen[image.path] = image
    for one in order:
        if len(chosen) < most:
            chosen.setdefault(one.path, one)
    return [chosen[path] for path in sorted(chosen)]


def _tile(image: Image, described: DescribedImage, names: Sequence[str]) -> Image:
    """One image, letterboxed, with its boxes and its name below."""
    height, width = image.shape[:2]
    scale = min(TILE_PX[0] / width, TILE_PX[1] / height)
    shown = (max(round(width * scale), 1), max(round(height * scale), 1))
    left, top = (TILE_PX[0] - shown[0]) // 2, (TILE_PX[1] - shown[1]) // 2
    tile = np.full((TILE_PX[1] + CAPTION_PX, TILE_PX[0], 3), GREY, np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    tile[top : top + shown[1], left : left + shown[0]] = cv2.resize(image, shown, interpolation=method)
    for box in described.boxes:
        x1, y1, x2, y2 = (round(value) for value in box.pixels(*shown).xyxy)
        colour = _COLOURS[names.index(box.class_name) % len(_COLOURS)]
        cv2.rectangle(tile, (left + x1, top + y1), (left + x2, top + y2), colour, 2)
        _write(tile, box.class_name, (left + x1, top + y1 - 4), colour)
    tile[TILE_PX[1] :] = 255
    caption = f"{described.path.rpartition('/')[2]}  {width}x{height}  {described.condition.key}"
    _write(tile, caption, (2, TILE_PX[1] + CAPTION_PX - 7), None)
    return tile


def _write(tile: Image, text: str, at: tuple[int, int], background: tuple[int, int, int] | None) -> None:
    """Text with its base line at `at`, shifted into the tile; the font has ASCII letters only."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or "?"
    while True:
        (width, height), _ = cv2.getTextSize(plain, _FONT, _SCALE, 1)
        if width <= TILE_PX[0] - 4 or len(plain) < 4:
            break
        plain = f"{plain[: len(plain) - 6]}..."
    x, y = min(max(at[0], 1), TILE_PX[0] - width - 1), max(at[1], height + 3)
    if background is not None:
        cv2.rectangle(tile, (x - 1, y - height - 3), (x + width + 1, y + 4), background, -1)
    colour = (0, 0, 0) if background is None else (255, 255, 255)
    cv2.putText(tile, plain, (x, y), _FONT, _SCALE, colour, 1, cv2.LINE_AA)
