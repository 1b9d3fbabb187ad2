"""Changed copies of photographs for training: cropped, darkened, with a flame pasted into a dark street.

There are few photographs of streets at night and fewer of fire in the dark, so those that exist are shown at
several scales and in less light. Boxes follow the pixels. Images are BGR uint8 (h, w, 3); randomness is an
argument. Nothing is read or written here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cloud.data.boxes import TrueBox
from edge.vision.detector import Image

Floats = npt.NDArray[np.float32]
Labelled = tuple[Image, tuple[TrueBox, ...]]
WIDE = 16 / 9
LEAST_VISIBLE = 0.3
LEAST_SIDE_PX = 4.0
_FLAME = 0.4


def cropped(
    image: Image, boxes: Sequence[TrueBox], rng: np.random.Generator, *, shape: float = WIDE
) -> Labelled:
    """A window of this shape (width to height) around a random box, or anywhere in an image without any.

    It holds the whole box where the image is large enough; other boxes are cut, or dropped when less than
    `LEAST_VISIBLE` of them is inside.
    """
    height, width = image.shape[:2]
    widest = min(float(width), height * shape)
    wide = widest * rng.uniform(0.55, 1.0)
    if boxes:
        x1, y1, x2, y2 = boxes[int(rng.integers(len(boxes)))].xyxy
        wide = min(max(wide, 1.1 * (x2 - x1), 1.1 * (y2 - y1) * shape), widest)
        room_x, room_y = max(wide - (x2 - x1), 0.0), max(wide / shape - (y2 - y1), 0.0)
        x = (x1 + x2) / 2 + rng.uniform(-0.3, 0.3) * room_x
        y = (y1 + y2) / 2 + rng.uniform(-0.3, 0.3) * room_y
    else:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
    high = wide / shape
    left, top = int(np.clip(x - wide / 2, 0, width - wide)), int(np.clip(y - high / 2, 0, height - high))
    right, bottom = int(left + wide), int(top + high)
    kept = (_cut(box, (left, top, right, bottom)) for box in boxes)
    return image[top:bottom, left:right].copy(), tuple(box for box in kept if box is not None)


def darkened(image: Image, rng: np.random.Generator) -> Image:
    """Less light and a tint, with the noise of a dark camera image."""
    tint = 1 + rng.uniform(-0.15, 0.15, 3)
    return _noisy((image / 255.0) ** rng.uniform(1.1, 1.9) * rng.uniform(0.25, 0.7) * tint, rng)


def with_dark_surroundings(image: Image, rng: np.random.Generator) -> Image:
    """Shadows darker and flames as bright as before, as a camera sees a fire at night."""
    return _noisy((image / 255.0) ** rng.uniform(1.6, 3.0) * rng.uniform(0.8, 1.1), rng)


def flames(image: Image, boxes: Sequence[TrueBox], rng: np.random.Generator, *, pieces: int) -> list[Image]:
    """Patches of fire that show a flame: the box of a fire itself, or `pieces` of a wide burning front."""
    found = []
    for box in (box for box in boxes if box.class_name == "fire"):
        x1, y1, x2, y2 = (int(value) for value in box.xyxy)
        patch = image[y1:y2, x1:x2]
        if min(patch.shape[:2]) < 24 or _fraction_of_flame(patch) < 0.12:
            continue
        if pieces == 1:
            found.append(patch)
            continue
        for _ in range(pieces):
            height, width = patch.shape[:2]
            wide = int(rng.uniform(0.12, 0.5) * width)
            high = int(min(height, wide * rng.uniform(0.6, 1.6)))
            left, top = rng.integers(0, width - wide + 1), rng.integers(0, height - high + 1)
            piece = patch[top : top + high, left : left + wide]
            if min(piece.shape[:2]) >= 8 and _fraction_of_flame(piece) > 0.25:
                found.append(piece)
    return found


def with_flame(street: Image, patch: Image, rng: np.random.Generator) -> Labelled | None:
    """A dark street with the flame of a patch and its glow; None when too little of the flame is left."""
    height, width = street.shape[:2]
    factor = rng.uniform(0.08, 0.6) * min(height, width) / max(patch.shape[:2])
    small = cv2.resize(patch, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    flame = np.asarray(small[:, ::-1] if rng.random() < 0.5 else small, np.float32) / np.float32(255)
    mask = cv2.GaussianBlur(_flame_of(flame), (0, 0), 0.7) * _ragged_disc(flame.shape[:2], rng)
    ys, xs = np.where(mask > 0.25)
    high, wide = mask.shape
    if min(high, wide) < 4 or len(xs) < 0.08 * mask.size:
        return None
    left, top = int(rng.uniform(0, width - wide)), int(rng.uniform(height * 0.2, height))
    top = min(top, height - high)
    cover, light = np.zeros((height, width, 1), np.float32), np.zeros((height, width, 3), np.float32)
    cover[top : top + high, left : left + wide, 0] = mask
    light[top : top + high, left : left + wide] = flame * mask[..., None]
    glow = cv2.GaussianBlur(light, (0, 0), max(wide, high) * rng.uniform(0.3, 1.0)) * rng.uniform(0.2, 1.0)
    lit = 1 - (1 - (street / 255.0 * (1 - cover) + light).clip(0, 1)) * (1 - glow.clip(0, 1))
    box = TrueBox(
        "fire",
        (
            left + float(xs.min()),
            top + float(ys.min()),
            left + float(xs.max()) + 1,
            top + float(ys.max()) + 1,
        ),
    )
    return np.asarray(lit * 255, np.uint8), (box,)


def _cut(box: TrueBox, window: tuple[int, int, int, int]) -> TrueBox | None:
    """A box in the pixels of a window; None when too little of it is inside."""
    left, top, right, bottom = window
    x1, y1, x2, y2 = box.xyxy
    inside = (max(x1, left), max(y1, top), min(x2, right), min(y2, bottom))
    wide, high = inside[2] - inside[0], inside[3] - inside[1]
    if min(wide, high) <= LEAST_SIDE_PX or wide * high < LEAST_VISIBLE * (x2 - x1) * (y2 - y1):
        return None
    return TrueBox(box.class_name, (inside[0] - left, inside[1] - top, inside[2] - left, inside[3] - top))


def _noisy(plane: npt.NDArray[np.floating], rng: np.random.Generator) -> Image:
    noise = rng.normal(0, rng.uniform(0, 0.03), plane.shape)
    return np.asarray((plane + noise).clip(0, 1) * 255, np.uint8)


def _flame_of(plane: Floats) -> Floats:
    """How much each pixel looks like a flame, 0-1: bright, red over green over blue."""
    blue, green, red = plane[..., 0], plane[..., 1], plane[..., 2]
    bright, warm = ((red - 0.5) / 0.35).clip(0, 1), ((red - blue) / 0.25).clip(0, 1)
    return np.asarray(bright * warm * ((green - blue) / 0.08).clip(0, 1) * (red >= 0.98 * green), np.float32)


def _fraction_of_flame(patch: Image) -> float:
    return float((_flame_of(np.asarray(patch, np.float32) / np.float32(255)) > _FLAME).mean())


def _ragged_disc(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A disc with a ragged edge that fills the shape, 0-1, so that a pasted patch shows no rectangle."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    down, right = (y - height / 2) / (height / 2), (x - width / 2) / (width / 2)
    angle, radius = np.arctan2(down, right), np.hypot(down, right)
    edge = 0.85 + sum(
        size * np.sin(angle * rng.integers(*waves) + rng.uniform(0, 6))
        for size, waves in ((0.12, (2, 5)), (0.08, (5, 9)))
    )
    return np.asarray(((edge - radius) / 0.2).clip(0, 1), np.float32)
