"""A plan of a campaign in words, the same for pages and the command line. Pure."""

from messaging.api.campaign_plans import CampaignPlanResource, PlannedRollout, PromotionLimits


def promotion_words(plan: CampaignPlanResource) -> dict[str, str]:
    """What the candidate must keep to and where it goes, by what it is about; empty if neither is stated."""
    limits = {} if plan.limits is None else _limits(plan.limits)
    return limits if plan.rollout is None else {**limits, **_rollout(plan.rollout)}


def _limits(limits: PromotionLimits) -> dict[str, str]:
    drops = (limits.recall_drop, limits.precision_drop, limits.condition_drop)
    recall, precision, condition = (f"{100 * drop:g}" for drop in drops)
    return {
        "on the holdout": (
            f"a class may lose {recall} points of recall, {precision} of precision, and {condition} of "
            "recall in one condition"
        ),
        "in shadow runs": (
            f"at least {limits.enough_tracks} supported tracks of each failure mode; at most "
            f"{limits.false_alarm_ratio:g} times the false alarms, {limits.latency_ratio:g} times the latency"
        ),
    }


def _rollout(rollout: PlannedRollout) -> dict[str, str]:
    sites = "1 site" if rollout.sites == 1 else f"{rollout.sites:,} sites"
    approval = ", ".join(rollout.approval_before)
    waits = f"; a person approves before: {approval}" if approval else ""
    return {
        "canary": ", ".join(rollout.canaries) or "none that you may see",
        "then": (
            f"all of {sites} in groups, each held for {rollout.hold_s / 60:g} min; more than "
            f"{100 * rollout.stop_fraction:g} % of failures in a group roll all back{waits}"
        ),
    }
