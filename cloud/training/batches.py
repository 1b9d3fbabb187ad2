"""Batches of training samples: kept in memory, augmented, real and synthetic mixed by the recipe.

Samples are letterboxed once, by the edge's own function. Randomness is an argument, so the same plan and
seed give the same batches. Plain numpy and OpenCV; no torch here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cloud.data.labelled_images import LabelledImage
from cloud.errors import DataRefused
from cloud.training.weather_augmentation import weathered
from edge.vision.detector import GREY, letterbox

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
MIN_SIDE_PX = 3.0
MIN_VISIBLE = 0.25


@dataclass(frozen=True, eq=False)
class Sample:
    """A letterboxed image with its boxes.

    Attributes:
        image: RGB uint8 (h, w, 3).
        boxes: (n, 5): class index, xyxy in pixels of the letterboxed image.
        keeps_weather: whether weather augmentation leaves it out, since it shows its condition already.
    """

    image: Bytes
    boxes: Floats
    keeps_weather: bool = False


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


@dataclass(frozen=True)
class Mix:
    """Batches of `batch` samples, at most the fraction `synthetic_fraction` of each synthetic."""

    batch: int = 16
    synthetic_fraction: float = 0.5

    def synthetic_per_batch(self, real: int, synthetic: int) -> int:
        """Synthetic samples per batch, given the numbers of real and synthetic samples."""
        if not synthetic:
            return 0
        fair = self.batch * synthetic / max(real + synthetic, 1)
        return max(1, min(round(fair), int(self.batch * self.synthetic_fraction)))


def load_samples(
    labelled: Iterable[LabelledImage],
    class_names: Sequence[str],
    width: int,
    height: int,
    *,
    keeps_weather: bool = False,
) -> list[Sample]:
    """Samples of labelled images, letterboxed to an input size. Raises `DataRefused` for an unknown class."""
    samples = []
    for one in labelled:
        blob, fit = letterbox(one.image, width, height)
        rows = []
        for box in one.boxes:
            if box.class_name not in class_names:
                raise DataRefused(
                    f"image {one.name} is labelled {box.class_name!r}; "
                    f"the detector has the classes {', '.join(class_names)}"
                )
            corners = fit.to_input(np.asarray(box.xyxy, np.float32)[None])[0]
            rows.append([class_names.index(box.class_name), *corners])
        image = np.ascontiguousarray((blob * 255).round().astype(np.uint8).transpose(1, 2, 0))
        samples.append(Sample(image, np.asarray(rows, np.float32).reshape(-1, 5), keeps_weather))
    return samples


def epoch_batches(
    real: Sequence[Sample], synthetic: Sequence[Sample], mix: Mix, rng: np.random.Generator
) -> Iterator[list[Sample]]:
    """Batches of one epoch: every sample at least once; the rarer kind is repeated as needed."""
    from_synthetic = mix.synthetic_per_batch(len(real), len(synthetic))
    from_real = mix.batch - from_synthetic
    steps = epoch_steps(len(real), len(synthetic), mix)
    real_order = _cycled(len(real), steps * from_real, rng)
    synthetic_order = _cycled(len(synthetic), steps * from_synthetic, rng)
    for step in range(steps):
        chosen = [real[i] for i in real_order[step * from_real : (step + 1) * from_real]]
        chosen += [synthetic[i] for i in synthetic_order[step * from_synthetic : (step + 1) * from_synthetic]]
        yield chosen


def epoch_steps(real: int, synthetic: int, mix: Mix) -> int:
    """Optimiser steps of one epoch."""
    from_synthetic = mix.synthetic_per_batch(real, synthetic)
    return max(
        -(-real // (mix.batch - from_synthetic)), -(-synthetic // from_synthetic) if from_synthetic else 0
    )


def _cycled(count: int, wanted: int, rng: np.random.Generator) -> list[int]:
    order: list[int] = []
    while count and len(order) < wanted:
        order += rng.permutation(count).tolist()
    return order[:wanted]


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


def targets_of(samples: Sequence[Sample]) -> Floats:
    """Boxes of a batch, (m, 6): image index, class, centre x, centre y, width, height, normalised."""
    rows = []
    for index, sample in enumerate(samples):
        height, width = sample.image.shape[:2]
        x1, y1, x2, y2 = (sample.boxes[:, 1:] / np.asarray([width, height] * 2, np.float32)).T
        image_index = np.full(len(sample.boxes), index)
        rows.append(
            np.stack(
                [image_index, sample.boxes[:, 0], (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1
            )
        )
    return np.concatenate(rows).astype(np.float32) if rows else np.zeros((0, 6), np.float32)


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
