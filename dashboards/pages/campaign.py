"""One campaign: its stages, the running stage, the generated images, and the models before and after."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import confirmed
from dashboards.components.empty import Empty
from dashboards.components.loss_curve import LossCurve
from dashboards.components.section import Markup, card, heading
from dashboards.components.table import link
from dashboards.components.theme_switch import present_theme
from dashboards.learning.gallery import thumbnail_address
from dashboards.learning.mode_names import campaign_state, mode_text
from dashboards.learning.stage_log import log
from dashboards.markup import Html, element, image, join, number, row, table, with_commas
from dashboards.page_view import PageView
from dashboards.pages import comparison
from dashboards.pages.rollouts import phase_pill
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.api.evaluations import EvaluationsResource
from messaging.release_resources import RolloutResource
from messaging.resources import CampaignResource, ImageResource, StageResource

KEPT_SHOWN = 21
REFUSED_SHOWN = 6
VERBS: Mapping[str, tuple[str, ...]] = {
    "approve": ("awaiting_approval",),
    "cancel": ("awaiting_approval", "queued", "running"),
    "resume": ("cancelled", "failed"),
}
"""What may be requested of a campaign, and in which states the cloud permits it."""
CANCEL = (
    "Cancel this campaign?",
    "The stages that are finished stay, and it can be resumed.",
    "Cancel the campaign",
)
"""Title, what happens, text of the button."""
MARKS = {"done": "done", "running": "now", "failed": "failed", "stopped": "stopped", "cancelled": "stopped"}


async def page(view: PageView) -> None:
    """One campaign."""
    name = view.parameters["campaign"]
    heading("Campaign", name)
    with card("Stages", name="campaign"):
        state = Markup()
        with ui.row().classes("actions"):
            buttons = {
                verb: ui.button(verb.capitalize(), on_click=lambda verb=verb: change(verb))
                for verb in (VERBS if view.may(UserRole.TRAINER) else ())
            }
        for button in buttons.values():
            button.props("outline no-caps").set_visibility(False)
    with card("Log of the stages", name="campaign-log"):
        noted = Markup()
    with card("Rollouts", name="campaign-rollouts", aside="shadow runs and rollouts of its candidate"):
        ordered = Markup()
    with card("Training loss", name="campaign-loss"):
        loss = LossCurve(present_theme())
    with card("Generated images", name="campaign-images"):
        images = Markup()
        gallery = element("a", "All images", href=view.scope.link("campaigns", name, "images"))
        ui.html(element("p", gallery, cls="pages"), sanitize=False)
    with card("Before and after", name="comparison"):
        compared = Markup()
        whole = element(
            "a", "All measures, side by side", href=view.scope.link("campaigns", name, "comparison")
        )
        ui.html(element("p", whole, cls="pages"), sanitize=False)

    async def change(verb: str) -> None:
        if verb == "cancel" and not await confirmed(*CANCEL, other="Back"):
            return
        path = f"campaigns/{name}/{verb}"
        await view.act(
            lambda: view.viewer.client.send("POST", path, CampaignResource), f"The cloud accepted: {verb}."
        )

    async def refresh() -> None:
        campaign = await view.get(f"campaigns/{name}", CampaignResource)
        rollouts = await view.page("rollouts", RolloutResource, campaign=name)
        state.show(stages_markup(campaign, view.scope, view.now()))
        ordered.show(rollouts_markup(name, rollouts.items, view.scope))
        noted.show(log(campaign, view.now()))
        loss.show(campaign)
        for verb, button in buttons.items():
            button.set_visibility(campaign.state in VERBS[verb])
        images.show(images_markup(campaign, await _newest(view, kept=True), await _newest(view, kept=False)))

    async def refresh_comparison() -> None:
        found = await view.get(f"campaigns/{name}/evaluations", EvaluationsResource)
        compared.show(comparison.short_markup(found, view.scope))

    view.live(refresh)
    view.live(refresh_comparison, every_s=comparison.REFRESH_S)


async def _newest(view: PageView, *, kept: bool) -> tuple[ImageResource, ...]:
    path, most = f"campaigns/{view.parameters['campaign']}/images", KEPT_SHOWN if kept else REFUSED_SHOWN
    return (await view.page(path, ImageResource, newest=True, kept=kept, limit=most)).items


def rollouts_markup(campaign: str, rollouts: Sequence[RolloutResource], scope: Scope) -> Html:
    """What was ordered to the sites, latest first, with how many of them run it."""
    if not rollouts:
        sentence = (
            "Nothing has been ordered to a site yet. The shadow run is the first that is; this command shows "
            "the stage:"
        )
        return Empty(sentence, command=f"blindspot campaign watch {campaign}").markup()
    rows = [
        row(
            element("td", link(one.id, scope.link("rollouts", one.id))),
            element("td", link(phrases.short(one.digest), scope.link("models", one.digest))),
            element("td", phase_pill(one)),
            number(f"{one.site_states.get('running', 0)} of {one.number_of_sites}"),
            one.reason,
        )
        for one in rollouts
    ]
    return table(("rollout", "model", "phase", "#sites that run it", "reason"), rows)


def stages_markup(campaign: CampaignResource, scope: Scope, now: float) -> Html:
    """State and failure modes, stage bar, running stage."""
    return join(
        _title(campaign, scope),
        element("ol", *(_stage(stage) for stage in campaign.stages), cls="stages"),
        _now(campaign, now),
        element("p", f"started {phrases.ago(campaign.created_at, now)} by {campaign.started_by}", cls="rest"),
    )


def _title(campaign: CampaignResource, scope: Scope) -> Html:
    modes = [link(mode_text(mode), scope.link("failure-modes", mode)) for mode in campaign.modes]
    return element("p", campaign_state(campaign.state), " for ", element("b", with_commas(modes)))


def _stage(stage: StageResource) -> Html:
    filled = 1.0 if stage.state == "done" else stage.progress
    return element(
        "li",
        element("i", element("u", style=f"width:{100 * filled:.0f}%"), cls="fill"),
        element("span", phrases.readable(stage.stage)),
        cls=MARKS.get(stage.state, "pending"),
        title=stage.note or None,
        data_stage=stage.stage,
    )


def _now(campaign: CampaignResource, now: float) -> Html | None:
    """The running stage with its progress and remaining time; or how the campaign ended."""
    running = next((stage for stage in campaign.stages if stage.state == "running"), None)
    if running is None:
        ended = f"ended {phrases.ago(campaign.ended_at, now)}" if campaign.ended_at else "no stage is running"
        return element("p", ": ".join(part for part in (ended, campaign.reason) if part), cls="now")
    left = running.seconds_left
    parts = (
        f"{100 * running.progress:.0f} %",
        f"about {phrases.duration(left)} left" if left is not None else "",
        running.note,
    )
    text = " · ".join(part for part in parts if part)
    return element("p", element("b", phrases.readable(running.stage)), f" {text}", cls="now")


def images_markup(
    campaign: CampaignResource, kept: Sequence[ImageResource], refused: Sequence[ImageResource]
) -> Html:
    """The newest images that were kept, and those that were refused with their reasons, newest first."""
    if not kept and not refused:
        sentence = (
            "No image has been generated yet. Images appear here during the synthesise stage; this command "
            "shows the stage:"
        )
        return Empty(sentence, command=f"blindspot campaign watch {campaign.id}").markup()
    return join(
        element(
            "div",
            _strip(f"{campaign.images_kept:,} kept", kept, campaign.id),
            _strip(_refusals(campaign.images_refused), refused, campaign.id),
            cls="strips",
        )
    )


def _refusals(refused: dict[str, int]) -> str:
    ranked = sorted(refused.items(), key=lambda pair: (-pair[1], pair[0]))
    reasons = ", ".join(f"{phrases.readable(reason)} {n:,}" for reason, n in ranked)
    return f"{sum(refused.values()):,} refused" + (f": {reasons}" if reasons else "")


def _strip(heading: str, images: Sequence[ImageResource], campaign: str) -> Html:
    shown = (
        element(
            "figure",
            image(thumbnail_address(campaign, one.id), f"synthetic image {one.name}")
            if one.thumbnail
            else element("span", "no thumbnail", cls="none"),
            None if one.kept else element("figcaption", phrases.readable(one.reason)),
            cls="kept" if one.kept else "refused",
        )
        for one in images
    )
    return element("div", element("h3", heading), element("div", *shown, cls="thumbnails"), cls="strip")
