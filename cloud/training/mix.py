"""Which images make the batches of an epoch: real and synthetic ones, mixed by the recipe."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mix:
    """The mix of a training's epochs (from 0).

    Images have indices: real ones from 0, synthetic ones from `real`.

    Attributes:
        real, synthetic: number of images.
        fraction: largest fraction of synthetic images in a batch.
        epochs: number of epochs.
        real_only_epochs: the last epochs that use real images only.
        seed: of the order.
        stated_steps: batches of each epoch; empty: as many as use each image of the epoch at least once.
    """

    real: int
    synthetic: int
    fraction: float
    epochs: int
    real_only_epochs: int
    seed: int
    stated_steps: tuple[int, ...] = ()

    def order(self, epoch: int, batch: int) -> Indices:
        """(steps, batch) indices of an epoch, in random order, repeated once all of their kind were used."""
        rng = np.random.default_rng([self.seed, epoch])
        from_synthetic = self._synthetic_per_batch(epoch, batch)
        steps = self.steps(epoch, batch)
        real = _cycled(self.real, steps * (batch - from_synthetic), rng)
        synthetic = self.real + _cycled(self.synthetic, steps * from_synthetic, rng)
        return np.concatenate([real.reshape(steps, -1), synthetic.reshape(steps, from_synthetic)], axis=1)

    def steps(self, epoch: int, batch: int) -> int:
        """Batches of an epoch."""
        if self.stated_steps:
            return self.stated_steps[epoch]
        from_synthetic = self._synthetic_per_batch(epoch, batch)
        steps = -(-self.real // (batch - from_synthetic))
        return max(steps, -(-self.synthetic // from_synthetic)) if from_synthetic else steps

    def _synthetic_per_batch(self, epoch: int, batch: int) -> int:
        if not self.synthetic or epoch >= self.epochs - self.real_only_epochs:
            return 0
        fair = round(batch * self.synthetic / (self.real + self.synthetic))
        return min(max(1, fair), int(batch * self.fraction))


def _cycled(count: int, wanted: int, rng: np.random.Generator) -> Indices:
    """Indices below `count` in random order, begun again in another order until there are enough."""
    rounds = -(-wanted // count) if wanted else 0
    order = [rng.permutation(count) for _ in range(rounds)]
    return np.concatenate([np.zeros(0, np.int64), *order])[:wanted]
