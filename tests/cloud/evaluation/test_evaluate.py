"""An evaluation counts what a site would have reported, per class and condition."""

from pathlib import Path

import pytest

from cloud.data.boxes import TrueBox
from cloud.evaluation.evaluate import Evaluation, evaluate, evaluate_all
from messaging.runtime.state_files import StateFile
from messaging.taxonomy import Condition
from tests.support.cloud.labelled_images import ScriptedDetector, detections, labelled_image

DAY, NIGHT = Condition.parse("day-clear"), Condition.parse("night-rain")
BOX = (10.0, 10.0, 30.0, 30.0)


def test_hits_misses_and_false_alarms_are_counted_per_class_and_condition() -> None:
    images = [
        labelled_image(TrueBox("fire", BOX)),
        labelled_image(TrueBox("fire", BOX), TrueBox("smoke", (40, 40, 60, 60)), condition=NIGHT),
        labelled_image(condition=NIGHT),
    ]
    script = [
        detections((BOX, 0.9, 0)),
        detections((BOX, 0.3, 0), ((40, 40, 60, 60), 0.8, 1)),
        detections((BOX, 0.7, 1)),
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
    assert (night.recall, night.precision, night.ap50) == (
        0.0,
        None,
        1.0,
    )  # detected, but below its threshold
    assert smoke is not None
    assert (smoke.recall, smoke.precision, smoke.images) == (1.0, 0.5, 2)
    assert found.tally("smoke", DAY) is None


def test_several_detectors_run_on_every_image_that_is_opened_once() -> None:
    images = [labelled_image(TrueBox("fire", BOX)) for _ in range(11)]
    good, blind = (ScriptedDetector([row] * 11) for row in (detections((BOX, 0.9, 0)), detections()))
    first, second = (found.of_class("fire") for found in evaluate_all([good, blind], iter(images)))
    assert first is not None
    assert second is not None
    assert (first.true_positives, first.missed) == (11, 0)
    assert (second.true_positives, second.missed) == (0, 11)


def test_an_evaluation_is_equal_after_a_round_trip_through_json(tmp_path: Path) -> None:
    found = evaluate(ScriptedDetector([detections((BOX, 0.9, 0))]), [labelled_image(TrueBox("fire", BOX))])
    (tmp_path / "evaluation.json").write_text(found.to_json())
    assert StateFile(tmp_path / "evaluation.json", Evaluation).read() == found


def test_sums_over_conditions_and_classes_add_the_counts() -> None:
    script = [detections((BOX, 0.9, 0)), detections()]
    images = [labelled_image(TrueBox("fire", BOX)), labelled_image(TrueBox("fire", BOX), condition=NIGHT)]
    found = evaluate(ScriptedDetector(script), images)
    total = found.of_class("fire")
    assert total is not None
    assert found.of_classes() == [total]
    assert (total.true_positives, total.missed, total.images, total.recall) == (1, 1, 2, 0.5)
    low, high = total.recall_interval
    assert low < 0.5 < high


def test_ap50_has_an_interval_over_images_and_over_conditions() -> None:
    found, none = detections((BOX, 0.9, 0)), detections()
    images = [labelled_image(TrueBox("fire", BOX), condition=one) for one in (DAY, NIGHT) for _ in range(20)]
    done = evaluate(ScriptedDetector([found, none] * 20), images)
    day, whole = done.tally("fire", DAY), done.of_class("fire")
    assert day is not None
    assert whole is not None
    assert day.ap50_interval is not None
    assert whole.ap50_interval is not None
    assert (day.ap50_95_interval, whole.ap50_95_interval) == (day.ap50_interval, whole.ap50_interval)
    assert day.ap50_interval[0] < whole.ap50_interval[0] < 0.5 < whole.ap50_interval[1] < day.ap50_interval[1]


def test_the_interval_of_ap50_95_follows_boxes_that_overlap_less_than_half_of_its_steps_ask() -> None:
    loose = (10.0, 10.0, 30.0, 26.0)  # IoU 0.8 with the true box
    script = [detections((BOX, 0.9, 0)), detections((loose, 0.9, 0))] * 10
    tally = evaluate(ScriptedDetector(script), [labelled_image(TrueBox("fire", BOX))] * 20).tally("fire", DAY)
    assert tally is not None
    assert tally.ap50_interval == (1.0, 1.0)
    assert tally.ap50_95_interval is not None
    assert tally.ap50_95_interval[0] < tally.ap50_95 < tally.ap50_95_interval[1] < 1.0


def test_one_image_of_a_condition_leaves_it_and_the_class_without_an_interval_of_ap50() -> None:
    images = [labelled_image(TrueBox("fire", BOX), condition=one) for one in (DAY, DAY, NIGHT)]
    done = evaluate(ScriptedDetector([detections((BOX, 0.9, 0))] * 3), images)
    day, night, whole = done.tally("fire", DAY), done.tally("fire", NIGHT), done.of_class("fire")
    assert (day and day.ap50_interval, night and night.ap50_interval) == ((1.0, 1.0), None)
    assert (whole and whole.ap50, whole and whole.ap50_interval) == (1.0, None)
    assert whole is not None
    assert whole.ap50_95_interval is None


def test_an_evaluation_of_an_earlier_version_has_no_intervals_of_average_precisions(tmp_path: Path) -> None:
    found = evaluate(ScriptedDetector([detections((BOX, 0.9, 0))]), [labelled_image(TrueBox("fire", BOX))])
    written = found.to_json().replace(',"ap50_interval":null,"ap50_95_interval":null', "")
    assert "_interval" not in written
    (tmp_path / "evaluation.json").write_text(written)
    read = StateFile(tmp_path / "evaluation.json", Evaluation).read()
    assert read is not None
    assert (read.tallies[0].ap50_interval, read.tallies[0].ap50_95_interval) == (None, None)


@pytest.mark.parametrize(("class_id", "hits"), [(0, 1), (1, 1)])
def test_amorphous_classes_need_less_overlap(class_id: int, hits: int) -> None:
    name = ("fire", "smoke")[class_id]
    shifted = (20.0, 10.0, 40.0, 30.0)  # IoU 1/3
    found = evaluate(
        ScriptedDetector([detections((shifted, 0.9, class_id))]), [labelled_image(TrueBox(name, BOX))]
    )
    tally = found.tally(name, DAY)
    assert tally is not None
    assert tally.true_positives == hits
    assert tally.ap50 == 0.0
