"""Random changes of training samples: mosaic, scale and shift, flip, colour, weather.

Randomness is an argument: the same generator gives the same pixels and boxes. Plain numpy and OpenCV.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cloud.training.samples import Bytes, Floats, Sample
from cloud.training.weather_augmentation import weathered
from edge.vision.detector import GREY

MIN_SIDE_PX = 3.0
MIN_VISIBLE = 0.25


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation.

    `mosaic`, `flip` and `weather` are probabilities; `shift` is a fraction of the image side; the others are
    largest deviations of a factor from 1.
    """

    mosaic: float = 0.3
    flip: float = 0.5
    scale: float = 0.35
    shift: float = 0.1
    hue: float = 0.015
    saturation: float = 0.4
    value: float = 0.3
    weather: float = 0.0


def augmented(
    sample: Sample, others: Sequence[Sample], how: Augmentation, rng: np.random.Generator
) -> Sample:
    """A randomly changed copy of a sample, or with probability `mosaic` of a mosaic with three others."""
    if others and rng.random() < how.mosaic:
        picks = [sample, *(others[i] for i in rng.integers(0, len(others), 3))]
        sample = _mosaic(picks, rng)
    image, boxes = _affine(sample, how, rng)
    if rng.random() < how.flip:
        image = np.ascontiguousarray(image[:, ::-1])
        boxes = boxes.copy()
        boxes[:, [1, 3]] = image.shape[1] - boxes[:, [3, 1]]
    image = _colour(image, how, rng)
    if not sample.keeps_weather and rng.random() < how.weather:
        image = weathered(image, rng)
    return replace(sample, image=image, boxes=boxes)


def _mosaic(four: Sequence[Sample], rng: np.random.Generator) -> Sample:
    """Four samples around a random centre, each scaled by 0.6 to 1."""
    canvas = np.full_like(four[0].image, GREY)
    full_height, full_width = canvas.shape[:2]
    cx, cy = (int(rng.uniform(0.35, 0.65) * side) for side in (full_width, full_height))
    corners = [
        (0, 0, cx, cy),
        (cx, 0, full_width, cy),
        (0, cy, cx, full_height),
        (cx, cy, full_width, full_height),
    ]
    boxes = []
    for sample, (left, top, right, bottom) in zip(four, corners, strict=True):
        factor = rng.uniform(0.6, 1.0)
        width, height = right - left, bottom - top
        move_x = left - rng.uniform(0, max(full_width * factor - width, 0))
        move_y = top - rng.uniform(0, max(full_height * factor - height, 0))
        matrix = np.asarray([[factor, 0, move_x - left], [0, factor, move_y - top]], np.float32)
        canvas[top:bottom, left:right] = cv2.warpAffine(
            sample.image, matrix, (width, height), borderValue=(GREY, GREY, GREY)
        )
        moved = sample.boxes.copy()
        moved[:, 1:] = moved[:, 1:] * factor + np.asarray([move_x, move_y] * 2, np.float32)
        boxes.append(_clipped(moved, (left, top, right, bottom)))
    return Sample(canvas, np.concatenate(boxes), four[0].keeps_weather)


def _affine(sample: Sample, how: Augmentation, rng: np.random.Generator) -> tuple[Bytes, Floats]:
    height, width = sample.image.shape[:2]
    factor = rng.uniform(1 - how.scale, 1 + how.scale)
    move_x, move_y = (
        side / 2 * (1 - factor) + rng.uniform(-how.shift, how.shift) * side for side in (width, height)
    )
    matrix = np.asarray([[factor, 0, move_x], [0, factor, move_y]], np.float32)
    image = cv2.warpAffine(sample.image, matrix, (width, height), borderValue=(GREY, GREY, GREY))
    boxes = sample.boxes.copy()
    boxes[:, 1:] = boxes[:, 1:] * factor + np.asarray([move_x, move_y] * 2, np.float32)
    return np.asarray(image, np.uint8), _clipped(boxes, (0, 0, width, height))


def _clipped(boxes: Floats, window: tuple[float, float, float, float]) -> Floats:
    """Boxes cut to a window; those too small or mostly outside are dropped."""
    left, top, right, bottom = window
    cut = boxes.copy()
    cut[:, [1, 3]] = cut[:, [1, 3]].clip(left, right)
    cut[:, [2, 4]] = cut[:, [2, 4]].clip(top, bottom)
    sides, before = cut[:, 3:] - cut[:, 1:3], boxes[:, 3:] - boxes[:, 1:3]
    visible = sides.prod(axis=1) / np.maximum(before.prod(axis=1), 1e-6)
    kept: Floats = cut[(sides.min(axis=1) >= MIN_SIDE_PX) & (visible >= MIN_VISIBLE)]
    return kept


def _colour(image: Bytes, how: Augmentation, rng: np.random.Generator) -> Bytes:
    gains = 1 + rng.uniform(-1, 1, 3) * (how.hue, how.saturation, how.value)
    ramp = np.arange(256, dtype=np.float32)
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    tables = [(ramp * gains[0]) % 180, np.clip(ramp * gains[1], 0, 255), np.clip(ramp * gains[2], 0, 255)]
    planes = [
        cv2.LUT(plane, table.astype(np.uint8))
        for plane, table in zip((hue, saturation, value), tables, strict=True)
    ]
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB), np.uint8)
