"""A flat map of the fleet's prototypes: principal components of their directions. Pure.

Prototypes are compared by cosine, so that each counts with its direction alone. The map is deterministic: of
each component, the coordinate with the largest magnitude is positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.failure_modes.prototypes import FleetPrototype

Points = npt.NDArray[np.float64]
_LEAST_NORM = 1e-12


@dataclass(frozen=True)
class PrototypeMap:
    """Places (prototypes, 2), in the order of the prototypes, and the variance that each axis explains."""

    places: Points
    explained: tuple[float, float]


def prototype_map(prototypes: Sequence[FleetPrototype]) -> PrototypeMap:
    """The map of prototypes of one embedding; a single one is at the origin."""
    if len(prototypes) < 2:
        return PrototypeMap(np.zeros((len(prototypes), 2)), (0.0, 0.0))
    vectors = np.asarray([p.vector for p in prototypes], np.float64)
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST_NORM)
    centred = directions - directions.mean(axis=0)
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    axes = np.zeros((2, vectors.shape[1]))
    axes[: min(2, len(components))] = components[:2]
    largest = axes[np.arange(2), np.abs(axes).argmax(axis=1)]
    axes[largest < 0] *= -1
    variance = singular**2
    whole = max(float(variance.sum()), _LEAST_NORM)
    parts = [float(v) / whole for v in variance[:2]] + [0.0]
    return PrototypeMap(centred @ axes.T, (parts[0], parts[1]))


def signal_to_noise(prototype: FleetPrototype) -> float | None:
    """Length of the signal per length of the noise, from the estimated cosine; None without noise."""
    cosine = min(max(prototype.cosine, 0.0), 1.0)
    noise = np.sqrt(1.0 - cosine**2)
    return float(cosine / noise) if noise > 0 else None
