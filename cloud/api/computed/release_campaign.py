"""The campaign that made a release, with what its stages left; the card and the lineage begin with it."""

from collections.abc import Mapping

from cloud.api.services import Services
from cloud.errors import NotKnown
from cloud.store.records import Campaign, CampaignStage, Release, StageRecord, StageState

Stages = Mapping[CampaignStage, StageRecord]


def campaign_of(services: Services, release: Release) -> tuple[Campaign | None, Stages]:
    """The campaign that made a release, with its last finished stages."""
    if release.campaign is None:
        return None, {}
    try:
        campaign = services.campaign_rows.get(release.campaign)
    except NotKnown:
        return None, {}
    done = (row for row in services.campaign_rows.stages(campaign.id) if row.state is StageState.DONE)
    return campaign, {row.stage: row for row in done}
