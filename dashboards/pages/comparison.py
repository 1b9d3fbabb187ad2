"""Before and after one campaign: the scores of its models side by side, holdout and shadow runs apart."""

from collections.abc import Sequence

from dashboards.components.empty import Empty
from dashboards.components.section import Markup, card, heading
from dashboards.learning import side_by_side
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.api.evaluations import EvaluationsResource

REFRESH_S = 5.0


async def page(view: PageView) -> None:
    """All measures of one campaign, by class and condition."""
    name = view.parameters["campaign"]
    heading("Before and after", f"campaign {name}")
    with card("Result", name="comparison-result"):
        result = Markup()
    with card("On the cloud's holdout", name="comparison-holdout", aside="95 % intervals beside the values"):
        holdout = Markup()
    with card("In shadow runs at sites", name="comparison-shadow", aside="95 % intervals beside the values"):
        shadow = Markup()
    with card("How this is counted", name="comparison-notes"):
        notes = Markup()

    async def refresh() -> None:
        found = await view.get(f"campaigns/{name}/evaluations", EvaluationsResource)
        back = element("a", "The campaign", href=view.scope.link("campaigns", name))
        result.show(join(side_by_side.summary(found), element("p", back, cls="pages")))
        holdout.show(side_by_side.set_markup(found, side_by_side.HOLDOUT, view.scope))
        shadow.show(shadow_markup(found, view.scope))
        notes.show(side_by_side.notes_markup(found))

    view.live(refresh, every_s=REFRESH_S)


def shadow_markup(found: EvaluationsResource, scope: Scope) -> Html:
    """One table for each site."""
    sets = side_by_side.shadow_sets(found)
    if not sets:
        sentence = "No site has run the candidate in shadow yet. This command shows the stage:"
        return Empty(sentence, command=f"blindspot campaign watch {found.campaign}").markup()
    return join(*(_set(found, name, scope) for name in sets))


def short_markup(found: EvaluationsResource, scope: Scope) -> Html:
    """Recall alone, for the page of the campaign."""
    sets = [name for name in (side_by_side.HOLDOUT, *side_by_side.shadow_sets(found)) if _has(found, name)]
    if not sets:
        return side_by_side.no_comparison(found.campaign)
    return join(*(_set(found, name, scope, side_by_side.RECALL) for name in sets))


def _has(found: EvaluationsResource, name: str) -> bool:
    return any(cell.set == name for cell in found.cells)


def _set(
    found: EvaluationsResource,
    name: str,
    scope: Scope,
    measures: Sequence[side_by_side.Measure] = side_by_side.MEASURES,
) -> Html:
    shown = side_by_side.set_markup(found, name, scope, measures)
    return join(element("h3", side_by_side.set_name(name)), shown)
