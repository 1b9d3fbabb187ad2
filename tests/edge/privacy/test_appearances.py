"""Boxes of one object are one appearance, over trackers, classes, pauses and stills."""

import numpy as np
import pytest

from edge.privacy.appearances import Appearances, Contribution
from edge.vision.detections import Floats
from edge.vision.frames import SizeChange
from edge.vision.prototypes import PrototypeKey
from messaging.taxonomy import Condition

KEY = PrototypeKey("fire", Condition.parse("night-rain"), "e" * 64)


def box(left: float, top: float = 100.0, size: float = 40.0) -> Floats:
    return np.asarray([left, top, left + size, top + size], np.float32)


def vector(value: float, detections: int = 1) -> Contribution:
    return Contribution(KEY, np.full(4, value, np.float32), detections)


def appearances(hold_s: float = 60.0, hold_frames: int = 0) -> Appearances:
    return Appearances(hold_s, hold_frames)


@pytest.mark.parametrize(
    ("why", "other", "same"),
    [
        ("the same box", box(100), True),
        ("a box that overlaps", box(115), True),
        ("a part of it", box(110, 110, 8), True),
        ("what it is a part of", box(0, 0, 300), True),
        ("beside it", box(145), False),
        ("a corner of it only", box(132, 132), False),
    ],
)
def test_boxes_at_one_place_are_one_appearance(why: str, other: Floats, same: bool) -> None:
    camera = appearances()
    assert (camera.at(box(100), 0.0, "track-1") == camera.at(other, 5.0, "weak-1")) is same, why


def test_a_track_is_one_appearance_wherever_it_moves() -> None:
    camera = appearances()
    assert {camera.at(box(10.0 * i), float(i), "track-1") for i in range(60)} == {1}


def test_evidence_of_an_earlier_frame_joins_an_object_that_has_moved_on() -> None:
    camera = appearances()
    for i in range(60):
        camera.advance(i / 5)
        camera.at(box(10.0 * i), i / 5, "track-1")
    assert camera.at(box(100.0), 2.0) == 1


def test_two_appearances_that_turn_out_to_be_one_contribute_one_vector() -> None:
    camera = appearances()
    camera.contribute(camera.at(box(100), 0.0, "track-1"), vector(1.0, 9))
    camera.contribute(camera.at(box(400), 0.0, "weak-1"), vector(2.0))
    assert camera.at(box(100), 1.0, "weak-1") == camera.at(box(400), 1.0) == 1
    over = [c for t in (2.0, 100.0, 200.0) for c in camera.advance(t)]
    assert [c.vector[0] for c in over] == [1.0]


def test_an_appearance_contributes_once_and_only_when_its_place_is_held_no_more() -> None:
    camera, found = appearances(hold_s=60.0), list[Contribution]()
    for second in range(500):
        found += camera.advance(float(second))
        if second < 300:
            camera.contribute(camera.at(box(100), float(second)), vector(1.0))
        assert not found or second > 359
    assert len(found) == 1


def test_an_object_that_is_hidden_now_and_then_is_one_appearance() -> None:
    camera, found = appearances(hold_s=60.0), list[Contribution]()
    for minute in range(600):
        found += camera.advance(59.0 * minute)
        camera.contribute(camera.at(box(100), 59.0 * minute, f"track-{minute}"), vector(1.0))
    assert found == []


def test_a_place_is_held_for_so_many_frames_however_far_they_are_apart_in_time() -> None:
    camera, found = appearances(hold_s=60.0, hold_frames=10), list[Contribution]()
    for hour in range(1000):
        found += camera.advance(3600.0 * hour)
        if hour % 10 == 0:
            camera.contribute(camera.at(box(100), 3600.0 * hour), vector(1.0))
    assert found == []


def test_objects_at_other_places_or_after_the_hold_count_by_themselves() -> None:
    camera, found = appearances(hold_s=60.0), list[Contribution]()
    for i in range(6):
        found += camera.advance(100.0 * i)
        for left in (0, 200, 400):
            camera.contribute(camera.at(box(left), 100.0 * i), vector(1.0))
    assert len(found) == 15


def test_the_vector_of_most_detections_counts_and_the_earlier_of_equals() -> None:
    camera = appearances()
    for offered in (vector(1.0), vector(2.0, 7), vector(3.0, 7), vector(4.0)):
        camera.contribute(camera.at(box(100), 0.0), offered)
    camera.advance(1.0)
    assert [c.vector[0] for c in camera.advance(61.0)] == [2.0]


def test_a_change_of_the_frame_size_keeps_the_places() -> None:
    camera = appearances()
    camera.at(box(100), 0.0)
    camera.resize(SizeChange(0.5, 0.5))
    assert camera.at(box(50, 50, 20), 1.0) == 1


def test_what_is_over_leaves_nothing_behind() -> None:
    camera = appearances(hold_s=60.0)
    for i in range(2000):
        camera.advance(float(i))
        camera.contribute(camera.at(box(i % 300), float(i), i), vector(1.0))
    camera.advance(1e6)
    camera.advance(2e6)
    assert (len(camera._boxes), len(camera._tracks), len(camera._contributions)) == (0, 0, 0)
