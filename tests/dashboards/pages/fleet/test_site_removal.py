"""The plan of a removal as the dialog shows it."""

from dashboards.pages.fleet.site_removal import plan_markup
from dashboards.scope import Scope
from messaging.api.site_removal import DerivedCampaignResource, RemovalPlanResource
from tests.support.dashboards.markup import text

PLAN = RemovalPlanResource(
    site="liar", revoked=True, rows={"reports": 1_200, "verdict_requests": 1, "dead_letters": 0}, campaigns=()
)
CAMPAIGN = DerivedCampaignResource(
    campaign="c1", modes=("fire.night-clear.missed",), own=3, evidence=4, images=2, releases=("a" * 64,)
)


def test_the_plan_states_how_much_goes_and_what_stays() -> None:
    shown = text(plan_markup(PLAN, Scope()))
    assert "Deleted: 1,200 reports, 1 verdict request." in shown
    assert "The site stays known and revoked" in shown
    assert "No campaign was planned with evidence of liar." in shown


def test_the_plan_names_campaigns_with_the_share_of_the_site_and_links_their_models() -> None:
    plan = PLAN.model_copy(update={"campaigns": (CAMPAIGN,)})
    markup = plan_markup(plan, Scope("docks"))
    assert "c1 : 3 of 4 misdetections, 2 generated images, models aaaaaaaa" in text(markup)
    assert f'href="/models/{"a" * 64}?group=docks"' in markup
