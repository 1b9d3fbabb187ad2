"""Where boxes of misdetections are in the frame: how many cover each cell of a coarse grid. Pure."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from cloud.store.report_records import MisdetectionRow

COLUMNS, ROWS = 32, 18
Grid = npt.NDArray[np.float64]


def heat_map(rows: Iterable[MisdetectionRow]) -> Grid:
    """Sums (ROWS, COLUMNS) of the probabilities of the boxes that cover each cell; the first row is the top.

    A box that lies between the centres of cells counts in the cell of its own centre.
    """
    grid = np.zeros((ROWS, COLUMNS))
    for row in rows:
        cx, cy, width, height = row.box
        across, down = _cells(cx, width, COLUMNS), _cells(cy, height, ROWS)
        grid[down, across] += row.probability
    return grid


def _cells(centre: float, length: float, number: int) -> slice:
    """The cells whose centres are inside, as fractions of the frame; at least one."""
    first = int(np.ceil((centre - length / 2) * number - 0.5))
    last = int(np.floor((centre + length / 2) * number - 0.5))
    if last < first:
        first = last = int(centre * number)
    first, last = min(max(first, 0), number - 1), min(max(last, 0), number - 1)
    return slice(first, last + 1)
