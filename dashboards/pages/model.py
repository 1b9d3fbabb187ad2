"""One release: facts, its rollout, lineage, loss curve of its training, downgrade ticket, card."""

from collections.abc import Callable
from uuid import uuid4

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import confirmed
from dashboards.components.empty import Empty
from dashboards.components.loss_curve import LossCurve
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import link
from dashboards.components.theme_switch import present_theme
from dashboards.learning.lineage import IMAGES_READ, export_markup, lineage_markup
from dashboards.markup import Html
from dashboards.page_view import PageView
from dashboards.pages import model_card
from dashboards.pages.model_signatures import signatures_section
from dashboards.pages.model_ticket import ticket_section
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.api.lineage import LineageResource
from messaging.card_resources import ModelCard
from messaging.release_resources import ModelResource, RolloutRequest, RolloutResource
from messaging.resources import CampaignResource, OverviewResource

CARD_EVERY_S = 30.0
START = "Start a rollout"


async def page(view: PageView) -> None:
    """One release."""
    digest = view.parameters["digest"]
    heading(f"Model {phrases.short(digest)}", digest)
    with card("Release", name="model"):
        shown = Markup()
        show_start = _start_button(view, digest) if view.may(UserRole.TRAINER) else None
    show_ticket = ticket_section(view, digest) if view.may(UserRole.ADMIN) else None
    signatures_section(view, digest)
    with card("Lineage", name="lineage", aside="from the sites back to the misdetections"):
        lineage = Markup()
        ui.html(export_markup(digest), sanitize=False)
    with card("Training", name="model-training"):
        loss = LossCurve(present_theme())
    with card("Algorithm-register card", name="model-card"):
        downloads, register = Markup(), Markup()

    async def refresh_card() -> None:
        found = await view.get(f"models/{digest}/card", ModelCard)
        downloads.show(model_card.downloads_markup(found.digest))
        register.show(model_card.card_markup(found, view.now()))

    async def refresh_lineage() -> None:
        whole = await view.get(f"models/{digest}/lineage", LineageResource, limit=IMAGES_READ)
        lineage.show(lineage_markup(whole, view.scope))
        if whole.campaign is None:
            loss.show_empty(
                Empty(
                    "No campaign of this cloud trained it. This command shows where it is from:",
                    command=f"blindspot models lineage {digest}",
                )
            )
            return
        campaign = await view.get(f"campaigns/{whole.campaign.id}", CampaignResource)
        loss.show(campaign)

    async def refresh() -> None:
        model = await view.get(f"models/{digest}", ModelResource)
        shown.show(model_facts(model, view.scope, view.now()))
        if show_ticket is not None:
            show_ticket(model)
        if show_start is not None:
            show_start(model, (await view.get("overview", OverviewResource)).current_model)

    view.live(refresh_lineage, every_s=CARD_EVERY_S)
    view.live(refresh_card, every_s=CARD_EVERY_S)
    view.live(refresh)


def _start_button(view: PageView, digest: str) -> Callable[[ModelResource, str | None], None]:
    """The button for trainers; the function shows it where the release may be rolled out.

    A cloud that did not answer is asked again with the same key, so that the rollout starts once.
    """
    key, started = uuid4().hex, list[RolloutResource]()

    async def start() -> None:
        client, wanted = view.viewer.client, RolloutRequest(digest=digest)
        started.append(await client.send("POST", "rollouts", RolloutResource, wanted, key=key))

    async def ask() -> None:
        if await confirmed(f"{START}?", start_question(digest), START, harmful=False):
            button.disable()
            if await view.act(start, "The rollout has started."):
                view.go("rollouts", started[-1].id)
            button.enable()

    with ui.row().classes("actions"):
        button = ui.button(START, on_click=ask).props("outline no-caps")
        button.set_visibility(False)

    def show(model: ModelResource, current: str | None) -> None:
        button.set_visibility(may_roll_out(model, current))

    return show


def may_roll_out(model: ModelResource, current: str | None) -> bool:
    """Whether it is a detector for service that is not the `current` one, a digest."""
    return model.role == "detector" and model.channel == "service" and model.digest != current


def start_question(digest: str) -> str:
    """What the rollout will do, in a sentence or two."""
    return (
        f"Model {phrases.short(digest)} is ordered for the canary, then for a tenth, half and all of the "
        "sites, each group when the one before has held. It can be paused, stopped and rolled back."
    )


def model_facts(model: ModelResource, scope: Scope, now: float) -> Html:
    """What is known of a release."""
    return facts(
        {
            "name": model.name,
            "role": model.role,
            "version": str(model.version),
            "channel": model.channel,
            "parent": _link(model.parent_digest, "models", scope),
            "campaign": _link(model.campaign, "campaigns", scope),
            "size": phrases.size(model.length_bytes),
            "signed": phrases.ago(model.signed_at, now),
            "sites running it": ", ".join(model.sites) or "none",
        }
    )


def _link(name: str | None, page: str, scope: Scope) -> Html | str:
    return link(name, scope.link(page, name)) if name else phrases.MISSING
