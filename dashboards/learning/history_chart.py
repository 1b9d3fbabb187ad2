"""The chart of a failure mode's history: evidence and estimated recall of each day, campaigns as marks. Pure.

Two plots share the days: stacked bars of misdetections by evidence source above, below them the estimated
recall with its interval as a band and the target as a dotted line. The number of a campaign is its row in
the table of campaigns.
"""

from collections.abc import Mapping
from typing import Any

from dashboards import phrases
from dashboards.components.charts import axes, legend, series_colour
from dashboards.theme import Palette
from messaging.api.mode_history import ModeHistoryResource, RecallDay
from messaging.plurals import quantity

DAY_MS = 86_400_000
BAR_PX = 8


def history_options(history: ModeHistoryResource, colours: Palette) -> dict[str, Any]:
    """The options for ECharts."""
    options = axes(colours)
    days = {
        **options["xAxis"],
        "min": history.since * 1000,
        "max": (history.until * 1000 // DAY_MS + 1) * DAY_MS,
    }
    days |= {"splitLine": {"show": False}, "containShape": False}  # bars would widen the upper axis alone
    values = options["yAxis"]
    fractions = {**values, "min": 0, "max": 100, "interval": 25, "gridIndex": 1}
    fractions["axisLabel"] = {**values["axisLabel"], "formatter": "{value} %"}
    name = {"nameTextStyle": {"color": colours.soft, "align": "left"}, "nameLocation": "end"}
    options |= {
        "tooltip": {**options["tooltip"], "trigger": "item", "formatter": "{b}", "confine": True},
        "legend": legend(
            colours, top=0, right=8, itemGap=24, itemWidth=12, itemHeight=9,
            data=[phrases.readable(s) for s in sources(history)],
        ),
        "grid": [
            {"left": 52, "right": 20, "top": 48, "height": 110},
            {"left": 52, "right": 20, "top": 212, "height": 110},
        ],
        "xAxis": [{**days, "axisLabel": {"show": False}}, {**days, "gridIndex": 1}],
        "yAxis": [
            {**values, **name, "name": "misdetections a day", "minInterval": 1},
            {**fractions, **name, "name": "estimated recall"},
        ],
        "series": [*_bars(history, colours), *_recall(history, colours), _campaigns(history, colours)],
    }  # fmt: skip
    return options


def sources(history: ModeHistoryResource) -> tuple[str, ...]:
    """The evidence sources, the most frequent first."""
    totals: dict[str, int] = {}
    for day in history.evidence:
        for source, number in day.sources.items():
            totals[source] = totals.get(source, 0) + number
    return tuple(sorted(totals, key=lambda source: (-totals[source], source)))


def _bars(history: ModeHistoryResource, colours: Palette) -> list[dict[str, Any]]:
    """One series a source."""
    return [
        {
            "type": "bar",
            "name": phrases.readable(source),
            "stack": "evidence",
            "barWidth": BAR_PX,  # of its own, a single bar would widen the axis
            "itemStyle": {"color": series_colour(place, colours)},
            "data": [
                {"value": [day.at * 1000 + DAY_MS // 2, number], "name": _bar_text(day.at, source, number)}
                for day in history.evidence
                if (number := day.sources.get(source))
            ],
        }
        for place, source in enumerate(sources(history))
    ]


def _bar_text(at: int, source: str, number: int) -> str:
    return f"{phrases.date(at)}: {number:,} by {phrases.readable(source)}"


def _recall(history: ModeHistoryResource, colours: Palette) -> list[dict[str, Any]]:
    known = [day for day in history.recall if day.recall.value is not None]
    silent = {
        "type": "line", "xAxisIndex": 1, "yAxisIndex": 1, "symbol": "none", "silent": True,
        "stack": "interval", "lineStyle": {"opacity": 0}, "tooltip": {"show": False},
    }  # fmt: skip
    low = [[_noon(day), round(100 * day.recall.low, 1)] for day in known]
    span = [[_noon(day), round(100 * (day.recall.high - day.recall.low), 1)] for day in known]
    target = round(100 * history.target, 1)
    return [
        {**silent, "name": "lower bound", "data": low},
        {**silent, "name": "interval", "data": span, "areaStyle": {"color": colours.first, "opacity": 0.2}},
        {
            "type": "line",
            "name": "estimated recall",
            "xAxisIndex": 1,
            "yAxisIndex": 1,
            "symbolSize": 7,
            "color": colours.first,
            "data": [
                {"value": [_noon(day), round(100 * float(day.recall.value or 0.0), 1)], "name": _text(day)}
                for day in known
            ],
            "markLine": {
                "silent": True,
                "symbol": "none",
                "lineStyle": {"type": "dotted", "color": colours.ink, "width": 2},
                "label": {
                    "position": "insideEndTop", "color": colours.soft, "formatter": f"target {target:g} %",
                },
                "data": [{"yAxis": target}],
            },
        },
    ]  # fmt: skip


def _campaigns(history: ModeHistoryResource, colours: Palette) -> dict[str, Any]:
    """Marks at the beginning of each campaign, on an invisible line over both plots."""
    marks = [
        {"xAxis": one.started_at * 1000, "name": f"campaign {n}", "label": {"formatter": str(n)}}
        for n, one in enumerate(history.campaigns, 1)
        if one.started_at >= history.since
    ]
    return {
        "type": "line",
        "name": "campaigns",
        "data": [],
        "xAxisIndex": 0,
        "yAxisIndex": 0,
        "markLine": {
            "symbol": "none",
            "lineStyle": {"color": colours.fourth, "width": 1.5, "type": "solid"},
            "label": {
                "position": "end", "color": colours.card, "backgroundColor": colours.fourth,
                "padding": [2, 5], "borderRadius": 3, "fontSize": 11, "distance": 2,
            },
            "data": marks,
        },
    }  # fmt: skip


def description(history: ModeHistoryResource) -> Mapping[str, str]:
    """What the chart shows, in words and numbers, for people who do not see it."""
    whole = sum(sum(day.sources.values()) for day in history.evidence)
    last = next((day for day in reversed(history.recall) if day.recall.value is not None), None)
    days = quantity(len(history.evidence), "day")
    return {
        "evidence": f"{quantity(whole, 'misdetection')} on {days}",
        "last known recall": phrases.MISSING if last is None else _text(last),
        "campaigns": f"{len(history.campaigns):,}",
    }


def _noon(day: RecallDay) -> int:
    return day.at * 1000 + DAY_MS // 2


def _text(day: RecallDay) -> str:
    one = day.recall
    interval = f"{100 * one.low:.0f}–{100 * one.high:.0f} %"
    tracks = quantity(one.supported, "track")
    return f"{phrases.date(day.at)}: {phrases.percent(one.value)} ({interval}) of {tracks}"
