"""What a stage is given: typed outputs of earlier stages, polls until a deadline, a request to stop."""

import time
from pathlib import Path

import pytest

from cloud.campaigns.outputs import PlanOutput, ServiceOutput
from cloud.campaigns.stage import StageWork
from cloud.errors import StageInterrupted
from cloud.store.records import Campaign, CampaignPlan, CampaignStage, CampaignState

CAMPAIGN = Campaign("C", CampaignState.RUNNING, CampaignPlan(("m",), 1), "test", "", 1, 0, 0, None)


def work(folder: Path, *, began_ago_s: float = 0.0, stop: bool = False) -> StageWork:
    return StageWork(
        campaign=CAMPAIGN,
        stage=CampaignStage.SHADOW,
        inputs={CampaignStage.SERVICE: ServiceOutput(digest="d")},
        folder=folder,
        began_at_utc=time.time() - began_ago_s,
        progress=lambda fraction, note: None,
        stopping=lambda: stop,
    )


def test_a_stage_reads_the_output_of_an_earlier_stage_by_its_type(tmp_path: Path) -> None:
    assert work(tmp_path).output(ServiceOutput).digest == "d"
    with pytest.raises(KeyError, match="no stage before shadow returned a PlanOutput"):
        work(tmp_path).output(PlanOutput)


def test_a_deadline_counts_from_when_the_stage_first_began(tmp_path: Path) -> None:
    assert list(work(tmp_path, began_ago_s=60.0).polls(0.01, 30.0)) == [True]
    polls = list(work(tmp_path).polls(0.02, 0.1))
    assert polls[0] is False
    assert polls[-1] is True


def test_a_wait_ends_at_a_request_to_stop(tmp_path: Path) -> None:
    with pytest.raises(StageInterrupted, match="stage shadow of campaign C was asked to stop"):
        work(tmp_path, stop=True).pause(60.0)
