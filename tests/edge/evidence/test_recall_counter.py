"""Tracks of a source against a model's boxes, counted once when they are over."""

import numpy as np
import pytest

from edge.evidence.recall_counter import RecallCounter, above_threshold, recall_tallies
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.vision.detections import Detections
from messaging.reports import EvidenceSource
from messaging.taxonomy import Condition, Light, Weather
from tests.support.fake_detector import CLASSES, describe

NIGHT = Condition(Light.NIGHT, Weather.RAIN)
DAY = Condition(Light.DAY, Weather.CLEAR)
BOX = np.asarray([10, 10, 50, 50], np.float32)
NOTHING = Detections.empty()


def seen(box: object = BOX, class_id: int = 0, confidence: float = 0.9) -> Detections:
    return Detections.of([box], [confidence], [class_id])


def run(frames: list[tuple[Detections, Detections, Condition]]) -> RecallCounter:
    """Teacher's boxes, model's boxes and condition of each frame, ten frames per second, then a long gap."""
    tracker, counter = ByteTracker(describe(), TrackerSettings()), RecallCounter()
    for number, (teacher, model, scene) in enumerate(frames):
        counter.update(tracker.update(teacher, number / 10), [model], scene)
    counter.update(tracker.update(NOTHING, 1000), [NOTHING], DAY)
    return counter


@pytest.mark.parametrize(
    ("hits", "of", "detected"), [(10, 10, True), (5, 10, True), (4, 10, False), (0, 10, False)]
)
def test_a_track_is_detected_when_the_model_reports_it_in_half_of_its_frames(
    hits: int, of: int, detected: bool
) -> None:
    frames = [(seen(), seen() if i < hits else NOTHING, NIGHT) for i in range(of)]
    (track,) = run(frames).take()
    assert (track.frames, track.hits, track.condition) == (of, (hits,), NIGHT)
    assert track.detected() is detected


@pytest.mark.parametrize(
    ("model", "phrase"),
    [
        (seen(class_id=1), "another class"),
        (seen(box=[200, 200, 240, 240]), "another place"),
        (seen(box=[10, 10, 20, 20]), "too small a box"),
    ],
)
def test_boxes_that_are_not_the_tracks_do_not_count(model: Detections, phrase: str) -> None:
    (track,) = run([(seen(), model, DAY)] * 5).take()
    assert not track.detected(), phrase


def test_a_track_that_the_source_never_confirmed_does_not_count() -> None:
    assert run([(seen(), NOTHING, DAY)] * 2).take() == []


def test_frames_in_which_the_source_lost_a_track_count_and_those_after_it_do_not() -> None:
    """Lost for frames 6 to 10 and from 16 on; the model reports it in seven of the first fifteen."""
    there = [True] * 5 + [False] * 5 + [True] * 5 + [False] * 5
    frames = [
        (seen() if source else NOTHING, seen() if i < 7 or i > 14 else NOTHING, NIGHT)
        for i, source in enumerate(there)
    ]
    (track,) = run(frames).take()
    assert (track.frames, track.hits) == (15, (7,))
    assert not track.detected()


def test_a_track_counts_once_and_only_when_it_is_over() -> None:
    tracker, counter = ByteTracker(describe(), TrackerSettings()), RecallCounter()
    for number in range(10):
        counter.update(tracker.update(seen(), number / 10), [seen()], DAY)
        assert counter.take() == []
    counter.close(tracker.end())
    assert len(counter.take()) == 1
    assert counter.take() == []


def test_a_track_belongs_to_the_condition_of_most_of_its_frames() -> None:
    frames = [(seen(), seen(), DAY)] * 2 + [(seen(), seen(), NIGHT)] * 5
    (track,) = run(frames).take()
    assert track.condition == NIGHT


def test_tallies_add_up_by_class_and_condition() -> None:
    closed = [
        *run([(seen(), seen(), NIGHT)] * 5).take(),
        *run([(seen(), NOTHING, NIGHT)] * 5).take(),
        *run([(seen(class_id=1), seen(class_id=1), DAY)] * 5).take(),
    ]
    tallies = recall_tallies(closed, CLASSES, camera="gate", model_digest="a" * 64, minute_utc=120)
    rows = [(t.class_name, t.light, t.weather, t.supported, t.detected, t.source) for t in tallies]
    assert rows == [
        ("fire", Light.NIGHT, Weather.RAIN, 2, 1, EvidenceSource.TEACHER),
        ("smoke", Light.DAY, Weather.CLEAR, 1, 1, EvidenceSource.TEACHER),
    ]


def test_the_number_of_models_is_checked() -> None:
    tracker = ByteTracker(describe(), TrackerSettings())
    with pytest.raises(ValueError, match="compares 2 models"):
        RecallCounter(models=2).update(tracker.update(NOTHING, 0), [NOTHING], DAY)


def test_weak_boxes_do_not_count_as_reported() -> None:
    both = Detections.of([BOX, BOX + 5], [0.9, 0.4], [0, 0])
    assert len(above_threshold(both, describe())) == 1
