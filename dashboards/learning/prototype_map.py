"""The map of the fleet's prototypes: one point a class and condition, near what looks alike. Pure."""

from collections.abc import Sequence
from typing import Any

from dashboards import phrases
from dashboards.components.charts import axes
from dashboards.theme import Palette
from messaging.api.prototype_map import PrototypeMapResource, PrototypePoint
from messaging.plurals import quantity
from messaging.resources import FailureModeResource

LEAST_PX, MOST_PX = 9, 30
ALL = ""
"""The key of no prototype: every failure mode is shown."""


def map_options(found: PrototypeMapResource, colours: Palette, chosen: str = ALL) -> dict[str, Any]:
    """The options for ECharts; what holds more noise than signal is hollow, size grows with the sites.

    Points are in the order of `found`. The one with the key `chosen` has a ring, and the others are faint.
    """
    options = axes(colours)
    most = max((point.sites for point in found.points), default=1)
    along = [f"{100 * fraction:.0f} % of the variance" for fraction in found.explained]
    shared = {"nameLocation": "middle", "nameTextStyle": {"color": colours.soft}, "scale": True}
    hidden = {"axisLabel": {"show": False}, "axisTick": {"show": False}}
    return options | {
        "grid": {"left": 36, "right": 24, "top": 16, "bottom": 36},
        "tooltip": {**options["tooltip"], "trigger": "item", "formatter": "{b}", "confine": True},
        "xAxis": {**options["xAxis"], **shared, **hidden, "type": "value", "name": along[0], "nameGap": 14},
        "yAxis": {**options["yAxis"], **shared, **hidden, "name": along[1], "nameGap": 14},
        "series": [
            {
                "type": "scatter",
                "data": [_point(point, most, colours, chosen) for point in found.points],
                "label": {
                    "show": True, "position": "right", "formatter": "{b}", "color": colours.ink,
                    "fontSize": 12,
                },
                "labelLayout": {"hideOverlap": True},
            }
        ],
    }  # fmt: skip


def _point(point: PrototypePoint, most: int, colours: Palette, chosen: str) -> dict[str, Any]:
    solid = {"color": colours.first, "opacity": 0.8}
    hollow = {"color": colours.card, "borderColor": colours.soft, "borderWidth": 2}
    style = solid if point.usable else hollow
    if chosen == point_key(point):
        style = {**style, "opacity": 1.0, "borderColor": colours.ink, "borderWidth": 3}
    elif chosen != ALL:
        style = {**style, "opacity": 0.3}
    return {
        "name": point_name(point),
        "value": [point.x, point.y],
        "symbolSize": round(LEAST_PX + (MOST_PX - LEAST_PX) * (point.sites / max(most, 1)) ** 0.5),
        "itemStyle": style,
    }


def point_key(point: PrototypePoint) -> str:
    """What names the point in an address: `fire.night-clear`."""
    return f"{point.class_name}.{point.condition}"


def point_name(point: PrototypePoint) -> str:
    """`fire (night, clear)`."""
    return f"{phrases.readable(point.class_name)} ({phrases.condition(point.condition)})"


def point_choices(found: PrototypeMapResource) -> dict[str, str]:
    """Texts of a select by the keys of the points, with how many failure modes each has."""
    modes = {
        point_key(one): f"{point_name(one)}: {quantity(len(one.failure_modes), 'failure mode')}"
        for one in found.points
    }
    return {ALL: "all failure modes"} | dict(sorted(modes.items()))


def modes_of(
    found: PrototypeMapResource, modes: Sequence[FailureModeResource], chosen: str
) -> Sequence[FailureModeResource]:
    """Those of the failure modes that the point with the key `chosen` has."""
    ids = {mode for point in found.points if point_key(point) == chosen for mode in point.failure_modes}
    return [mode for mode in modes if mode.id in ids]


def map_in_words(found: PrototypeMapResource) -> str:
    """What a map with points shows, in a sentence."""
    usable = sum(point.usable for point in found.points)
    return (
        f"{quantity(len(found.points), 'prototype')}, {usable:,} usable; a hollow point holds more "
        "noise than signal and is left out of campaigns, a larger one is of more sites."
    )
