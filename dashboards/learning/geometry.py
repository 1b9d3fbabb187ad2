"""Where the boxes of a failure mode are: a map of the frame, and a table of sizes by regions. Pure."""

from collections.abc import Sequence

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.markup import Html, element, join
from messaging.api.mode_history import HeatMap
from messaging.resources import GeometryResource
from messaging.taxonomy import RegionBin, SizeBin

SIZES = tuple(str(one) for one in SizeBin)
NO_BOX = Empty(
    "No box is known yet. The boxes of misdetections fill this map; this command lists them:",
    command="blindspot misdetections list",
)
REGIONS = tuple(str(one) for one in RegionBin)


def frame_map(heat: HeatMap) -> Html:
    """The frame with a cell the darker the more boxes cover it."""
    most = max((value for line in heat.values for value in line), default=0.0)
    if not heat.boxes or most <= 0:
        return NO_BOX.markup()
    cells = (
        element(
            "rect", x=x, y=y, width=1, height=1, fill_opacity=f"{0.08 + 0.92 * value / most:.2f}"
        )
        for y, line in enumerate(heat.values)
        for x, value in enumerate(line)
        if value > 0
    )  # fmt: skip
    number = f"{heat.boxes:,} {'box' if heat.boxes == 1 else 'boxes'}"
    drawing = element(
        "svg",
        *cells,
        cls="frame-map",
        viewBox=f"0 0 {heat.columns} {heat.rows}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"where {number} of misdetections are in the frame",
    )
    rest = f"{number}; the darkest cell is covered by {most:,.1f}, weighted by probability"
    return join(drawing, element("p", rest, cls="rest"))


def size_table(geometry: Sequence[GeometryResource]) -> Html:
    """Fractions of the boxes by size (rows) and region (columns); nothing for those that do not occur.

    Nothing at all without boxes, which the map above states.
    """
    whole = sum(one.weight for one in geometry)
    if whole <= 0:
        return Html("")
    weights = {(one.size, one.region): one.weight / whole for one in geometry}
    sizes = [size for size in SIZES if any(size == key[0] for key in weights)]
    regions = [region for region in REGIONS if any(region == key[1] for key in weights)]
    most = max(weights.values())
    header = (
        element("th", ""),
        *(element("th", phrases.readable(r), cls="num", scope="col") for r in regions),
    )
    rows = (
        element(
            "tr",
            element("th", phrases.readable(size), scope="row"),
            *(_cell(weights.get((size, region), 0.0), most) for region in regions),
        )
        for size in sizes
    )
    table = element("table", element("thead", element("tr", *header)), element("tbody", *rows), cls="heat")
    return element("div", table, cls="scroll")


def _cell(fraction: float, most: float) -> Html:
    if fraction <= 0:
        return element("td", element("span", phrases.MISSING, cls="rest"), cls="num")
    strength = f"--strength: {100 * fraction / most * 0.45:.0f}%"
    return element("td", phrases.percent(fraction), cls="num", style=strength)
