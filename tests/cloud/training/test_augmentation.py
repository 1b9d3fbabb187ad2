"""Augmentation keeps boxes on their objects, and a seed repeats everything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.data.labelled_images import list_labelled
from cloud.training.augmentation import Augmentation, augmented
from cloud.training.samples import Sample, TrainingImages
from tests.support.cloud.detector_weights import small_weights
from tests.support.cloud.labelled_images import square_images

NONE = Augmentation(mosaic=0, flip=0, scale=0, shift=0, hue=0, saturation=0, value=0)


def _samples(folder: Path, count: int, width: int, height: int) -> list[Sample]:
    card = (
        small_weights().with_card(class_names=("fire", "smoke"), input_width=width, input_height=height).card
    )
    images = TrainingImages(list_labelled(square_images(folder, count)), (), card)
    return [images.read(index) for index in range(count)]


def test_a_seed_repeats_every_pixel_and_box(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 4, 96, 64)

    def once() -> list[Sample]:
        rng = np.random.default_rng(3)
        return [augmented(s, samples, Augmentation(mosaic=0.5), rng) for s in samples]

    for a, b in zip(once(), once(), strict=True):
        assert (a.image == b.image).all()
        assert (a.boxes == b.boxes).all()


@pytest.mark.parametrize(
    "how",
    [
        NONE,
        Augmentation(mosaic=0, flip=1, scale=0, shift=0, hue=0, saturation=0, value=0),
        Augmentation(mosaic=0, flip=0, scale=0.4, shift=0.1, hue=0, saturation=0, value=0),
        Augmentation(mosaic=1, flip=0.5, scale=0.2, shift=0.05, hue=0, saturation=0, value=0),
    ],
    ids=["nothing", "flip", "scale and shift", "mosaic"],
)
def test_boxes_stay_on_their_squares_through_every_augmentation(tmp_path: Path, how: Augmentation) -> None:
    samples = _samples(tmp_path, 6, 160, 96)
    rng = np.random.default_rng(1)
    for sample in samples:
        changed = augmented(sample, samples, how, rng)
        for x1, y1, x2, y2 in changed.boxes[:, 1:]:
            inner = changed.image[round(y1) + 2 : round(y2) - 2, round(x1) + 2 : round(x2) - 2].astype(int)
            if inner.size:
                assert (inner[..., 0] - inner[..., 2] > 100).mean() > 0.9


def test_weather_changes_every_pixel_row_and_no_box(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 6, 160, 96)
    for number, sample in enumerate(samples):
        changed = augmented(sample, samples, replace(NONE, weather=1.0), np.random.default_rng(number))
        unchanged = augmented(sample, samples, NONE, np.random.default_rng(number))
        assert (changed.boxes == unchanged.boxes).all()
        assert (changed.image != unchanged.image).any(axis=(1, 2)).all()


def test_weather_leaves_out_samples_that_keep_theirs() -> None:
    generated = Sample(np.full((32, 32, 3), 90, np.uint8), np.zeros((0, 5), np.float32), keeps_weather=True)
    changed = augmented(generated, [], replace(NONE, weather=1.0), np.random.default_rng(0))
    assert (changed.image == generated.image).all()


def test_weather_is_as_frequent_as_configured() -> None:
    grey = Sample(np.full((32, 32, 3), 90, np.uint8), np.zeros((0, 5), np.float32))
    rng = np.random.default_rng(0)
    images = [augmented(grey, [], replace(NONE, weather=0.5), rng).image for _ in range(200)]
    assert 70 < sum((image != 90).any() for image in images) < 130
