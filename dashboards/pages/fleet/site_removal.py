"""The removal of a revoked site: what goes and what was made with it is shown before anything is deleted."""

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import answer_of
from dashboards.markup import Html, element, join, with_commas
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.api.site_removal import (
    DerivedCampaignResource,
    RemovalPlanResource,
    RemovalRequest,
    SiteRemovalResource,
)
from messaging.plurals import quantity, row_counts

KEPT = (
    "The site stays known and revoked, and its ledger totals stay. This cannot be undone, and a model that "
    "was trained before is not unmade."
)
REJECT = "Reject the generated images of these campaigns, so that no later training uses them"


async def remove(view: PageView, site: str) -> None:
    """Show the plan of the removal, and request it once a person has confirmed."""
    plan = await view.answer(lambda: view.viewer.client.get(f"sites/{site}/removal", RemovalPlanResource))
    if plan is None:
        return
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props('aria-label="Remove the reports of a site"')
        ui.html(plan_markup(plan, view.scope), sanitize=False)
        reject = ui.checkbox(REJECT)
        reject.set_visibility(bool(plan.campaigns))
        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps autofocus")
            yes = ui.button(
                "Remove", on_click=lambda: dialog.submit(RemovalRequest(reject_images=reject.value))
            )
            yes.props("unelevated no-caps color=negative")
    wanted = await answer_of(dialog)
    if wanted is None:
        return

    async def removed() -> None:
        await view.viewer.client.send("POST", f"sites/{site}/remove", SiteRemovalResource, wanted)

    await view.act(removed, f"What {site} reported is deleted.")


def plan_markup(plan: RemovalPlanResource, scope: Scope) -> Html:
    """What goes, and the campaigns with the site's share, their images and their models as links."""
    gone = join(
        element("h2", f"Remove the reports of {plan.site}?"),
        element("p", f"Deleted: {row_counts(plan.rows)}. {KEPT}"),
    )
    if not plan.campaigns:
        return join(gone, element("p", f"No campaign was planned with evidence of {plan.site}."))
    lines = (element("li", _campaign(one, scope)) for one in plan.campaigns)
    return join(gone, element("p", f"Planned with evidence of {plan.site}:"), element("ul", *lines))


def _campaign(one: DerivedCampaignResource, scope: Scope) -> Html:
    share = f": {one.own:,} of {quantity(one.evidence, 'misdetection')}, "
    share += quantity(one.images, "generated image")
    models = [element("a", phrases.short(d), href=scope.link("models", d)) for d in one.releases]
    made = join(", models ", with_commas(models)) if models else None
    return join(element("a", one.campaign, href=scope.link("campaigns", one.campaign)), share, made)
