"""The Kalman filter of one box: prediction in seconds, correction by a detection."""

import numpy as np
import pytest

from edge.tracking.kalman_box import AxisMotion, BoxMotion

BOX = np.asarray([100, 100, 140, 180], np.float32)
STEP = np.asarray([10, 0, 10, 0], np.float32)


# Velocities decay between detections, so that the estimate is a little too low.
DECAY = 0.1


def _moving(frames: int, gap_s: float = 0.1) -> BoxMotion:
    """The filter after a box that moved 10 pixels to the right per frame."""
    motion = BoxMotion.start(BOX)
    for number in range(1, frames):
        motion = motion.after(gap_s).corrected(BOX + number * STEP)
    return motion


def _axes(motion: BoxMotion) -> tuple[AxisMotion, ...]:
    return motion.x, motion.y, motion.width, motion.height


def test_a_new_filter_predicts_its_first_box() -> None:
    motion = BoxMotion.start(BOX)
    np.testing.assert_allclose(motion.xyxy, BOX)
    np.testing.assert_allclose(motion.after(1.0).xyxy, BOX)


def test_a_box_that_moves_steadily_is_predicted_where_it_will_be() -> None:
    motion = _moving(20)
    np.testing.assert_allclose(motion.after(0.1).xyxy, BOX + 20 * STEP, atol=1.5)
    assert motion.x.velocity == pytest.approx(100, rel=DECAY)


def test_velocities_are_per_second_whatever_the_frame_rate() -> None:
    assert _moving(40, gap_s=0.2).x.velocity == pytest.approx(50, rel=DECAY)


def test_a_prediction_over_zero_seconds_changes_nothing() -> None:
    motion = _moving(5)
    assert motion.after(0.0) is motion


def test_an_object_out_of_sight_is_not_extrapolated_for_ever() -> None:
    motion = _moving(20)
    far, farther = motion.after(60.0), motion.after(120.0)
    np.testing.assert_allclose(far.xyxy, farther.xyxy, atol=1e-3)
    assert abs(far.x.velocity) < 1e-3


def test_two_predictions_move_the_box_as_one_over_the_same_time() -> None:
    motion = _moving(20)
    np.testing.assert_allclose(motion.after(0.3).after(0.7).xyxy, motion.after(1.0).xyxy, atol=1e-3)


def test_uncertainty_grows_by_prediction_and_shrinks_by_correction() -> None:
    motion = _moving(5)
    later = motion.after(0.5)
    corrected = later.corrected(later.xyxy)
    for before, after, now in zip(_axes(motion), _axes(later), _axes(corrected), strict=True):
        assert before.p00 < after.p00
        assert now.p00 < after.p00


def test_a_correction_is_between_prediction_and_detection() -> None:
    corrected = BoxMotion.start(BOX).after(0.1).corrected(BOX + STEP)
    assert BOX[0] < corrected.xyxy[0] < BOX[0] + STEP[0]


def test_a_box_never_becomes_narrower_than_a_pixel() -> None:
    motion = BoxMotion.start(BOX)
    for number in range(1, 9):
        motion = motion.after(0.1).corrected(np.asarray([100 + 2 * number, 100, 138 - 2 * number, 180]))
    left, _, right, _ = motion.after(5.0).xyxy
    assert right - left >= 0.999
