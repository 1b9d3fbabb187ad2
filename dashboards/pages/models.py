"""Models: released detectors and teachers."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card, heading
from dashboards.components.table import Column, Table, link
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.release_resources import ModelResource

COLUMNS = (
    Column("digest", "digest", "html", width=90),
    Column("role", "role", width=76),
    Column("name", "name", width=120),
    Column("version", "version", "number", width=70),
    Column("channel", "channel", width=76),
    Column("parent", "parent", "html", width=90),
    Column("campaign", "campaign", "html", width=226),
    Column("sites", "sites running it", "number", width=86),
    Column("size", "MB", "number", width=64),
    Column("signed", "signed", "html", width=86),
)
EMPTY = Empty(
    "No model has been released yet. The cloud releases its first model when it starts:",
    command="blindspot cloud run",
)


async def page(view: PageView) -> None:
    """The list of releases."""
    heading("Models", "Every release that was signed, newest first.")
    with card("Releases", name="models-card"):
        table = Table(COLUMNS, name="models", empty=EMPTY)

    async def refresh() -> None:
        models = await view.all_items("models", ModelResource)
        table.show([row(model, view.scope, view.now()) for model in models])

    view.live(refresh)


def row(model: ModelResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    campaign = link(model.campaign, scope.link("campaigns", model.campaign)) if model.campaign else Html("")
    return {
        "id": model.digest,
        "digest": link(phrases.short(model.digest), scope.link("models", model.digest)),
        "digest_value": model.digest,
        "role": model.role,
        "name": model.name,
        "version": model.version,
        "channel": model.channel,
        "parent": element("code", phrases.short(model.parent_digest), title=model.parent_digest),
        "parent_value": model.parent_digest,
        "campaign": campaign,
        "campaign_value": model.campaign,
        "sites": len(model.sites),
        "size": round(model.length_bytes / 1e6, 1),
        "signed": Html(phrases.ago(model.signed_at, now)),
        "signed_value": model.signed_at,
    }
