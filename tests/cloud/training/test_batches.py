"""Batches mix real and synthetic samples by the recipe, boxes stay valid, and a seed repeats everything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.data.labelled_images import open_labelled
from cloud.errors import DataRefused
from cloud.training.batches import (
    Augmentation,
    Mix,
    Sample,
    augmented,
    epoch_batches,
    epoch_steps,
    load_samples,
    targets_of,
)
from tests.support.cloud.labelled_images import square_images

NONE = Augmentation(mosaic=0, flip=0, scale=0, shift=0, hue=0, saturation=0, value=0)


def _numbered(count: int, value: int) -> list[Sample]:
    return [Sample(np.full((32, 32, 3), value, np.uint8), np.zeros((0, 5), np.float32)) for _ in range(count)]


@pytest.mark.parametrize(
    ("real", "synthetic", "steps", "per_batch"),
    [(64, 0, 4, 0), (60, 4, 4, 1), (48, 16, 4, 4), (16, 16, 2, 8), (16, 80, 10, 8)],
    ids=["real only", "a few", "a quarter", "as many", "more synthetic than real"],
)
def test_at_most_half_of_a_batch_is_synthetic_and_every_sample_is_used(
    real: int, synthetic: int, steps: int, per_batch: int
) -> None:
    reals, synthetics = _numbered(real, 1), _numbered(synthetic, 2)
    batches = list(epoch_batches(reals, synthetics, Mix(16, 0.5), np.random.default_rng(0)))
    assert len(batches) == steps == epoch_steps(real, synthetic, Mix(16, 0.5))
    assert all(len(batch) == 16 for batch in batches)
    assert {sum(s.image[0, 0, 0] == 2 for s in batch) for batch in batches} == {per_batch}
    assert len({id(s) for batch in batches for s in batch}) == real + synthetic


def test_a_seed_repeats_every_pixel_and_box(tmp_path: Path) -> None:
    samples = load_samples(open_labelled(square_images(tmp_path, 4)), ("fire", "smoke"), 96, 64)

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
    samples = load_samples(open_labelled(square_images(tmp_path, 6)), ("fire", "smoke"), 160, 96)
    rng = np.random.default_rng(1)
    for sample in samples:
        changed = augmented(sample, samples, how, rng)
        for x1, y1, x2, y2 in changed.boxes[:, 1:]:
            inner = changed.image[round(y1) + 2 : round(y2) - 2, round(x1) + 2 : round(x2) - 2].astype(int)
            if inner.size:
                assert (inner[..., 0] - inner[..., 2] > 100).mean() > 0.9


def test_targets_are_normalised_and_name_their_image() -> None:
    samples = [
        Sample(np.zeros((100, 200, 3), np.uint8), np.asarray([[1, 20, 20, 60, 60]], np.float32)),
        Sample(np.zeros((100, 200, 3), np.uint8), np.zeros((0, 5), np.float32)),
        Sample(np.zeros((100, 200, 3), np.uint8), np.asarray([[0, 0, 0, 200, 100]], np.float32)),
    ]
    expected = [[0, 1, 0.2, 0.4, 0.2, 0.4], [2, 0, 0.5, 0.5, 1, 1]]
    np.testing.assert_allclose(targets_of(samples), expected, atol=1e-6)


def test_a_class_that_the_detector_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataRefused, match="image yard_000 is labelled 'fire'; the detector has the classes smoke"
    ):
        load_samples(open_labelled(square_images(tmp_path, 1)), ("smoke",), 64, 64)


def test_weather_changes_every_pixel_row_and_no_box(tmp_path: Path) -> None:
    samples = load_samples(open_labelled(square_images(tmp_path, 6)), ("fire", "smoke"), 160, 96)
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
    sample, rng = _numbered(1, 90)[0], np.random.default_rng(0)
    images = [augmented(sample, [], replace(NONE, weather=0.5), rng).image for _ in range(200)]
    assert 70 < sum((image != 90).any() for image in images) < 130
