"""Where boxes are in the frame."""

import numpy as np

from cloud.failure_modes.heat_map import COLUMNS, ROWS, heat_map
from tests.support.cloud.mode_rows import misdetection_row


def test_a_box_counts_with_its_probability_in_the_cells_that_it_covers() -> None:
    grid = heat_map([misdetection_row(box=(0.25, 0.75, 0.5, 0.5), probability=0.5)])
    assert grid.shape == (ROWS, COLUMNS)
    assert np.all(grid[ROWS // 2 :, : COLUMNS // 2] == 0.5)
    assert grid.sum() == 0.5 * ROWS * COLUMNS / 4


def test_boxes_add_up_and_one_smaller_than_a_cell_counts_in_one() -> None:
    box = misdetection_row(box=(0.0, 0.0, 0.01, 0.01), probability=1.0)
    far = misdetection_row(box=(1.0, 1.0, 0.01, 0.01), probability=1.0)
    grid = heat_map([box, box, far])
    assert (grid[0, 0], grid[-1, -1], grid.sum()) == (2.0, 1.0, 3.0)


def test_without_boxes_the_map_is_empty() -> None:
    assert heat_map([]).sum() == 0.0
