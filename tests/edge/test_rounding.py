"""Times and places are rounded before they leave a site."""

import numpy as np
import pytest

from edge.rounding import box_in_pixels, geometry_of, minute_of


def test_a_time_is_rounded_down_to_its_minute() -> None:
    assert minute_of(1_800_000_059.9) == 1_800_000_000


def test_a_box_is_clipped_to_the_frame_and_rounded_to_hundredths() -> None:
    box = geometry_of(np.asarray([-20, 90, 323, 271], np.float32), 640, 360)
    assert (box.cx, box.cy, box.w, box.h) == (0.25, 0.5, 0.5, 0.5)


@pytest.mark.parametrize("xyxy", [[0, 0, 640, 360], [64, 36, 128, 72], [333, 111, 400, 222]])
def test_a_rounded_box_is_the_original_one_up_to_a_hundredth_of_the_frame(xyxy: list[float]) -> None:
    given = np.asarray(xyxy, np.float32)
    again = box_in_pixels(geometry_of(given, 640, 360), 640, 360)
    np.testing.assert_allclose(again / [640, 360, 640, 360], given / [640, 360, 640, 360], atol=0.011)


def test_a_box_smaller_than_the_step_keeps_a_width_and_a_height() -> None:
    box = geometry_of(np.asarray([100, 100, 103, 102], np.float32), 1280, 720)
    assert (box.w, box.h) == (0.01, 0.01)
