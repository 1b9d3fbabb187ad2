"""The limits and the rollout of a plan in words."""

import pytest

from messaging.api.campaign_plans import CampaignPlanResource, PlannedRollout, PromotionLimits
from messaging.api.plan_wording import promotion_words

PLAN = CampaignPlanResource(
    modes=("fire.night-clear.missed",),
    count=60,
    seed=None,
    incumbent_digest=None,
    orders=(),
    replay_images=0,
    calibration_images=0,
    holdout_images=0,
)
LIMITS = PromotionLimits(
    recall_drop=0.03,
    precision_drop=0.05,
    condition_drop=0.15,
    enough_tracks=30,
    false_alarm_ratio=1.5,
    latency_ratio=2.0,
)


def test_a_plan_states_its_limits_where_they_apply() -> None:
    words = promotion_words(PLAN.model_copy(update={"limits": LIMITS}))
    assert list(words) == ["on the holdout", "in shadow runs"]
    assert words["on the holdout"].startswith(
        "a class may lose 3 points of recall, 5 of precision, and 15 of"
    )
    assert words["in shadow runs"].endswith("at most 1.5 times the false alarms, 2 times the latency")


@pytest.mark.parametrize(
    ("sites", "canaries", "approval", "shown"),
    [
        (12, ("north",), ("all",), ("north", "all of 12 sites", "; a person approves before: all")),
        (1, (), (), ("none that you may see", "all of 1 site in groups", "roll all back")),
    ],
)
def test_a_plan_states_its_canary_and_how_the_groups_follow(
    sites: int, canaries: tuple[str, ...], approval: tuple[str, ...], shown: tuple[str, str, str]
) -> None:
    rollout = PlannedRollout(
        canaries=canaries, sites=sites, hold_s=3600.0, stop_fraction=0.05, approval_before=approval
    )
    words = promotion_words(PLAN.model_copy(update={"rollout": rollout}))
    assert words["canary"] == shown[0]
    assert shown[1] in words["then"]
    assert words["then"].endswith(shown[2])
    assert "each held for 60 min; more than 5 % of failures" in words["then"]


def test_a_cloud_that_states_neither_is_no_sentence() -> None:
    assert promotion_words(PLAN) == {}
