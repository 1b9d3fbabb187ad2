"""Matching of detections with true boxes, and average precision, on hand-made cases."""

import numpy as np
import pytest

from cloud.evaluation.detection_metrics import average_precision, iou_rule, match, matched_rows
from edge.vision.detections import Detections
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.labelled_images import detections

BOX = (10.0, 10.0, 30.0, 30.0)
BESIDE = (14.0, 10.0, 34.0, 30.0)  # IoU 2/3 with BOX


def test_each_true_box_is_hit_once_by_the_most_confident() -> None:
    found = detections((BOX, 0.5, 0), (BOX, 0.9, 0), (BOX, 0.7, 0))
    assert match(found, np.asarray([BOX], np.float32), 0.5).tolist() == [False, True, False]


def test_nothing_matches_without_true_boxes() -> None:
    assert match(detections((BOX, 0.9, 0)), np.zeros((0, 4), np.float32), 0.5).tolist() == [False]


@pytest.mark.parametrize(
    ("hits", "truths", "expected"),
    [
        ([True, True], 2, 1.0),
        ([True, True], 4, 0.5),
        ([False, True], 1, 0.5),
        ([True, False, True], 2, (1 + 2 / 3) / 2),
        ([], 3, 0.0),
        ([False], 0, 0.0),
    ],
)
def test_average_precision_of_hand_made_lists(hits: list[bool], truths: int, expected: float) -> None:
    scores = np.linspace(0.9, 0.1, len(hits)).astype(np.float32)
    assert average_precision(scores, np.asarray(hits, bool), truths) == pytest.approx(expected)


def test_a_detection_takes_the_true_box_it_overlaps_most() -> None:
    truth = np.asarray([BESIDE, BOX], np.float32)
    assert matched_rows(detections((BOX, 0.9, 0), (BESIDE, 0.8, 0)), truth, 0.5).tolist() == [1, 0]


def test_a_second_detection_takes_the_true_box_that_is_left() -> None:
    truth = np.asarray([BOX, BESIDE], np.float32)
    found = matched_rows(detections((BOX, 0.9, 0), (BOX, 0.8, 0), (BOX, 0.7, 0)), truth, 0.5)
    assert found.tolist() == [0, 1, -1]


@pytest.mark.parametrize("found", [Detections.empty(), detections()])
def test_no_detections_give_no_rows(found: Detections) -> None:
    assert matched_rows(found, np.asarray([BOX], np.float32), 0.5).tolist() == []


def test_amorphous_classes_have_the_lower_iou_rule() -> None:
    rules = {name: iou_rule(DEFAULT_TAXONOMY, name) for name in ("fire", "smoke", "pothole")}
    assert rules["smoke"] == 0.3
    assert rules["pothole"] == 0.5
