"""The loss curve of a campaign's training, by epoch."""

from typing import Any

from nicegui import ui

from dashboards.components.charts import Chart, axes, palette
from dashboards.components.empty import Empty
from dashboards.components.section import Markup
from dashboards.markup import element
from dashboards.theme import Palette
from messaging.resources import CampaignResource

TRAIN = "train"


def losses(campaign: CampaignResource) -> tuple[float, ...]:
    """The mean training loss of each finished epoch, also while the training runs."""
    stage = next((one for one in campaign.stages if one.stage == TRAIN), None)
    found = stage.metrics.get("losses", ()) if stage is not None else ()
    return tuple(float(loss) for loss in found if isinstance(loss, int | float))


def loss_options(values: tuple[float, ...], colours: Palette) -> dict[str, Any]:
    """The options for ECharts."""
    options = axes(colours)
    name = {"nameTextStyle": {"color": colours.soft, "align": "left"}, "nameLocation": "end"}
    epochs = [str(number) for number, _ in enumerate(values, 1)]
    return {
        **options,
        "xAxis": {
            **options["xAxis"],
            "type": "category",
            "data": epochs,
            "name": "epoch",
            "nameLocation": "middle",
            "nameGap": 22,
            "nameTextStyle": {"color": colours.soft},
        },
        "yAxis": {**options["yAxis"], **name, "name": "loss", "scale": True},
        "grid": {"left": 52, "right": 16, "top": 34, "bottom": 40},
        "series": [{"type": "line", "name": "loss", "data": list(values), "symbolSize": 6}],
    }


def sentence(values: tuple[float, ...]) -> str:
    """The curve, of one epoch at least, in words."""
    if len(values) == 1:
        return f"1 epoch: {values[0]:.3f}."
    lowest = min(values)
    return (
        f"{len(values)} epochs: {values[0]:.3f} in the first, {values[-1]:.3f} in the last, "
        f"the lowest {lowest:.3f} in epoch {values.index(lowest) + 1}."
    )


class LossCurve:
    """The curve and its sentence; the chart is made once there are losses."""

    def __init__(self, theme: str) -> None:
        self._palette = palette(theme)
        self._place = ui.element("div")
        self._in_words = Markup()
        self._chart: Chart | None = None

    def show(self, campaign: CampaignResource) -> None:
        """Show the losses of a campaign's training, one for each epoch."""
        values = losses(campaign)
        if not values:
            self.show_empty(
                Empty(
                    "No epoch has ended yet; the loss so far is in the log of the stages, which this command "
                    "shows too:",
                    command=f"blindspot campaign watch {campaign.id}",
                )
            )
            return
        self._in_words.show(element("p", sentence(values), cls="rest"))
        if self._chart is None:
            with self._place:
                self._chart = Chart(name="loss-chart", description="training loss by epoch; in words below")
        self._chart.show(loss_options(values, self._palette))

    def show_empty(self, empty: Empty) -> None:
        """Show this in the place of the curve."""
        self._in_words.show(empty.markup())
