"""Overview: four numbers, what runs, the worst failure modes, the latest hazards."""

from dashboards import phrases
from dashboards.components.section import Markup, heading
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from messaging.resources import OverviewResource


async def page(view: PageView) -> None:
    """The first page."""
    heading("Overview")
    tiles = Markup("wide")

    async def refresh() -> None:
        tiles.show(_tiles(await view.get("overview", OverviewResource)))

    view.live(refresh)


def _tiles(overview: OverviewResource) -> Html:
    updated = None
    if overview.sites and overview.current_model:
        updated = overview.sites_on_current_model / overview.sites
    model = f"model {phrases.short(overview.current_model)}"
    return element(
        "div",
        _tile("sites online", f"{overview.sites_online}", f"of {overview.sites}"),
        _tile("hazards in 24 h", f"{overview.hazards_in_24_h}", "events"),
        _tile("open failure modes", f"{overview.open_failure_modes}", ""),
        _tile("sites on current model", phrases.percent(updated), model),
        cls="tiles",
        id="overview",
    )


def _tile(what: str, value: str, rest: str) -> Html:
    return element(
        "div",
        element("span", what, cls="what"),
        join(element("b", value), " ", element("span", rest, cls="rest")),
        cls="tile",
    )
