"""Overview: four numbers with their past, the map, what runs, the worst failure modes, the latest hazards."""

from collections.abc import Sequence

from dashboards import phrases
from dashboards.components.charts import sparkline
from dashboards.components.pills import recall_bar, severity
from dashboards.components.place_map import NO_POSITIONS, PlaceMap
from dashboards.components.section import Markup, card, heading
from dashboards.components.table import link
from dashboards.learning.mode_names import campaign_state, mode_name, mode_texts
from dashboards.markup import Html, element, join, number, row, table
from dashboards.page_view import PageView
from dashboards.pages.campaign import stages_markup
from dashboards.pages.campaigns import EMPTY as NO_CAMPAIGN
from dashboards.pages.failure_modes import EMPTY as NO_MODE
from dashboards.pages.fleet.sites import MAP_NOTE, places_of
from dashboards.pages.hazards import EMPTY as NO_HAZARD
from dashboards.pages.hazards import place_text, status_pill
from dashboards.pages.rollouts import EMPTY as NO_ROLLOUT
from dashboards.pages.rollouts import phase_pill
from dashboards.scope import RANGES, Scope
from messaging.api.trends import TrendPoint, TrendsResource
from messaging.plurals import quantity
from messaging.release_resources import RolloutResource
from messaging.resources import (
    CampaignResource,
    FailureModeResource,
    HazardResource,
    OverviewResource,
)

TRENDS_EVERY_S = 60.0
NO_SITE = ("no site is enrolled yet. This command enrols one and makes its folder:",
           "blindspot sites add NAME --out NAME --camera CAMERA=ADDRESS")  # fmt: skip
NO_SITE_ONLINE = ("no site is online. In the folder of a site, start its broker, its gate and its node:",
                  "blindspot-edge gate --config gate.yaml")  # fmt: skip
MODES_SHOWN, HAZARDS_SHOWN, CAMPAIGNS_SHOWN = 5, 6, 3
OF_ALL = "of all sites"


async def page(view: PageView) -> None:
    """The first page."""
    heading("Overview", scope_sentence(view.scope))
    tiles, step = Markup("wide"), Markup("wide")
    with card("Map", name="map-card", aside=MAP_NOTE) as map_card:
        city = PlaceMap(NO_POSITIONS, view.ground, description="map of sites")
    map_card.set_visibility(False)
    with card("Newest campaign", name="newest-campaign", aside=OF_ALL):
        campaign = Markup()
    with card("Worst failure modes", name="worst-modes", wide=False, aside=OF_ALL):
        modes = Markup()
    with card("Latest hazards", name="latest-hazards", wide=False):
        hazards = Markup()
    with card("Last rollout", name="last-rollout", aside=OF_ALL):
        rollout = Markup()
    past: list[TrendPoint] = []
    group = view.scope.group or None

    async def refresh_past() -> None:
        since = view.scope.since(view.now())
        found = await view.get("overview/trends", TrendsResource, group=group, since=since)
        past[:] = found.points

    async def refresh() -> None:
        now, scope = view.now(), view.scope
        overview = await view.get("overview", OverviewResource, group=group)
        tiles.show(tiles_markup(overview, past, scope))
        step.show(next_step(overview))
        worst = await view.page("failure-modes", FailureModeResource, limit=MODES_SHOWN)
        modes.show(modes_markup(worst.items, scope))
        latest = await view.page(
            "hazards", HazardResource, limit=HAZARDS_SHOWN, group=group, since=scope.since(now)
        )
        hazards.show(hazards_markup(latest.items, scope, now))
        campaigns = await view.page("campaigns", CampaignResource, limit=CAMPAIGNS_SHOWN)
        campaign.show(campaign_markup(campaigns.items, scope, now))
        rollouts = await view.page("rollouts", RolloutResource, limit=1)
        rollout.show(rollout_markup(rollouts.items, scope, now))

    async def refresh_map() -> None:
        """Without positions there is no map; the page of sites says how to give them."""
        places = await places_of(view)
        map_card.set_visibility(bool(places))
        await city.show(places)

    view.live(refresh_past, every_s=TRENDS_EVERY_S)
    view.live(refresh)
    view.live(refresh_map)


def scope_sentence(scope: Scope) -> str:
    """What the numbers are about."""
    text, _ = RANGES[scope.range]
    if not scope.group:
        return f"All sites now; lines and hazards of the {text}."
    return (
        f"Site group {scope.group} now; lines and hazards of the {text}. "
        "Campaigns, rollouts and the ranking of failure modes are of all sites."
    )


