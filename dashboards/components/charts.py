"""Charts (ECharts) in the palette of the viewer's theme, and a sparkline that needs no library."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from dashboards.components.empty import Empty
from dashboards.markup import Html, element
from dashboards.theme import DARK, LIGHT, Palette

WIDTH, HEIGHT = 120, 28


class Chart:
    """A chart; `show` replaces its options (those of ECharts) when they are other ones."""

    def __init__(
        self, *, name: str, description: str, height_px: int = 260, empty: Empty | None = None
    ) -> None:
        """`description` states for screen readers what the chart shows; `empty`: what `show_empty` shows."""
        self._empty = None if empty is None else empty.element()
        if self._empty is not None:
            self._empty.set_visibility(False)
        self._element = ui.echart({}, renderer="svg").classes("chart").style(f"height: {height_px}px")
        self._element.props(f'id={name} role=img aria-label="{description}"')
        self._shown: dict[str, Any] = {}

    def on_point(self, handler: Callable[[int], Awaitable[None]]) -> None:
        """Call `handler` with the position, in its series, of a point that is clicked."""

        async def clicked(event: EChartPointClickEventArguments) -> None:
            await handler(event.data_index)

        self._element.on_point_click(clicked)

    def show(self, options: dict[str, Any]) -> None:
        """Show these options."""
        self._set_empty(False)
        if options != self._shown:
            self._shown = options
            self._element.options.clear()
            self._element.options.update(options)
            self._element.update()

    def show_empty(self) -> None:
        """Show the empty state in the place of the chart, whose axes would have nothing on them."""
        self._set_empty(True)

    def _set_empty(self, empty: bool) -> None:
        if self._empty is not None:
            self._empty.set_visibility(empty)
            self._element.set_visibility(not empty)


def palette(theme: str) -> Palette:
    """The palette of a theme, `light` or `dark`."""
    return DARK if theme == "dark" else LIGHT


def axes(colours: Palette) -> dict[str, Any]:
    """Options that all charts have: grid, text, tooltip, lines of the axes."""
    line = {"lineStyle": {"color": colours.line}}
    axis = {
        "axisLine": line,
        "splitLine": line,
        "axisLabel": {"color": colours.soft, "hideOverlap": True},
    }
    return {
        "animation": False,
        "textStyle": {"color": colours.ink, "fontFamily": "inherit"},
        "grid": {"left": 48, "right": 16, "top": 24, "bottom": 32},
        "color": list(colours.series),
        "tooltip": {"trigger": "axis", "backgroundColor": colours.card, "textStyle": {"color": colours.ink}},
        "xAxis": {"type": "time", **axis},
        "yAxis": {"type": "value", **axis},
    }


def series_colour(place: int, colours: Palette) -> str:
    """The colour of the series at a place: those of the palette in turn, the second time paler."""
    colour = colours.series[place % len(colours.series)]
    return colour if place < len(colours.series) else _mixed(colour, colours.card)


def _mixed(one: str, other: str) -> str:
    """The colour in the middle between two, all as `#rrggbb`."""
    halves = ((int(one[at : at + 2], 16) + int(other[at : at + 2], 16)) // 2 for at in (1, 3, 5))
    return "#" + "".join(f"{half:02x}" for half in halves)


def legend(colours: Palette, **options: Any) -> dict[str, Any]:
    """The legend of a chart on one line; what has no place there is reached with the arrows at its end."""
    return {
        "type": "scroll",
        "textStyle": {"color": colours.ink},
        "pageIconColor": colours.accent,
        "pageIconInactiveColor": colours.soft,
        "pageTextStyle": {"color": colours.soft},
        **options,
    }


def sparkline(values: Sequence[float], description: str) -> Html:
    """A line of values from left to right above zero, as an SVG image; nothing for fewer than two."""
    if len(values) < 2:
        return Html("")
    span = max(values) or 1.0
    step = WIDTH / (len(values) - 1)
    heights = (HEIGHT - 3 - value / span * (HEIGHT - 6) for value in values)
    points = " ".join(f"{i * step:.1f},{height:.1f}" for i, height in enumerate(heights))
    line = element("polyline", points=points, fill="none")
    title, box = element("title", description), f"0 0 {WIDTH} {HEIGHT}"
    return element("svg", title, line, cls="sparkline", viewBox=box, role="img")
