"""Sums of track embeddings by class and condition, and the geometry of prototypes.

One vector of fixed length per appearance of an object (`edge.privacy.appearances`), so an object that stays
for an hour counts as much as one that passes in a second. A sum must *not* leave the site; `edge.privacy`
turns it into a noised `ClassPrototype`. Pure numpy, so that synth and cloud compare and average prototypes
with the same functions. Only directions are compared; how much noise a prototype holds is stated as the
cosine between it and the mean without noise.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from messaging.taxonomy import Condition

Floats = npt.NDArray[np.float32]
INT8_STEPS = 127
USABLE_COSINE = 0.7  # of a prototype to the mean without noise: as much signal as noise, and less is not used


@dataclass(frozen=True)
class PrototypeKey:
    """What a prototype is a mean of: a class under a condition, in one embedding space."""

    class_name: str
    condition: Condition
    embedding_digest: str


def scaled_to(length: float, vectors: Floats) -> Floats:
    """Vectors (..., d) with their direction and this length (L2). NaN and infinity become 0, 0 stays 0."""
    finite = np.nan_to_num(vectors, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(length * unit_length(finite), np.float32)


def largest_sigma(length: float, cosine: float, width: int) -> float:
    """The noise per coordinate with which a mean (width,) of this length keeps this cosine to itself.

    Noise is nearly orthogonal to the mean and sigma sqrt(width) long: cosine = length / hypot(length, noise).
    """
    return length * math.tan(math.acos(cosine)) / math.sqrt(width)


def estimated_cosine(noised: Floats | npt.NDArray[np.float64], sigma: float) -> float:
    """Cosine of a noised mean (d,) to the mean, from what is known of it: its own length and its sigma.

    The square of the mean's length is estimated as that of `noised` less the noise's part, d sigma^2; 0 if
    nothing is left.
    """
    square = float(np.square(noised, dtype=np.float64).sum())
    return math.sqrt(max(0.0, 1.0 - len(noised) * sigma**2 / max(square, 1e-24)))


def weighted_by_noise(
    vectors: npt.NDArray[np.float64], sigmas: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Mean (d,) of independently noised vectors (n, d), weighted by 1 / sigma^2, and its own sigma."""
    weights = 1.0 / np.square(sigmas)
    return np.asarray(weights @ vectors / weights.sum()), float(1.0 / math.sqrt(weights.sum()))


def cosine_distance(a: Floats, b: Floats) -> Floats:
    """1 - cosine of every row of `a` (n, d) with every row of `b` (m, d); (n, m), 1 for a zero vector."""
    return np.asarray(1.0 - unit_length(np.atleast_2d(a)) @ unit_length(np.atleast_2d(b)).T, np.float32)


def quantise(vector: Floats) -> tuple[tuple[int, ...], float]:
    """int8 steps and their scale; the largest coordinate takes all 127 steps."""
    scale = max(float(np.abs(vector).max()) / INT8_STEPS, 1e-9)
    return tuple(int(v) for v in np.clip(np.rint(vector / scale), -INT8_STEPS, INT8_STEPS)), scale


class PrototypeSum:
    """Running sum of one vector per appearance, scaled to the length `clip_norm`."""

    def __init__(self, clip_norm: float, width: int) -> None:
        self.clip_norm = clip_norm
        self.total: npt.NDArray[np.float64] = np.zeros(width, np.float64)
        self._count = 0

    @classmethod
    def of(cls, clip_norm: float, total: npt.NDArray[np.float64], count: int) -> "PrototypeSum":
        """The sum of `count` vectors of this length that were added before."""
        one = cls(clip_norm, len(total))
        one.total, one._count = total.copy(), count
        return one

    def add(self, vector: Floats) -> None:
        """Add the vector of an appearance.

        Raises:
            ValueError: the vector has another width than the sum.
        """
        if vector.shape != self.total.shape:
            raise ValueError(f"embedding must have shape {self.total.shape}; got {vector.shape}")
        self._count += 1
        self.total += scaled_to(self.clip_norm, vector)

    def __len__(self) -> int:
        """Vectors added."""
        return self._count

    @property
    def mean(self) -> Floats:
        """(d,) mean of the scaled vectors, zero for none. Not noised: never leaves the site."""
        return np.asarray(self.total / max(self._count, 1), np.float32)


class PrototypeBook:
    """The sums of one camera.

    Every further sum of a key needs twice the vectors of the one before, so that one frequent class does not
    use up the privacy budget of all.
    """

    def __init__(self, clip_norm: float, width: int) -> None:
        self.clip_norm, self._width = clip_norm, width
        self._sums: dict[PrototypeKey, PrototypeSum] = {}
        self._taken: Counter[PrototypeKey] = Counter()

    def add(self, key: PrototypeKey, vector: Floats) -> None:
        """Add the vector of an appearance that was never added before."""
        self._sums.setdefault(key, PrototypeSum(self.clip_norm, self._width)).add(vector)

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return self._width

    def contents(self) -> list[tuple[PrototypeKey, npt.NDArray[np.float64], int, int]]:
        """Of each key: the sum (d,), how many vectors it holds, and how often one was taken out."""
        nothing = PrototypeSum(self.clip_norm, self._width)
        found = {key: self._sums.get(key, nothing) for key in (*self._sums, *self._taken)}
        return [(key, one.total, len(one), self._taken[key]) for key, one in found.items()]

    def restore(self, key: PrototypeKey, total: npt.NDArray[np.float64], *, vectors: int, taken: int) -> None:
        """Put back what `contents` returned."""
        self._taken[key] = taken
        if vectors:
            self._sums[key] = PrototypeSum.of(self.clip_norm, total, vectors)

    def counts(self) -> dict[PrototypeKey, int]:
        """Vectors in each sum."""
        return {key: len(total) for key, total in self._sums.items()}

    def ready(self, least: int) -> list[PrototypeKey]:
        """Keys with enough vectors: those taken out least often first, then the fullest."""
        enough = [key for key, total in self._sums.items() if len(total) >= least * 2 ** self._taken[key]]
        return sorted(enough, key=lambda key: (self._taken[key], -len(self._sums[key])))

    def peek(self, key: PrototypeKey) -> PrototypeSum:
        """A sum that stays in the book. Raises `KeyError` for a key without vectors."""
        return self._sums[key]

    def take(self, key: PrototypeKey) -> PrototypeSum:
        """Remove and return a sum. Raises `KeyError`."""
        total = self._sums.pop(key)
        self._taken[key] += 1
        return total


def unit_length(rows: Floats) -> Floats:
    """Vectors (..., d) stretched to length 1; a zero vector stays."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), np.float32)
