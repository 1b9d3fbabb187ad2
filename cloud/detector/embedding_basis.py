"""Fits the public basis that projects pooled features to embeddings.

The basis is fitted once, on boxes of public drawn scenes, and shipped; training never changes it. Inputs are
vectors pooled from the embedding layers; images, models and reports of sites are never used.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cloud.detector.weights import EmbeddingBasis

Floats = npt.NDArray[np.float32]


def fit_basis(
    vectors: Floats, groups: Sequence[str], *, width: int, whitening: float = 0.5, shrinkage: float = 0.1
) -> EmbeddingBasis:
    """Principal axes of box vectors, after balancing the groups and whitening the variance within them.

    Every group (a class under a condition) has the same weight. Directions are scaled by the within-group
    covariance to the power of -`whitening` (0: plain PCA, 0.5: full whitening as in linear discriminant
    analysis, Fisher 1936), regularised by `shrinkage` of its mean eigenvalue; the `width` axes of largest
    remaining variance are kept, scaled so that the median length is 1.

    Args:
        vectors: (n, channels) pooled from the embedding layers.
        groups: n labels, such as `fire/night-clear`.
        width: embedding width, at most 64.
        whitening: power, 0 to 0.5.
        shrinkage: fraction of the mean eigenvalue added to the within-group covariance.
    """
    names = sorted(set(groups))
    label = np.asarray([names.index(g) for g in groups])
    weight = 1 / np.bincount(label)[label] / len(names)
    rows = vectors.astype(np.float64)
    means = np.stack([rows[label == k].mean(axis=0) for k in range(len(names))])
    centre = means.mean(axis=0)
    within = _covariance(rows - means[label], weight)
    values, axes = np.linalg.eigh(within)
    floor = shrinkage * values.mean()
    damp = axes * (values + floor) ** -whitening @ axes.T
    total = _covariance((rows - centre) @ damp, weight)
    _, directions = np.linalg.eigh(total)
    matrix = directions[:, ::-1][:, :width].T @ damp
    scale = np.median(np.linalg.norm((rows - centre) @ matrix.T, axis=1))
    matrix /= scale
    return EmbeddingBasis(matrix.astype(np.float32), (-matrix @ centre).astype(np.float32), clip_norm=1.0)


def _covariance(rows: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (rows * weight[:, None]).T @ rows
