"""The log of a campaign's stages."""

import re
from typing import Any

from dashboards.learning.stage_log import log
from messaging.resources import CampaignResource

NOW = 1_800_000_000.0


def campaign(state: str = "running", *stages: dict[str, Any]) -> CampaignResource:
    return CampaignResource.model_validate(
        {
            "id": "C1", "state": state, "reason": "", "started_by": "ana", "modes": (),
            "count": 60, "seed": 7, "attempt": 1, "incumbent_digest": None, "candidate_digest": None,
            "created_at": NOW - 900, "updated_at": NOW, "ended_at": None, "stages": stages,
            "images_kept": 0, "images_refused": {},
        }
    )  # fmt: skip


def test_the_log_has_the_stages_that_have_begun_with_their_times_and_notes() -> None:
    shown = log(
        campaign(
            "running",
            {"stage": "plan", "state": "done", "started_at": NOW - 800, "ended_at": NOW - 740, "runs": 1},
            {
                "stage": "train",
                "state": "running",
                "started_at": NOW - 60,
                "runs": 2,
                "note": "<b>2</b>",
            },
            {"stage": "evaluate", "state": "pending"},
        ),
        NOW,
    )
    assert re.findall(r'data-row="(\w+)"', shown) == ["plan", "train"]
    assert shown.count("60 s") == 3
    assert "&lt;b&gt;2&lt;/b&gt;" in shown


def test_a_campaign_without_a_begun_stage_says_so() -> None:
    assert "No stage has begun yet." in log(campaign("queued"), NOW)
