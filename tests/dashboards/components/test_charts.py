"""A sparkline starts at zero, so that its height is a count; more series than colours are paler."""

import re

from dashboards.components.charts import series_colour, sparkline
from dashboards.theme import DARK, LIGHT


def heights(markup: str) -> list[float]:
    """The heights of a sparkline's points above its lower edge, in units of its picture."""
    points = re.search(r'points="([^"]+)"', markup)
    assert points is not None
    return [25.0 - float(point.partition(",")[2]) for point in points[1].split()]


def test_a_line_that_does_not_change_is_as_high_as_its_value() -> None:
    assert heights(sparkline([4, 4, 4], "sites")) == [22.0, 22.0, 22.0]
    assert heights(sparkline([0, 0], "sites")) == [0.0, 0.0]


def test_half_of_the_highest_value_is_half_as_high() -> None:
    assert heights(sparkline([0, 5, 10], "hazards")) == [0.0, 11.0, 22.0]


def test_one_value_makes_no_line_and_the_description_is_escaped() -> None:
    assert sparkline([1], "hazards") == ""
    assert "<title>&lt;b&gt;</title>" in sparkline([1, 2], "<b>")


def test_no_two_of_eight_series_have_one_colour_and_the_first_are_those_of_the_palette() -> None:
    for colours in (LIGHT, DARK):
        found = [series_colour(place, colours) for place in range(8)]
        assert len(set(found)) == 8
        assert tuple(found[:4]) == colours.series
    assert series_colour(4, LIGHT) == "#8fafd3"  # between #1f5fa8 and white
