"""Campaigns: the list, newest first."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card, heading
from dashboards.components.table import Column, Table, link
from dashboards.learning.mode_names import campaign_state, mode_texts
from dashboards.markup import Html
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.resources import CampaignResource

COLUMNS = (
    Column("campaign", "campaign", "html", width=226),
    Column("state", "state", "html", width=140),
    Column("modes", "failure modes", width=170),
    Column("stage", "stage", width=120),
    Column("kept", "images kept", "number", width=76),
    Column("refused", "refused", "number", width=76),
    Column("by", "started by", width=86),
    Column("began", "started", "html", width=80),
)
EMPTY = Empty(
    "No campaign has run yet. This command starts one for the most harmful failure mode "
    "that training can improve:",
    command="blindspot campaign start",
)


async def page(view: PageView) -> None:
    """The list of campaigns."""
    heading("Campaigns", "Images are generated for failure modes, and the detector is retrained with them.")
    with card("All campaigns", name="campaigns-card"):
        if view.may(UserRole.TRAINER):
            with ui.row().classes("actions above"):
                new = ui.button("New campaign", on_click=lambda: view.go("campaigns", "new"))
                new.props("unelevated no-caps")
        table = Table(COLUMNS, name="campaigns", empty=EMPTY)

    async def refresh() -> None:
        found = await view.page("campaigns", CampaignResource, limit=200)
        table.show([row(campaign, view.scope, view.now()) for campaign in found.items])

    view.live(refresh)


def row(campaign: CampaignResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    running = next((stage for stage in campaign.stages if stage.state == "running"), None)
    progress = f"{phrases.readable(running.stage)} {100 * running.progress:.0f} %" if running else ""
    return {
        "id": campaign.id,
        "campaign": link(campaign.id, scope.link("campaigns", campaign.id)),
        "campaign_value": campaign.id,
        "state": campaign_state(campaign.state),
        "state_value": campaign.state,
        "modes": mode_texts(campaign.modes),
        "stage": progress or campaign.reason,
        "kept": campaign.images_kept,
        "refused": sum(campaign.images_refused.values()),
        "by": campaign.started_by,
        "began": Html(phrases.ago(campaign.created_at, now)),
        "began_value": campaign.created_at,
    }
