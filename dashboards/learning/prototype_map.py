"""The map of the fleet's prototypes: one point a class and condition, near what looks alike. Pure."""

from typing import Any

from dashboards import phrases
from dashboards.components.charts import axes
from dashboards.theme import Palette
from messaging.api.prototype_map import PrototypeMapResource, PrototypePoint

LEAST_PX, MOST_PX = 9, 30


def map_options(found: PrototypeMapResource, colours: Palette) -> dict[str, Any]:
    """The options for ECharts; what holds more noise than signal is hollow, size grows with the sites."""
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
                "data": [_point(point, most, colours) for point in found.points],
                "label": {
                    "show": True, "position": "right", "formatter": "{b}", "color": colours.ink,
                    "fontSize": 12,
                },
                "labelLayout": {"hideOverlap": True},
            }
        ],
    }  # fmt: skip


def _point(point: PrototypePoint, most: int, colours: Palette) -> dict[str, Any]:
    solid = {"color": colours.first, "opacity": 0.8}
    hollow = {"color": colours.card, "borderColor": colours.soft, "borderWidth": 2}
    return {
        "name": f"{phrases.readable(point.class_name)} ({phrases.condition(point.condition)})",
        "value": [point.x, point.y],
        "symbolSize": round(LEAST_PX + (MOST_PX - LEAST_PX) * (point.sites / max(most, 1)) ** 0.5),
        "itemStyle": solid if point.usable else hollow,
    }


def map_in_words(found: PrototypeMapResource) -> str:
    """What the map shows, in a sentence."""
    if not found.points:
        return "No prototype is known yet. Sites send one a class and condition when enough tracks agree."
    usable = sum(point.usable for point in found.points)
    return (
        f"{phrases.count(len(found.points), 'prototype')}, {usable:,} usable; a hollow point holds more "
        "noise than signal and is left out of campaigns, a larger one is of more sites."
    )
