"""The page of a campaign as markup: its failure modes, and what was ordered to the sites for it."""

from typing import Any

from dashboards.pages.campaign import rollouts_markup, stages_markup
from dashboards.scope import Scope
from messaging.release_resources import RolloutResource
from messaging.resources import CampaignResource

NOW = 1_800_000_000.0
PORT = Scope(group="port")


def rollout(**values: Any) -> RolloutResource:
    given = {
        "id": "C1-service", "campaign": "C1", "digest": "ab" * 32, "previous_digest": "cd" * 32,
        "phase": "canary", "paused": False, "reason": "",
        "site_states": {"running": 1, "waiting": 1}, "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    return RolloutResource.model_validate({**given, **values})


def test_a_rollout_that_waits_for_approval_is_linked_from_its_campaign() -> None:
    shown = rollouts_markup("C1", [rollout(awaiting="all")], PORT)
    assert '<a href="/rollouts/C1-service?group=port">C1-service</a>' in shown
    assert f'<a href="/models/{"ab" * 32}?group=port">' in shown
    assert ("all awaits approval" in shown, "1 of 2" in shown) == (True, True)


def test_a_campaign_without_a_rollout_says_what_the_first_will_be() -> None:
    assert "The shadow run is the first" in rollouts_markup("C1", [], PORT)


def test_the_failure_modes_of_a_campaign_are_linked() -> None:
    campaign = CampaignResource.model_validate(
        {
            "id": "C1", "state": "running", "reason": "", "started_by": "ana",
            "modes": ("fire.night-clear.missed", "pothole.day-rain.missed"), "count": 60, "seed": 7,
            "attempt": 1, "incumbent_digest": None, "candidate_digest": None, "created_at": NOW - 900,
            "updated_at": NOW, "ended_at": None, "stages": (), "images_kept": 0, "images_refused": {},
        }
    )  # fmt: skip
    links = (
        '<a href="/failure-modes/fire.night-clear.missed?group=port">fire missed (night, clear)</a>, '
        '<a href="/failure-modes/pothole.day-rain.missed?group=port">pothole missed (day, rain)</a>'
    )
    assert links in stages_markup(campaign, PORT, NOW)
