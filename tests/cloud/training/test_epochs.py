"""Batches are the same whatever process reads them, and samplers follow the epochs."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from cloud.data.labelled_images import list_labelled
from cloud.training.augmentation import Augmentation
from cloud.training.epochs import EpochImages, targets_of
from cloud.training.mix import Mix
from cloud.training.samples import Sample, TrainingImages
from tests.support.cloud.detector_weights import small_weights
from tests.support.cloud.labelled_images import square_images


def _images(folder: Path, how: Augmentation, epochs: int = 3) -> EpochImages:
    files = list_labelled(square_images(folder, 7))
    card = small_weights().with_card(class_names=("fire", "smoke"), input_width=64, input_height=32).card
    mix = Mix(5, 2, fraction=0.5, epochs=epochs, real_only_epochs=1, seed=4)
    return EpochImages(TrainingImages(files[:5], files[5:], card), mix, how)


def _epoch(images: EpochImages, epoch: int, workers: int) -> list[dict[str, torch.Tensor]]:
    loader = DataLoader(
        images, batch_size=2, sampler=images.sampler(2, epoch), num_workers=workers,
        collate_fn=images.collate_fn,
    )  # fmt: skip
    return list(loader)


def test_worker_processes_change_no_pixel(tmp_path: Path) -> None:
    images = _images(tmp_path, Augmentation(mosaic=0.5, weather=0.5))
    alone, shared = _epoch(images, 1, 0), _epoch(images, 1, 2)
    assert len(alone) == images.steps(1, 2)
    for a, b in zip(alone, shared, strict=True):
        assert a["img"].dtype == torch.uint8
        assert a["img"].shape == (2, 3, 32, 64)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_sampler_gives_epoch_after_epoch_and_its_length_is_that_of_the_one_in_training(
    tmp_path: Path,
) -> None:
    images = _images(tmp_path, Augmentation())
    sampler = images.sampler(2, 1)
    assert [epoch for epoch, _, _ in sampler] == [1] * len(sampler)
    real_only = list(sampler)
    assert {epoch for epoch, _, _ in real_only} == {2}
    assert max(index for _, _, index in real_only) < 5
    sampler.set_epoch(2)
    assert len(sampler) == len(real_only) == 6


def test_the_last_epoch_has_no_mosaics(tmp_path: Path) -> None:
    only_mosaic = Augmentation(mosaic=1, flip=0, scale=0, shift=0, hue=0, saturation=0, value=0)
    images = _images(tmp_path, only_mosaic, epochs=2)
    boxes = [[len(batch["cls"]) for batch in _epoch(images, epoch, 0)] for epoch in (0, 1)]
    assert max(boxes[0]) > 2
    assert set(boxes[1]) == {2}


def test_targets_are_normalised_and_name_their_image() -> None:
    samples = [
        Sample(np.zeros((100, 200, 3), np.uint8), np.asarray([[1, 20, 20, 60, 60]], np.float32)),
        Sample(np.zeros((100, 200, 3), np.uint8), np.zeros((0, 5), np.float32)),
        Sample(np.zeros((100, 200, 3), np.uint8), np.asarray([[0, 0, 0, 200, 100]], np.float32)),
    ]
    expected = [[0, 1, 0.2, 0.4, 0.2, 0.4], [2, 0, 0.5, 0.5, 1, 1]]
    np.testing.assert_allclose(targets_of(samples), expected, atol=1e-6)
