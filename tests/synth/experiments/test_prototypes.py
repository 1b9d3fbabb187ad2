"""The prototype experiment: two clusters give two prototypes; the figure counts rows that find their own."""

import numpy as np
import pytest

from edge.vision.prototypes import unit_length
from messaging.taxonomy import Condition
from synth.experiments.prototypes import HAZARDS, _figure, embeddings, two_clusters
from tests.support.edge.model_bundles import describe
from tests.support.fake_detector import FakeDetector


def test_two_clusters_give_their_means() -> None:
    rng = np.random.default_rng(0)
    centres = np.asarray([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    vectors = np.repeat(centres, 30, axis=0) + rng.normal(0, 0.05, (60, 3)).astype(np.float32)
    nearest = (unit_length(two_clusters(vectors)) @ centres.T).argmax(axis=1)
    assert sorted(nearest) == [0, 1]


def test_a_cluster_with_too_few_hazards_is_refused() -> None:
    vectors = np.concatenate([np.zeros((50, 3)), np.ones((5, 3))]).astype(np.float32)
    with pytest.raises(ValueError, match=r"\[.*5.*\] hazards; a prototype needs 20"):
        two_clusters(vectors)


def test_the_embeddings_are_of_unit_length_and_as_many_as_wanted() -> None:
    class Colours(FakeDetector):
        def embed(self, image: np.ndarray, xyxy: np.ndarray) -> np.ndarray:
            return np.asarray([[1.0, *image[int(y), int(x)]] for x, y, _, _ in xyxy], np.float32)

    rows = embeddings(Colours(describe(), "d" * 64), "fire", Condition.parse("day-clear"))
    assert rows.shape == (HAZARDS, 4)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_the_figure_is_the_fraction_of_rows_that_find_their_own() -> None:
    figure = _figure("top1", [np.asarray([0, 1]), np.asarray([0, 0]), np.asarray([1, 0])])
    assert (figure.value, figure.n) == (0.5, 6)