def tiles_markup(overview: OverviewResource, past: Sequence[TrendPoint], scope: Scope) -> Html:
    """The four numbers, each with its past as a line, each a link to its list."""
    updated = overview.sites_on_current_model / overview.sites if overview.sites else None
    model = f"model {phrases.short(overview.current_model)}" if overview.current_model else "no model yet"
    opened = [point.open_failure_modes for point in past if point.open_failure_modes is not None]
    tiles = (
        _tile("sites online", f"{overview.sites_online}", f"of {overview.sites}", scope.link("sites"),
              sparkline([point.sites_reporting for point in past], "sites that sent reports")),
        _tile("hazards in 24 h", f"{overview.hazards_in_24_h:,}", "events", scope.link("hazards"),
              sparkline([point.hazards for point in past], "hazards")),
        _tile("open failure modes", f"{overview.open_failure_modes}", "", scope.link("failure-modes"),
              sparkline(opened, "open failure modes")),
        _tile("sites on current model", phrases.percent(updated), model, scope.link("models"),
              sparkline([point.sites_on_current_model for point in past], "sites on the current model")),
    )  # fmt: skip
    return element("div", *tiles, cls="tiles", id="overview")


def _tile(what: str, value: str, rest: str, address: str, line: Html) -> Html:
    text = join(element("b", value), " ", element("span", rest, cls="rest"))
    return element("a", element("span", what, cls="what"), text, line, cls="tile", href=address)


def next_step(overview: OverviewResource) -> Html:
    """What a new deployment does next, with its command; nothing once sites are online."""
    if overview.sites == 0:
        sentence, command = NO_SITE
    elif overview.sites_online == 0:
        sentence, command = NO_SITE_ONLINE
    else:
        return Html("")
    return element("p", element("b", "Next: "), sentence, " ", element("code", command), cls="card next-step")


def modes_markup(modes: Sequence[FailureModeResource], scope: Scope) -> Html:
    """The most harmful failure modes with their estimated recall."""
    if not modes:
        return NO_MODE.markup()
    rows = [
        row(
            link(mode_name(mode), scope.link("failure-modes", mode.id)),
            number(f"{mode.harm:.1f}"),
            recall_bar(mode.recall, mode.target),
            name=mode.id,
        )
        for mode in modes
    ]
    return table(("failure mode", "#harm", "estimated recall"), rows)


def hazards_markup(hazards: Sequence[HazardResource], scope: Scope, now: float) -> Html:
    """The latest hazards of the scope."""
    if not hazards:
        return NO_HAZARD.markup()
    rows = [
        row(
            severity(one.severity),
            link(phrases.readable(one.class_name), scope.link("hazards", one.site, one.event)),
            status_pill(one.status),
            place_text(one),
            number(phrases.ago(one.started_at_utc, now)),
            name=one.event,
        )
        for one in hazards
    ]
    return table(("severity", "hazard", "handled", "place", "#began"), rows)


def campaign_markup(campaigns: Sequence[CampaignResource], scope: Scope, now: float) -> Html:
    """The newest campaign with its stages, and those before it in a line each."""
    if not campaigns:
        return NO_CAMPAIGN.markup()
    newest, *before = campaigns
    lines = (
        element(
            "li",
            campaign_state(one.state),
            f" for {mode_texts(one.modes)}, began {phrases.ago(one.created_at, now)}. ",
            link("Open it", scope.link("campaigns", one.id)),
        )
        for one in before
    )
    return join(
        stages_markup(newest, scope, now),
        link("Open the campaign", scope.link("campaigns", newest.id)),
        join(element("h3", "Before it"), element("ul", *lines)) if before else None,
    )


def rollout_markup(rollouts: Sequence[RolloutResource], scope: Scope, now: float) -> Html:
    """The last rollout: its phase and how many of its sites run the model."""
    if not rollouts:
        return NO_ROLLOUT.markup()
    last = rollouts[0]
    return element(
        "p",
        phase_pill(last),
        f" {last.site_states.get('running', 0)} of {quantity(last.number_of_sites, 'site')} run model ",
        element("code", phrases.short(last.digest), title=last.digest),
        f", began {phrases.ago(last.created_at, now)}. ",
        link("Open the rollout", scope.link("rollouts", last.id)),
    )
