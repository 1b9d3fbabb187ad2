"""Frames a second of a detector, on a frame that is the same everywhere."""

import itertools

from edge.vision.detection_speed import FRAME_SIZE, drawn_frame, frames_per_second
from tests.support.fake_detector import fake_bundle, load_fake


def test_the_first_frame_is_not_counted() -> None:
    detector = load_fake(fake_bundle())
    ticks = itertools.count()
    assert frames_per_second(detector, seconds=4.0, clock=lambda: 0.5 * next(ticks)) == 8 / 4.5
    assert detector.calls == 9


def test_a_frame_is_drawn_in_any_size_and_always_the_same() -> None:
    assert drawn_frame(FRAME_SIZE).shape == FRAME_SIZE
    assert (drawn_frame((36, 64, 3)) == drawn_frame((36, 64, 3))).all()
