"""The promotion gate at the signature: no release of a campaign is signed without the evaluation it needs.

The stages of a campaign ask for signatures; what they hand over is not believed. The gate reads what the
store has of the finished stages and refuses a bundle that was not evaluated against the model the campaign
started from, that did not pass on the holdout (for a trial as well), or that is another one than was
evaluated. What a person imports or publishes as a first detector or a teacher is of no campaign and does not
come here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.errors import NotNow
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import CampaignStage, StageRecord, StageState
from messaging.releases import Channel

HOLDOUT_VERDICT = "verdict"
"""The metric of the stage evaluate that has the verdict on the holdout, with the digest that it is about."""

_PASSED = "pass"


@dataclass(frozen=True)
class PromotionGate:
    """Compares a request for a signature with the finished stages of its campaign."""

    store: CampaignStore

    def __call__(self, campaign: str, digest: str, channel: Channel) -> None:
        """Return if the bundle may be signed for the channel. Raises `NotNow` or `NotKnown`."""
        incumbent = self.store.get(campaign).plan.incumbent_digest
        done = [row for row in self.store.stages(campaign) if row.state is StageState.DONE]
        if not any(_evaluated(row, {digest, str(incumbent)}) for row in done):
            raise _refusal(campaign, digest, channel, "no evaluation of it and of the incumbent is stored")
        if (stored_verdict(done, digest) or {}).get("outcome") != _PASSED:
            raise _refusal(campaign, digest, channel, "no verdict on the holdout that it passed is stored")
        if channel is Channel.TRIAL:
            return
        if not any(_passed(row, CampaignStage.TRIAL) and row.output.get("digest") == digest for row in done):
            raise _refusal(campaign, digest, channel, "it has not passed the evaluation on the holdout")
        if not any(_passed(row, CampaignStage.SHADOW) and _about(row.output, digest) for row in done):
            raise _refusal(campaign, digest, channel, "no shadow runs of it have passed")


def _evaluated(row: StageRecord, digests: set[str]) -> bool:
    return row.stage is CampaignStage.EVALUATE and digests <= set(row.output.get("files", ()))


def stored_verdict(rows: Iterable[StageRecord], digest: str) -> Mapping[str, Any] | None:
    """The newest verdict on the holdout in the finished stages of a campaign that is about this bundle."""
    found = None
    for row in rows:
        if row.stage is CampaignStage.EVALUATE and row.state is StageState.DONE:
            verdict: Mapping[str, Any] = row.metrics.get(HOLDOUT_VERDICT, {})
            found = verdict if verdict.get("candidate") == digest else found
    return found


def _passed(row: StageRecord, stage: CampaignStage) -> bool:
    return row.stage is stage and row.metrics.get("outcome") == _PASSED


def _about(shadow: Mapping[str, Any], digest: str) -> bool:
    """Whether the output of shadow runs has reports, all of this candidate."""
    reports = shadow.get("reports", {})
    return bool(reports) and all(one.get("candidate_digest") == digest for one in reports.values())


def _refusal(campaign: str, digest: str, channel: Channel, reason: str) -> NotNow:
    return NotNow(
        f"bundle {digest[:12]} of campaign {campaign} is not signed for {channel}: {reason}; start a new "
        "campaign, and look for who changed the stages of this one"
    )
