"""A rollout as markup: buttons by its phase, the states of its groups, its history."""

import pytest

from cloud.api.views import guard_view
from dashboards.pages import rollouts
from dashboards.scope import Scope
from messaging.release_resources import RolloutEventResource, RolloutResource, RolloutSiteResource
from tests.support.cloud.sample_reports import NEW, OLD, guards_of_rollout


def rollout(**values: object) -> RolloutResource:
    sites = (
        RolloutSiteResource(site="north", group="canary", state="running"),
        RolloutSiteResource(site="south", group="all", state="failed", reason="no <room>"),
        RolloutSiteResource(site="west", group="all", state="waiting"),
    )
    given = {
        "id": "r1", "campaign": None, "digest": "ab" * 32, "previous_digest": "cd" * 32, "phase": "canary",
        "paused": False, "reason": "", "sites": sites, "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    return RolloutResource.model_validate({**given, **values})


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        ({}, {"stop", "pause", "rollback"}),
        ({"paused": True}, {"stop", "resume", "rollback"}),
        ({"awaiting": "wide"}, {"stop", "pause", "approve", "rollback"}),
        ({"phase": "done"}, {"rollback"}),
        ({"phase": "halted"}, {"rollback"}),
        ({"phase": "rolling_back"}, {"stop"}),
        ({"phase": "rolled_back"}, set()),
        ({"phase": "done", "previous_digest": None}, set()),
    ],
)
def test_a_rollout_is_offered_only_what_its_phase_permits(
    values: dict[str, object], offered: set[str]
) -> None:
    assert rollouts.permitted(rollout(**values)) == offered


def test_the_group_that_waits_is_named_with_the_number_of_its_sites() -> None:
    assert rollouts.group_text(rollout(awaiting="all")) == "The group all, which has 2 sites,"


def test_each_group_counts_its_sites_by_state() -> None:
    shown = rollouts.groups_markup(rollout())
    assert shown.count("<li>") == 2
    assert "1 failed" in shown
    assert "1 waiting" in shown


def test_the_reason_of_a_site_is_text() -> None:
    row = rollouts.site_row(rollout().sites[1], Scope())
    assert (row["reason"], row["state_value"], row["group"]) == ("no <room>", "failed", "all")


def test_a_guard_that_found_the_model_worse_is_marked_with_what_it_measured() -> None:
    _, (_, report) = guards_of_rollout(NEW, OLD, 0)
    site = rollout().sites[1].model_copy(update={"guard": guard_view(report)})
    row = rollouts.guard_row(site, Scope())
    assert "bad" in row["outcome"]
    assert (row["outcome_value"], row["latency"]) == ("worse", "310 ms (29 before)")


def test_the_history_has_the_latest_first_and_escapes_its_notes() -> None:
    events = (
        RolloutEventResource(at=10, by="ana", action="started"),
        RolloutEventResource(at=20, by="<b>bo</b>", action="rolled_back"),
    )
    shown = rollouts.history_markup(rollout(events=events), 30.0)
    assert shown.index("rolled back") < shown.index("started")
    assert "&lt;b&gt;bo" in shown
    assert "Nothing has been recorded" in rollouts.history_markup(rollout(), 30.0)
