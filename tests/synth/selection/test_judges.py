import cv2
import numpy as np
import pytest

from synth.errors import OrderRefused
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import PrototypeToMatch
from synth.selection.judges import ReferenceJudge, fingerprint
from tests.support.synth.fakes import COLOURS, EMBEDDING, FakeDetector

BOX = (60.0, 50.0, 120.0, 80.0)


def image(name: str) -> np.ndarray:
    image = np.full((120, 200, 3), 90, np.uint8)
    image[50:80, 60:120] = COLOURS[name]
    return image


def test_the_reference_confirms_class_and_box() -> None:
    (confirmation,) = ReferenceJudge(FakeDetector(), "pothole").confirm(image("pothole"), [BOX])
    assert confirmation is not None
    assert (confirmation.score, confirmation.rival) == (pytest.approx(0.8), None)
    assert confirmation.iou > 0.85


def test_the_reference_names_the_other_class_that_it_sees_there() -> None:
    (confirmation,) = ReferenceJudge(FakeDetector(), "pothole").confirm(image("fire"), [BOX])
    assert confirmation is not None
    assert (confirmation.score, confirmation.rival) == (0.0, "fire")


def test_a_reference_that_sees_nothing_has_a_low_opinion_and_one_without_the_class_has_none() -> None:
    (confirmation,) = ReferenceJudge(FakeDetector(sees=()), "pothole").confirm(image("pothole"), [BOX])
    assert confirmation is not None
    assert (confirmation.score, confirmation.iou, confirmation.rival_score) == (0.0, 0.0, 0.0)
    stranger = ReferenceJudge(FakeDetector(), "landslide")
    assert stranger.confirm(image("pothole"), [BOX]) == [None]


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


def test_fingerprints_survive_noise_and_distinguish_images() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
    first = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(first + rng.normal(0, 3, first.shape), 0, 255).astype(np.uint8)
    other = cv2.resize(coarse[::-1], (64, 64), interpolation=cv2.INTER_CUBIC)
    whole = (0.0, 0.0, 64.0, 64.0)
    assert (fingerprint(first, whole) != fingerprint(noisy, whole)).sum() <= 10
    assert (fingerprint(first, whole) != fingerprint(other, whole)).sum() > 40
