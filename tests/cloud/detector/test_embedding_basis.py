"""The embedding basis: groups are separated, lengths normalised, all groups weigh the same."""

from collections.abc import Sequence

import numpy as np
import pytest

from cloud.detector.embedding_basis import fit_basis
from cloud.detector.weights import EmbeddingBasis, Floats
from edge.vision.prototypes import cosine_distance
from tests.support.cloud.detector_weights import project


def retrieval_accuracy(basis: EmbeddingBasis, vectors: Floats, groups: Sequence[str]) -> float:
    """Fraction of vectors whose nearest group mean, by cosine, is that of their own group."""
    names = sorted(set(groups))
    projected = project(basis, vectors)
    means = np.stack([projected[np.asarray(groups) == name].mean(axis=0) for name in names])
    nearest = np.asarray(names)[cosine_distance(projected, means).argmin(axis=1)]
    return float((nearest == np.asarray(groups)).mean())


def test_a_whitened_basis_separates_groups_that_principal_axes_confuse() -> None:
    rng = np.random.default_rng(0)
    groups = [f"c{k}" for k in range(6) for _ in range(40)]
    means = np.repeat(rng.standard_normal((6, 256)), 40, axis=0)
    noise = rng.standard_normal((240, 1)) * 30 * rng.standard_normal((1, 256))
    vectors = (means + noise + rng.standard_normal((240, 256))).astype(np.float32)
    whitened = fit_basis(vectors, groups, width=8)
    plain = fit_basis(vectors, groups, width=8, whitening=0.0)
    scores = [retrieval_accuracy(b, vectors, groups) for b in (whitened, plain)]
    assert scores[0] > 0.95
    assert scores[0] > scores[1]
    assert np.median(np.linalg.norm(project(whitened, vectors), axis=1)) == pytest.approx(1.0, rel=0.01)


def test_the_number_of_boxes_of_a_group_does_not_move_the_origin() -> None:
    rng = np.random.default_rng(1)
    rare, frequent = rng.standard_normal((20, 256)), rng.standard_normal((400, 256)) + 3
    vectors = np.concatenate([rare, frequent]).astype(np.float32)
    basis = fit_basis(vectors, ["rare"] * 20 + ["frequent"] * 400, width=4)
    means = [project(basis, part.astype(np.float32)).mean(axis=0) for part in (rare, frequent)]
    np.testing.assert_allclose(means[0], -means[1], atol=1e-3)
