"""The register moves modes: what "halved" is measured against, over one campaign and several."""

from pathlib import Path

import pytest

from cloud.campaign_store import CampaignStore
from cloud.mode_register import ModeRegister
from cloud.records import Campaign, CampaignPlan, ModeStatus
from cloud.release_store import ReleaseStore
from cloud.settings import FailureModeSettings
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.cloud.words import MINUTE, MODE, NEW, OLD, misdetection, new_id, open_store, received, tally


def test_the_rate_that_must_halve_is_that_of_the_first_campaign(tmp_path: Path) -> None:
    database, reports = open_store(tmp_path)
    campaigns = CampaignStore(database)
    settings = FailureModeSettings()
    register = ModeRegister(
        reports, campaigns, ReleaseStore(database), settings, DEFAULT_TAXONOMY, clock=lambda: MINUTE
    )

    def told(model: str, misses: int, detected: int) -> None:
        reports.insert([received(misdetection(model_digest=model, probability=1.0)) for _ in range(misses)])
        reports.insert([received(tally(model_digest=model, supported=40, detected=detected))])

    def taken_up(model: str) -> Campaign:
        plan = CampaignPlan((MODE,), 20, incumbent_digest=model)
        campaign = campaigns.create(new_id(), plan, started_by="a test")
        register.take_up(campaign)
        return campaign

    told(OLD, misses=20, detected=10)
    first = taken_up(OLD)
    assert campaigns.mode_states()[MODE].baseline_rate == pytest.approx(0.5)
    told(NEW, misses=12, detected=36)
    register.set_status(MODE, register.judge(MODE, frozenset([NEW])).status)
    assert campaigns.mode_states()[MODE].status is ModeStatus.OPEN

    second = taken_up(NEW)
    state = campaigns.mode_states()[MODE]
    assert (state.status, state.campaign) == (ModeStatus.IN_CAMPAIGN, second.id)
    assert second.id != first.id
    assert (state.baseline_digest, state.baseline_rate) == (OLD, pytest.approx(0.5))
