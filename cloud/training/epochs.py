"""The batches of a training as torch's loader takes them: an order of images per epoch, and augmented images.

An image's augmentation depends on seed, epoch and place alone, so that neither the number of worker processes
nor a restart changes it. Mosaics are made of images of the same batch, so that each is decoded once; the last
epoch has none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cloud.training.augmentation import Augmentation, augmented
from cloud.training.mix import Mix
from cloud.training.samples import Floats, Sample, TrainingImages

Place = tuple[int, int, int]
"""Epoch, place in its order, index of the image."""


class EpochImages(Dataset[Sample]):
    """All images of a training; `__getitems__` reads and augments one batch."""

    def __init__(self, images: TrainingImages, mix: Mix, augmentation: Augmentation) -> None:
        self._images, self._mix, self._augmentation = images, mix, augmentation

    def __len__(self) -> int:
        return len(self._images)

    def __getitems__(self, places: Sequence[Place]) -> list[Sample]:
        read = [self._images.read(index) for _, _, index in places]
        return [self._augmented(sample, read, place) for sample, place in zip(read, places, strict=True)]

    def _augmented(self, sample: Sample, batch: Sequence[Sample], place: Place) -> Sample:
        epoch, position, _ = place
        rng = np.random.default_rng([self._mix.seed, epoch, position])
        last = epoch >= self._mix.epochs - 1
        how = replace(self._augmentation, mosaic=0.0) if last else self._augmentation
        return augmented(sample, batch, how, rng)

    def steps(self, epoch: int, batch: int) -> int:
        """Batches of an epoch (from 0)."""
        return self._mix.steps(epoch, batch)

    def sampler(self, batch: int, first_epoch: int) -> "EpochSampler":
        """The order of the images, epoch after epoch, in whole batches."""
        return EpochSampler(self._mix, batch, first_epoch)

    @staticmethod
    def collate_fn(samples: Sequence[Sample]) -> dict[str, Tensor]:
        """A batch as `cloud.detector.ultralytics.trainer.EpochSource` describes it."""
        targets = torch.from_numpy(targets_of(samples))
        images = np.stack([sample.image for sample in samples]).transpose(0, 3, 1, 2)
        return {
            "img": torch.from_numpy(np.ascontiguousarray(images)),
            "batch_idx": targets[:, 0],
            "cls": targets[:, 1:2],
            "bboxes": targets[:, 2:],
        }


class EpochSampler(Sampler[Place]):
    """Iterating gives the places of the next epoch; the length is that of the epoch in training.

    The two differ when worker processes read ahead.
    """

    def __init__(self, mix: Mix, batch: int, first_epoch: int) -> None:
        self._mix, self._batch = mix, batch
        self._trained, self._next = first_epoch, first_epoch

    def set_epoch(self, epoch: int) -> None:
        """State which epoch (from 0) is in training."""
        self._trained = epoch

    def __len__(self) -> int:
        return self._mix.steps(self._trained, self._batch) * self._batch

    def __iter__(self) -> Iterator[Place]:
        epoch, self._next = self._next, self._next + 1
        for position, index in enumerate(self._mix.order(epoch, self._batch).ravel()):
            yield epoch, position, int(index)


def targets_of(samples: Sequence[Sample]) -> Floats:
    """Boxes of a batch, (m, 6): image index, class, centre x, centre y, width, height, normalised."""
    rows = [np.zeros((0, 6), np.float32)]
    for index, sample in enumerate(samples):
        height, width = sample.image.shape[:2]
        x1, y1, x2, y2 = (sample.boxes[:, 1:] / np.asarray([width, height] * 2, np.float32)).T
        image_index = np.full(len(sample.boxes), index)
        rows.append(
            np.stack(
                [image_index, sample.boxes[:, 0], (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1
            )
        )
    return np.concatenate(rows).astype(np.float32)
