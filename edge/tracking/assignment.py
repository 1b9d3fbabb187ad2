"""Linear assignment for the tracker: rows to columns at least total cost, gated; small and dependency-free.

Pairs above the gate are never made. The cost matrix of a frame is nearly diagonal, so it is first cut
into its connected parts; only parts larger than one by one are solved, by shortest augmenting paths
(Jonker and Volgenant 1987, in the dual form with potentials).
"""

import itertools

import numpy as np
import numpy.typing as npt

Costs = npt.NDArray[np.float32]
Pair = tuple[int, int]


def assign(cost: Costs, gate: float) -> list[Pair]:
    """Pairs (row, column), first as many as the gate allows, then of least total cost.

    Args:
        cost: (n, m), at least 0.
        gate: pairs that cost more than this are never made.
    """
    allowed = cost <= gate
    pairs: list[Pair] = []
    for rows, columns in _connected_parts(allowed):
        if len(rows) == 1 or len(columns) == 1:
            # connected parts: where one side is a single one, all of its pairs are allowed
            pairs.append(min(itertools.product(rows, columns), key=cost.__getitem__))
        else:
            pairs += _solve_part(cost, allowed, rows, columns)
    return sorted(pairs)


def _connected_parts(allowed: npt.NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that allowed pairs connect; lonely ones are left out."""
    of_row: list[list[int]] = [[] for _ in range(allowed.shape[0])]
    of_column: list[list[int]] = [[] for _ in range(allowed.shape[1])]
    for row, column in np.argwhere(allowed).tolist():
        of_row[row].append(column)
        of_column[column].append(row)
    unseen = {r for r, columns in enumerate(of_row) if columns}
    parts = []
    while unseen:
        queue, rows, columns = [unseen.pop()], set[int](), set[int]()
        while queue:
            row = queue.pop()
            rows.add(row)
            for column in of_row[row]:
                if column not in columns:
                    columns.add(column)
                    queue += [r for r in of_column[column] if r not in rows]
        unseen -= rows
        parts.append((sorted(rows), sorted(columns)))
    return parts


def _solve_part(
    cost: Costs, allowed: npt.NDArray[np.bool_], rows: list[int], columns: list[int]
) -> list[Pair]:
    """Forbidden pairs get a price above any sum of allowed ones, are assigned last and then dropped."""
    block = cost[np.ix_(rows, columns)].astype(float)
    legal = allowed[np.ix_(rows, columns)]
    block[~legal] = 1.0 + (block[legal].max() + 1.0) * (len(rows) + len(columns))
    if len(rows) <= len(columns):
        chosen = [(i, j) for i, j in enumerate(shortest_augmenting_paths(block.tolist()))]
    else:
        chosen = [(i, j) for j, i in enumerate(shortest_augmenting_paths(block.T.tolist()))]
    return [(rows[i], columns[j]) for i, j in chosen if legal[i, j]]


def shortest_augmenting_paths(cost: list[list[float]]) -> list[int]:
    """Column of every row at least total cost; needs no fewer columns than rows. O(rows^2 columns)."""
    n, m = len(cost), len(cost[0])
    row_price, column_price = [0.0] * (n + 1), [0.0] * (m + 1)
    row_of = [0] * (m + 1)
    for new_row in range(1, n + 1):
        row_of[0] = new_row
        least, came_from = [float("inf")] * (m + 1), [0] * (m + 1)
        done = [False] * (m + 1)
        column = 0
        while row_of[column]:
            done[column] = True
            row, step, following = row_of[column], float("inf"), 0
            for j in range(1, m + 1):
                if done[j]:
                    continue
                reduced = cost[row - 1][j - 1] - row_price[row] - column_price[j]
                if reduced < least[j]:
                    least[j], came_from[j] = reduced, column
                if least[j] < step:
                    step, following = least[j], j
            for j in range(m + 1):
                if done[j]:
                    row_price[row_of[j]] += step
                    column_price[j] -= step
                else:
                    least[j] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    answer = [0] * n
    for j in range(1, m + 1):
        if row_of[j]:
            answer[row_of[j] - 1] = j - 1
    return answer
