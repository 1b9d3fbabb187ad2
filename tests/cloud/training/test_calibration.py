"""Thresholds chosen on labelled images: by best F1, or as precise as the parent's."""

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.training.calibration import (
    best_threshold,
    choose_thresholds,
    lowest_threshold,
    ranked,
    thresholds_as_precise,
)
from tests.support.cloud.labelled_images import ScriptedDetector, detections, labelled_image

BOX = (10.0, 10.0, 30.0, 30.0)


def test_the_threshold_is_the_best_f1_among_the_precise_enough() -> None:
    scores = np.asarray([0.9, 0.8, 0.6, 0.5, 0.4, 0.3], np.float32)
    hits = np.asarray([True, True, False, True, True, True])
    assert best_threshold(ranked(scores, hits, 5), precision_floor=0.9) == pytest.approx(0.7)
    assert best_threshold(ranked(scores, hits, 5), precision_floor=0.5) == pytest.approx(0.2)


def test_a_class_with_few_true_boxes_keeps_its_threshold() -> None:
    script = [detections((BOX, 0.8, 0)) for _ in range(6)]
    images = [labelled_image(TrueBox("fire", BOX)) for _ in range(6)]
    chosen = choose_thresholds(ScriptedDetector(script), images)
    assert chosen["smoke"] == 0.5
    assert chosen["fire"] == 0.45


FAR = (60.0, 60.0, 90.0, 90.0)


def _fire_threshold(
    wrong: int, *, images: int = 40, margin: float = 0.02, parent_wrong: int = 0, again: bool = False
) -> float:
    """Fire's new threshold where the child has `wrong` false alarms and the parent (at 0.5) `parent_wrong`.

    The child gives 0.8 to every fire and 0.6 to every false alarm; the parent 0.9 to both.
    """
    false_alarms = (FAR, 0.9, 0), (FAR, 0.6, 0)
    parent = [detections((BOX, 0.9, 0), *false_alarms[:1] * (n < parent_wrong)) for n in range(images)]
    child = [detections((BOX, 0.8, 0), *false_alarms[1:] * (n < wrong)) for n in range(images)]
    labelled = [labelled_image(TrueBox("fire", BOX)) for _ in range(images)]
    own, before = ScriptedDetector(child), ScriptedDetector(parent)
    chosen = thresholds_as_precise(own, before, labelled, margin=margin, again=again)
    assert chosen["smoke"] == 0.5
    return chosen["fire"]


@pytest.mark.parametrize(
    ("wrong", "parent_wrong", "images", "margin", "threshold"),
    [
        (0, 0, 40, 0.0, 0.45),
        (4, 0, 40, 0.0, 0.7),
        (4, 4, 40, 0.0, 0.35),
        (4, 4, 40, 0.02, 0.7),
        (1, 1, 40, 0.02, 0.35),
        (20, 20, 40, 0.0, 0.5),
        (4, 0, 20, 0.0, 0.5),
    ],
    ids=[
        "as precise",
        "less precise",
        "as wrong",
        "not by the margin",
        "precise enough",
        "not below 0.8",
        "too few boxes",
    ],
)
def test_a_threshold_moves_as_far_as_its_class_stays_as_precise_as_in_the_parent(
    wrong: int, parent_wrong: int, images: int, margin: float, threshold: float
) -> None:
    found = _fire_threshold(wrong, images=images, margin=margin, parent_wrong=parent_wrong)
    assert found == pytest.approx(threshold)


def test_a_threshold_falls_by_the_margin_only_and_need_not_rise_for_it_again() -> None:
    assert _fire_threshold(4, parent_wrong=4, again=True) == 0.5
    assert _fire_threshold(4, parent_wrong=8, again=True) == pytest.approx(0.35)
    assert _fire_threshold(4, parent_wrong=0, again=True) == pytest.approx(0.7)


def test_a_ranking_counts_precision_from_the_most_confident_box_down() -> None:
    ranking = ranked(np.asarray([0.4, 0.9, 0.6], np.float32), np.asarray([False, True, True]), 4)
    assert ranking.confidence.tolist() == pytest.approx([0.9, 0.6, 0.4])
    assert ranking.precision.tolist() == pytest.approx([1.0, 1.0, 2 / 3])
    assert ranking.reported(0.6) == 2


@pytest.mark.parametrize(("precision", "threshold"), [(1.0, 0.7), (0.75, 0.7), (0.6, 0.55), (0.5, 0.3)])
def test_the_lowest_threshold_of_a_precision(precision: float, threshold: float) -> None:
    scores = np.asarray([0.9, 0.8, 0.6, 0.5], np.float32)
    ranking = ranked(scores, np.asarray([True, True, False, False]), 2)
    assert lowest_threshold(ranking, precision) == pytest.approx(threshold)


def test_boxes_of_equal_confidence_are_reported_together_or_not_at_all() -> None:
    ranking = ranked(np.asarray([0.6, 0.6], np.float32), np.asarray([True, False]), 1)
    assert lowest_threshold(ranking, 1.0) == 0.7
    assert lowest_threshold(ranking, 0.5) == pytest.approx(0.35)


def test_without_boxes_the_threshold_is_the_lowest_for_f1_and_the_highest_for_precision() -> None:
    empty = ranked(np.zeros(0, np.float32), np.zeros(0, np.bool_), 3)
    assert best_threshold(empty, 0.8) == 0.1
    assert lowest_threshold(empty, 0.8) == 0.7
