"""Detections declare their shapes; IoU and NMS agree with worked examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.detections import Detections, iou, iou_matrix, non_maximum_suppression

Box = tuple[float, float, float, float]


def test_no_detections_are_a_value_of_their_own() -> None:
    empty = Detections.empty(8)
    assert len(empty) == 0
    assert empty.embedding.shape == (0, 8)
    assert empty.xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("confidence", "class_id", "sentence"),
    [((0.5,), (0, 1), "confidence must have 2 rows"), ((0.5, 0.5), (0,), "class_id must have 2 rows")],
)
def test_columns_of_different_length_are_refused(
    confidence: tuple[float, ...], class_id: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Detections.of([[0, 0, 1, 1], [1, 1, 2, 2]], confidence, class_id)


def test_an_embedding_must_be_a_table() -> None:
    with pytest.raises(ValueError, match="embedding"):
        Detections.of([[0, 0, 1, 1]], [0.5], [0], embedding=[1.0])


def test_rows_are_chosen_by_mask_slice_or_index_in_every_column() -> None:
    seen = Detections.of(
        [[0, 0, 1, 1], [1, 1, 2, 2]], [0.9, 0.1], [3, 4], runner_up=[0.2, 0.0], embedding=np.eye(2)
    )
    for rows in (np.asarray([False, True]), slice(1, 2), np.asarray([1])):
        one = seen[rows]
        assert one.class_id.tolist() == [4]
        assert one.embedding.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0),
        ((0, 0, 4, 4), (1, 1, 3, 3), 0.25),
        ((1, 1, 1, 1), (1, 1, 1, 1), 0.0),
    ],
    ids=["same", "half", "touching", "inside", "without area"],
)
def test_iou_of_two_boxes(a: Box, b: Box, expected: float) -> None:
    one, other = np.asarray(a, np.float32), np.asarray(b, np.float32)
    assert iou_matrix(one[None], other[None])[0, 0] == pytest.approx(expected)
    assert iou(one, other) == iou(other, one) == pytest.approx(expected)


def test_iou_with_no_boxes_is_an_empty_table() -> None:
    none, one = np.zeros((0, 4), np.float32), np.zeros((1, 4), np.float32)
    assert iou_matrix(none, one).shape == (0, 1)
    assert iou_matrix(one, none).shape == (1, 0)


def test_the_better_of_two_overlapping_boxes_of_one_class_stays() -> None:
    xyxy = np.asarray([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    scores = np.asarray([0.6, 0.9, 0.3], np.float32)
    kept = non_maximum_suppression(xyxy, scores, np.zeros(3, np.int64), 0.5)
    assert kept.tolist() == [1, 2]


def test_boxes_of_different_classes_never_suppress_each_other() -> None:
    xyxy = np.asarray([[0, 0, 10, 10]] * 2, np.float32)
    kept = non_maximum_suppression(xyxy, np.asarray([0.9, 0.8], np.float32), np.asarray([0, 1]), 0.5)
    assert kept.tolist() == [0, 1]


@given(st.lists(st.tuples(*[st.floats(0, 90)] * 2, *[st.floats(1, 30)] * 2), max_size=12), st.integers(0, 99))
def test_what_nms_keeps_overlaps_nothing_better_that_was_kept(rows: list[Box], seed: int) -> None:
    corners = np.asarray([[x, y, x + w, y + h] for x, y, w, h in rows], np.float32).reshape(-1, 4)
    rng = np.random.default_rng(seed)
    scores = rng.random(len(rows)).astype(np.float32)
    classes = rng.integers(0, 2, len(rows))
    kept = non_maximum_suppression(corners, scores, classes, 0.5)
    overlaps = iou_matrix(corners[kept], corners[kept])
    same = classes[kept][:, None] == classes[kept][None]
    assert not (np.triu(overlaps, 1) * np.triu(same, 1) > 0.5).any()
    assert (np.diff(scores[kept]) <= 0).all()
