"""Distances to a prototype: smaller for what resembles it, and refused in another embedding."""

import numpy as np
import pytest

from synth.errors import OrderRefused
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import PrototypeToMatch
from tests.support.synth.fakes import COLOURS, EMBEDDING, FakeDetector

BOX = (60.0, 50.0, 120.0, 80.0)


def image(name: str) -> np.ndarray:
    image = np.full((120, 200, 3), 90, np.uint8)
    image[50:80, 60:120] = COLOURS[name]
    return image


def test_what_resembles_the_prototype_is_nearer_to_it() -> None:
    wanted = tuple(float(v) - 90 for v in COLOURS["pothole"])
    judge = PrototypeDistance(FakeDetector(), PrototypeToMatch(vector=wanted, embedding_digest=EMBEDDING))
    like = judge.distances(image("pothole"), [BOX])[0]
    unlike = judge.distances(image("smoke"), [BOX])[0]
    assert like < 0.1 < unlike


def test_a_prototype_of_another_embedding_is_refused() -> None:
    with pytest.raises(OrderRefused, match="different embeddings cannot be compared"):
        PrototypeDistance(FakeDetector(), PrototypeToMatch(vector=(1.0, 0.0, 0.0), embedding_digest="a" * 64))


def test_a_prototype_of_another_width_is_refused() -> None:
    with pytest.raises(OrderRefused, match="has 2 numbers but its embedding has 3"):
        PrototypeDistance(FakeDetector(), PrototypeToMatch(vector=(1.0, 0.0), embedding_digest=EMBEDDING))
