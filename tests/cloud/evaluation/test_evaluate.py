"""An evaluation counts what the edge would have reported, per class and condition."""

import numpy as np
import pytest

from cloud.data.labelled_images import LabelledImage, TrueBox
from cloud.evaluation.detection_metrics import average_precision, match
from cloud.evaluation.evaluate import Evaluation, evaluate, evaluate_all
from cloud.training.calibration import best_threshold, choose_thresholds, ranked, thresholds_as_precise
from edge.vision.detections import Detections
from messaging.taxonomy import Condition
from tests.support.cloud.labelled_images import ScriptedDetector

DAY, NIGHT = Condition.parse("day-clear"), Condition.parse("night-rain")
BOX = (10.0, 10.0, 30.0, 30.0)


def _image(*boxes: TrueBox, condition: Condition = DAY) -> LabelledImage:
    return LabelledImage("x", np.zeros((64, 64, 3), np.uint8), boxes, condition)


def _seen(*rows: tuple[tuple[float, ...], float, int]) -> Detections:
    return Detections.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def test_hits_misses_and_false_alarms_are_counted_per_class_and_condition() -> None:
    images = [
        _image(TrueBox("fire", BOX)),
        _image(TrueBox("fire", BOX), TrueBox("smoke", (40, 40, 60, 60)), condition=NIGHT),
        _image(condition=NIGHT),
    ]
    script = [
        _seen((BOX, 0.9, 0)),
        _seen((BOX, 0.3, 0), ((40, 40, 60, 60), 0.8, 1)),
        _seen((BOX, 0.7, 1)),
    ]
    found = evaluate(ScriptedDetector(script), images)
    assert found.images == 3
    day, night, smoke = (
        found.tally("fire", DAY),
        found.tally("fire", NIGHT),
        found.tally("smoke", "night-rain"),
    )
    assert day is not None
    assert (day.true_positives, day.false_positives, day.missed, day.recall) == (1, 0, 0, 1.0)
    assert night is not None
    assert (night.recall, night.precision, night.ap50) == (0.0, None, 1.0)  # seen, but below its threshold
    assert smoke is not None
    assert (smoke.recall, smoke.precision, smoke.images) == (1.0, 0.5, 2)
    assert found.tally("smoke", DAY) is None


def test_several_detectors_look_at_every_image_that_is_opened_once() -> None:
    images = [_image(TrueBox("fire", BOX)) for _ in range(11)]
    sharp, blind = (ScriptedDetector([row] * 11) for row in (_seen((BOX, 0.9, 0)), _seen()))
    first, second = (found.of_class("fire") for found in evaluate_all([sharp, blind], iter(images)))
    assert first is not None
    assert second is not None
    assert (first.true_positives, first.missed) == (11, 0)
    assert (second.true_positives, second.missed) == (0, 11)


def test_an_evaluation_survives_the_way_through_json() -> None:
    found = evaluate(ScriptedDetector([_seen((BOX, 0.9, 0))]), [_image(TrueBox("fire", BOX))])
    assert Evaluation.from_json(found.to_json()) == found


def test_sums_over_conditions_and_classes_add_the_counts() -> None:
    script = [_seen((BOX, 0.9, 0)), _seen()]
    images = [_image(TrueBox("fire", BOX)), _image(TrueBox("fire", BOX), condition=NIGHT)]
    total = evaluate(ScriptedDetector(script), images).of_class("fire")
    assert total is not None
    assert (total.true_positives, total.missed, total.images, total.recall) == (1, 1, 2, 0.5)
    low, high = total.recall_interval
    assert low < 0.5 < high


@pytest.mark.parametrize(("class_id", "hits"), [(0, 1), (1, 1)])
def test_amorphous_classes_need_less_overlap(class_id: int, hits: int) -> None:
    name = ("fire", "smoke")[class_id]
    shifted = (20.0, 10.0, 40.0, 30.0)  # IoU 1/3
    found = evaluate(ScriptedDetector([_seen((shifted, 0.9, class_id))]), [_image(TrueBox(name, BOX))])
    tally = found.tally(name, DAY)
    assert tally is not None
    assert tally.true_positives == hits
    assert tally.ap50 == 0.0


def test_each_truth_is_hit_once_by_the_most_confident() -> None:
    found = _seen((BOX, 0.5, 0), (BOX, 0.9, 0), (BOX, 0.7, 0))
    assert match(found, np.asarray([BOX], np.float32), 0.5).tolist() == [False, True, False]


def test_nothing_matches_where_there_is_no_truth() -> None:
    assert match(_seen((BOX, 0.9, 0)), np.zeros((0, 4), np.float32), 0.5).tolist() == [False]


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


def test_the_threshold_is_the_best_f1_among_the_precise_enough() -> None:
    scores = np.asarray([0.9, 0.8, 0.6, 0.5, 0.4, 0.3], np.float32)
    hits = np.asarray([True, True, False, True, True, True])
    assert best_threshold(ranked(scores, hits, 5), precision_floor=0.9) == pytest.approx(0.7)
    assert best_threshold(ranked(scores, hits, 5), precision_floor=0.5) == pytest.approx(0.2)


def test_a_class_with_few_true_boxes_keeps_its_threshold() -> None:
    script = [_seen((BOX, 0.8, 0)) for _ in range(6)]
    images = [_image(TrueBox("fire", BOX)) for _ in range(6)]
    chosen = choose_thresholds(ScriptedDetector(script), images)
    assert chosen["smoke"] == 0.5
    assert chosen["fire"] == 0.45


FAR = (60.0, 60.0, 90.0, 90.0)


def _moved(
    wrong: int, *, images: int = 40, margin: float = 0.02, parent_wrong: int = 0, again: bool = False
) -> float:
    """Fire's threshold where the parent (at 0.5) and the child see ghosts in so many images.

    The child gives 0.8 to every fire and 0.6 to every ghost; the parent 0.9 to both.
    """
    ghost = (FAR, 0.9, 0), (FAR, 0.6, 0)
    parent = [_seen((BOX, 0.9, 0), *ghost[:1] * (n < parent_wrong)) for n in range(images)]
    child = [_seen((BOX, 0.8, 0), *ghost[1:] * (n < wrong)) for n in range(images)]
    labelled = [_image(TrueBox("fire", BOX)) for _ in range(images)]
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
        "too few to say",
    ],
)
def test_a_threshold_moves_as_far_as_a_class_stays_as_precise_as_the_parents(
    wrong: int, parent_wrong: int, images: int, margin: float, threshold: float
) -> None:
    found = _moved(wrong, images=images, margin=margin, parent_wrong=parent_wrong)
    assert found == pytest.approx(threshold)


def test_a_threshold_falls_by_the_margin_only_and_need_not_rise_for_it_again() -> None:
    assert _moved(4, parent_wrong=4, again=True) == 0.5
    assert _moved(4, parent_wrong=8, again=True) == pytest.approx(0.35)
    assert _moved(4, parent_wrong=0, again=True) == pytest.approx(0.7)
