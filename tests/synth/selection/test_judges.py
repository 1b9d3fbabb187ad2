"""Judges: confirmation by a reference detector, and perceptual hashes."""

import cv2
import numpy as np
import pytest

from synth.selection.judges import ReferenceJudge, fingerprint
from tests.support.synth.fakes import COLOURS, FakeDetector

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


def test_the_confirmation_names_the_other_class_that_was_detected_there() -> None:
    (confirmation,) = ReferenceJudge(FakeDetector(), "pothole").confirm(image("fire"), [BOX])
    assert confirmation is not None
    assert (confirmation.score, confirmation.rival) == (0.0, "fire")


def test_no_detection_scores_zero_and_a_detector_without_the_class_confirms_nothing() -> None:
    (confirmation,) = ReferenceJudge(FakeDetector(sees=()), "pothole").confirm(image("pothole"), [BOX])
    assert confirmation is not None
    assert (confirmation.score, confirmation.iou, confirmation.rival_score) == (0.0, 0.0, 0.0)
    stranger = ReferenceJudge(FakeDetector(), "landslide")
    assert stranger.confirm(image("pothole"), [BOX]) == [None]


def test_fingerprints_survive_noise_and_distinguish_images() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
    first = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(first + rng.normal(0, 3, first.shape), 0, 255).astype(np.uint8)
    other = cv2.resize(coarse[::-1], (64, 64), interpolation=cv2.INTER_CUBIC)
    whole = (0.0, 0.0, 64.0, 64.0)
    assert (fingerprint(first, whole) != fingerprint(noisy, whole)).sum() <= 10
    assert (fingerprint(first, whole) != fingerprint(other, whole)).sum() > 40
