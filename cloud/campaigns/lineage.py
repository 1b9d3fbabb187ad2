"""One line of models: a campaign starts from the model in service, and its results belong to that model.

Another campaign's rollout may end while a candidate is made. Then the candidate is not the successor of the
model in service, and its campaign begins again from that model before anything is sent to the sites.
"""

import logging
from collections.abc import Mapping
from typing import Any

from cloud.campaigns.stage import input_digest
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import Campaign, CampaignStage, StageState
from cloud.store.release_store import ReleaseStore

logger = logging.getLogger(__name__)

CHECKED_STAGES = (CampaignStage.SHADOW, CampaignStage.SERVICE)  # the last before sites run the candidate


def with_incumbent(store: CampaignStore, releases: ReleaseStore, campaign: Campaign) -> Campaign:
    """The campaign with the model in service as its incumbent, unless its own is signed for service."""
    stages = store.stages(campaign.id)
    if any(row.stage is CampaignStage.SERVICE and row.state is StageState.DONE for row in stages):
        return campaign
    release = releases.current_service()
    if release is None or release.digest == campaign.plan.incumbent_digest:
        return campaign
    logger.info("campaign %s starts from model %s", campaign.id, release.digest[:12])
    return store.set_incumbent(campaign.id, release.digest)


def follows(
    store: CampaignStore, campaign: Campaign, stage: CampaignStage, outputs: Mapping[str, Any]
) -> bool:
    """Whether the outputs (JSON values by stage) before a stage were made by this plan and no earlier one."""
    before = list(CampaignStage)[: list(CampaignStage).index(stage)]
    if not before:
        return True
    last = before[-1]
    digest = input_digest(campaign, last, {name: outputs[name] for name in outputs if name != last})
    return any(row.stage is last and row.input_digest == digest for row in store.stages(campaign.id))
