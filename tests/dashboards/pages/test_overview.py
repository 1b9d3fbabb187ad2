"""The overview as markup: numbers with links and lines, empty states that name the next command."""

from dashboards.pages import overview
from dashboards.scope import Scope
from messaging.api.trends import TrendPoint
from messaging.release_resources import RolloutResource
from messaging.resources import OverviewResource
from tests.dashboards.learning.resources import campaign

SCOPE = Scope("docks", "7d")


def numbers(**values: int) -> OverviewResource:
    given = {
        "sites": 4,
        "sites_online": 3,
        "hazards_in_24_h": 1200,
        "open_failure_modes": 2,
        "campaigns_running": 0,
        "sites_on_current_model": 1,
        "current_model": "ab" * 32,
    }
    return OverviewResource.model_validate({**given, **values})


def point(at: int, opened: int | None) -> TrendPoint:
    return TrendPoint(
        at=at,
        hazards=at,
        misdetections=0,
        sites_reporting=1,
        sites=1,
        sites_on_current_model=1,
        open_failure_modes=opened,
    )


def test_each_number_is_a_link_to_its_list_in_the_same_scope() -> None:
    shown = overview.tiles_markup(numbers(), [], SCOPE)
    for name in ("sites", "hazards", "failure-modes", "models"):
        assert f'href="/{name}?group=docks&amp;range=7d"' in shown
    assert "<b>25 %</b>" in shown
    assert "<b>1,200</b>" in shown


def test_the_past_is_a_line_only_where_it_is_stored() -> None:
    shown = overview.tiles_markup(numbers(), [point(1, None), point(2, 3)], SCOPE)
    assert shown.count("<svg") == 3
    assert 'aria-label="open failure modes"' not in shown


def test_a_new_deployment_is_told_how_to_enrol_and_then_how_to_start_a_site() -> None:
    assert "blindspot sites add NAME --out NAME" in overview.next_step(numbers(sites=0, sites_online=0))
    assert "blindspot-edge gate --config gate.yaml" in overview.next_step(numbers(sites_online=0))
    assert overview.next_step(numbers()) == ""


def test_every_empty_part_states_what_will_be_there() -> None:
    for shown in (
        overview.modes_markup([], SCOPE),
        overview.hazards_markup([], SCOPE, 0.0),
        overview.campaign_markup([], SCOPE, 0.0),
        overview.rollout_markup([], SCOPE, 0.0),
    ):
        assert 'class="empty"' in shown


def test_the_campaigns_before_the_newest_are_a_line_each() -> None:
    campaigns = [campaign(id=name, created_at=0) for name in ("c3", "c2", "c1")]
    shown = overview.campaign_markup(campaigns, SCOPE, 60.0)
    assert [shown.count(f'href="/campaigns/{name}?group=docks') for name in ("c3", "c2", "c1")] == [1, 1, 1]
    assert shown.count("<li>") == 2
    assert shown.count("began 60 s ago") == 2
    assert "Before it" not in overview.campaign_markup(campaigns[:1], SCOPE, 60.0)


def test_the_last_rollout_counts_the_sites_that_run_its_model() -> None:
    rollout = RolloutResource(
        id="r1", campaign=None, digest="cd" * 32, previous_digest=None, phase="canary", paused=False,
        reason="", site_states={"running": 1, "lost": 1}, created_at=0, updated_at=0,
    )  # fmt: skip
    shown = overview.rollout_markup([rollout], SCOPE, 60.0)
    assert "1 of 2 sites run model" in shown
    assert 'href="/rollouts/r1?group=docks' in shown


def test_the_sentence_says_what_does_not_follow_the_site_group() -> None:
    assert "of all sites" in overview.scope_sentence(SCOPE)
    assert overview.scope_sentence(Scope()) == "All sites now; lines and hazards of the last 24 hours."
