"""Where the boxes of a failure mode are."""

import re

from dashboards.learning.geometry import frame_map, size_table
from messaging.resources import GeometryResource
from tests.dashboards.learning.resources import history


def test_the_cell_that_most_boxes_cover_is_the_darkest_and_empty_cells_are_not_drawn() -> None:
    drawn = frame_map(history().heat_map)
    assert re.findall(r'<rect x="(\d)" y="(\d)"[^>]* fill-opacity="([\d.]+)"', drawn) == [("1", "0", "1.00")]
    assert "3 boxes; the darkest cell is covered by 3.0" in drawn


def test_a_map_without_boxes_states_what_fills_it() -> None:
    nothing = history().heat_map.model_copy(update={"boxes": 0, "values": ((0.0, 0.0),)})
    assert "The boxes of misdetections fill this map" in frame_map(nothing)


def test_sizes_are_fractions_of_all_boxes_in_their_order() -> None:
    table = size_table(
        [
            GeometryResource(size="medium", region="bottom", weight=1.0),
            GeometryResource(size="small", region="bottom", weight=3.0),
        ]
    )
    assert re.findall(r'scope="row">(\w+)<', table) == ["small", "medium"]
    assert re.findall(r"(\d+) %", re.sub(r'style="[^"]*"', "", table)) == ["75", "25"]
