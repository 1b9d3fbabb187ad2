"""Why a failure mode has its status, as one sentence for people. Pure."""

from cloud.failure_modes.estimated_recall import RecallEstimate
from cloud.failure_modes.rules import MIN_SUPPORTED_TRACKS
from cloud.store.records import Campaign, CampaignState, ModeStatus


def closing_reason(
    status: ModeStatus,
    recall: RecallEstimate,
    *,
    target: float,
    rate: float | None,
    baseline_rate: float | None,
) -> str:
    """What the closing rule found: the numbers that decided."""
    low, high = recall.interval
    found = f"estimated recall {recall.value or 0.0:.2f} ({low:.2f} to {high:.2f}, {recall.supported} tracks)"
    if status is ModeStatus.WAITING:
        if recall.supported < MIN_SUPPORTED_TRACKS:
            return (
                f"{recall.supported} of the {MIN_SUPPORTED_TRACKS} tracks that a decision needs are reported"
            )
        return "there is no misdetection rate to compare with that of the model that erred first"
    rates = f"{_rate(baseline_rate)} to {_rate(rate)} misdetections per track"
    if status is ModeStatus.CLOSED:
        return f"the lower bound of {found} is above the target {target:.2f}, and the rate fell from {rates}"
    if low <= target:
        return f"the lower bound of {found} is not above the target {target:.2f}"
    return f"the rate has not halved: from {rates}; {found}"


def campaign_began(campaign: Campaign) -> str:
    """Why a mode is in a campaign."""
    return f"campaign {campaign.id} began, started by {campaign.started_by}"


def campaign_ended(campaign: Campaign) -> str:
    """Why a mode has left a campaign that did not decide about it."""
    if campaign.state is CampaignState.DONE:
        return f"campaign {campaign.id} is done; its model is in service and waits for tracks"
    why = "" if campaign.reason in ("", campaign.state) else f": {campaign.reason}"
    return f"campaign {campaign.id} ended as {campaign.state}{why}"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.3f}"
