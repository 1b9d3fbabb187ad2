"""Campaigns: stage after stage, once each, whatever is cancelled, resumed, refused or killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.stage import StageResult, StageWork
from cloud.errors import AlreadyRunning, NotKnown, NotNow, StageFailed
from cloud.store.records import CampaignStage, CampaignState, StageState
from tests.support.cloud.sample_reports import NEW, OLD
from tests.support.cloud.scripted_stages import OTHER_PLAN, PLAN, CampaignRunner, ScriptedStages, quick, slow
from tests.support.waiting import wait_until

EVERY_STAGE = [str(stage) for stage in CampaignStage]


@pytest.fixture
def runner(tmp_path: Path) -> CampaignRunner:
    return CampaignRunner(tmp_path)


def test_a_campaign_runs_its_ten_stages_in_order_and_keeps_their_metrics(runner: CampaignRunner) -> None:
    stages = ScriptedStages()
    with runner.launched(stages) as campaigns:
        done = runner.wait_until_ended(campaigns.start(PLAN, started_by="test").id)
    assert done.state is CampaignState.DONE
    assert stages.seen == EVERY_STAGE
    records = runner.store.stages(done.id)
    assert [(r.stage, r.state, r.runs, r.metrics["n"]) for r in records] == [
        (stage, StageState.DONE, 1, n) for n, stage in enumerate(CampaignStage)
    ]
    assert runner.ended == [CampaignState.DONE]


def test_a_cancelled_campaign_stops_soon_and_resumes_after_its_last_finished_stage(
    runner: CampaignRunner,
) -> None:
    first, second = ScriptedStages(train=slow), ScriptedStages()
    with runner.launched(first) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(campaign, "train")
        started = time.monotonic()
        assert campaigns.cancel(campaign).state is CampaignState.CANCELLING
        assert runner.wait_until_ended(campaign).state is CampaignState.CANCELLED
        assert time.monotonic() - started < 5
        with pytest.raises(NotNow, match="cannot be cancelled; it is cancelled"):
            campaigns.cancel(campaign)
    with runner.launched(second) as campaigns:
        campaigns.resume(campaign)
        done = runner.wait_until_ended(campaign)
    assert (done.state, done.attempt) == (CampaignState.DONE, 2)
    assert second.seen == EVERY_STAGE[EVERY_STAGE.index("train") :]


def test_a_failed_stage_gives_its_reason_and_a_resume_runs_it_again(runner: CampaignRunner) -> None:
    tries: list[int] = []

    def fails_once(work: StageWork) -> StageResult:
        tries.append(1)
        if len(tries) == 1:
            raise StageFailed("there is no replay data; add some")
        return quick(work)

    with runner.launched(ScriptedStages(train=fails_once)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        failed = runner.wait_until_ended(campaign)
        assert (failed.state, failed.reason) == (
            CampaignState.FAILED,
            "train: there is no replay data; add some",
        )
        campaigns.resume(campaign)
        assert runner.wait_until_ended(campaign).state is CampaignState.DONE
    runs = Counter({str(r.stage): r.runs for r in runner.store.stages(campaign)})
    assert runs == Counter(dict.fromkeys(EVERY_STAGE, 1)) + Counter(train=1)


def test_a_programming_error_in_a_stage_fails_the_campaign_and_not_the_cloud(runner: CampaignRunner) -> None:
    broken = []

    def breaks(work: StageWork) -> StageResult:
        if not broken:
            broken.append(work.campaign.id)
            raise KeyError("oops")
        for _ in work.polls(0.05, None):  # until it is cancelled
            continue
        raise AssertionError("a stage that is cancelled goes on")

    with runner.launched(ScriptedStages(plan=breaks)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        assert runner.wait_until_ended(campaign).reason == "plan: KeyError: 'oops'"
        good = campaigns.start(PLAN, started_by="test").id
        assert campaigns.cancel(good).state in (CampaignState.CANCELLED, CampaignState.CANCELLING)


def test_a_candidate_that_is_not_good_enough_ends_the_campaign_as_rejected(runner: CampaignRunner) -> None:
    stages = ScriptedStages(trial=lambda work: StageResult(stop="not for trial: worse at fire"))
    with runner.launched(stages) as campaigns:
        ended = runner.wait_until_ended(campaigns.start(PLAN, started_by="test").id)
        with pytest.raises(NotNow, match="cannot be resumed; it is rejected"):
            campaigns.resume(ended.id)
    assert (ended.state, ended.reason) == (CampaignState.REJECTED, "not for trial: worse at fire")
    assert stages.seen == EVERY_STAGE[: EVERY_STAGE.index("trial") + 1]


def test_the_note_of_a_stage_that_is_done_stays_with_it(runner: CampaignRunner) -> None:
    def noted(work: StageWork) -> StageResult:
        return replace(quick(work), note="not steered")

    with runner.launched(ScriptedStages(filter=noted)) as campaigns:
        ended = runner.wait_until_ended(campaigns.start(PLAN, started_by="test").id)
    notes = {str(stage.stage): stage.note for stage in runner.store.stages(ended.id)}
    assert ended.state is CampaignState.DONE
    assert notes == dict.fromkeys(EVERY_STAGE, "") | {"filter": "not steered"}


def test_a_campaign_that_waits_for_approval_starts_when_it_is_approved(runner: CampaignRunner) -> None:
    with runner.launched(ScriptedStages()) as campaigns:
        campaign = campaigns.start(PLAN, started_by="rule:night", needs_approval=True)
        assert campaign.state is CampaignState.AWAITING_APPROVAL
        campaigns.approve(campaign.id)
        assert runner.wait_until_ended(campaign.id).state is CampaignState.DONE
        with pytest.raises(NotNow, match="does not wait for approval"):
            campaigns.approve(campaign.id)


def test_a_campaign_that_is_approved_while_it_is_being_cancelled_stops_soon(
    runner: CampaignRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runner.launched(ScriptedStages(plan=slow)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="rule:night", needs_approval=True).id
        move = runner.store.move

        def approved_before(*given: Any, **more: Any) -> bool:
            monkeypatch.setattr(runner.store, "move", move)
            campaigns.approve(campaign)
            runner.wait_for_stage(campaign, "plan")
            return move(*given, **more)

        monkeypatch.setattr(runner.store, "move", approved_before)
        assert campaigns.cancel(campaign).state is CampaignState.CANCELLING
        assert runner.wait_until_ended(campaign).state is CampaignState.CANCELLED
    assert {s.state for s in runner.store.stages(campaign) if s.stage == "plan"} == {StageState.CANCELLED}


def test_campaigns_run_one_after_another(runner: CampaignRunner) -> None:
    with runner.launched(ScriptedStages(synthesise=slow)) as campaigns:
        first, second = (campaigns.start(plan, started_by="test").id for plan in (PLAN, OTHER_PLAN))
        runner.wait_for_stage(first, "synthesise")
        assert runner.store.get(second).state is CampaignState.QUEUED
        assert campaigns.cancel(second).state is CampaignState.CANCELLED
        campaigns.cancel(first)
        runner.wait_until_ended(first)


def test_a_queued_campaign_starts_from_the_model_in_service_when_its_work_begins(
    runner: CampaignRunner,
) -> None:
    runner.put_into_service(OLD, 1)
    plans = [replace(plan, incumbent_digest=OLD) for plan in (PLAN, OTHER_PLAN)]
    with runner.launched(ScriptedStages(synthesise=slow)) as campaigns:
        first, second = (campaigns.start(plan, started_by="test").id for plan in plans)
        runner.wait_for_stage(first, "synthesise")
        runner.put_into_service(NEW, 2)
        campaigns.cancel(first)
        runner.wait_for_stage(second, "synthesise")
        assert runner.store.get(second).plan.incumbent_digest == NEW
        campaigns.cancel(second)
        runner.wait_until_ended(second)
    assert runner.store.get(first).plan.incumbent_digest == OLD


def test_a_restart_keeps_the_model_that_a_campaign_started_from_until_it_comes_to_the_sites(
    runner: CampaignRunner,
) -> None:
    runner.put_into_service(OLD, 1)
    with runner.launched(ScriptedStages(train=slow)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(campaign, "train")
    runner.put_into_service(NEW, 2)
    again = ScriptedStages()
    with runner.launched(again):
        assert runner.wait_until_ended(campaign).plan.incumbent_digest == NEW
    assert again.seen == ["train", "evaluate", "trial", *EVERY_STAGE]


@pytest.mark.parametrize(
    ("cancelled_in", "incumbent", "first_again"),
    [("train", NEW, "plan"), ("roll_out", OLD, "roll_out")],
)
def test_a_resumed_campaign_starts_again_from_a_new_model_until_its_own_is_signed_for_service(
    runner: CampaignRunner, cancelled_in: str, incumbent: str, first_again: str
) -> None:
    runner.put_into_service(OLD, 1)
    with runner.launched(ScriptedStages(**{cancelled_in: slow})) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(campaign, cancelled_in)
        campaigns.cancel(campaign)
        runner.wait_until_ended(campaign)
    runner.put_into_service(NEW, 2)
    again = ScriptedStages()
    with runner.launched(again) as campaigns:
        campaigns.resume(campaign)
        done = runner.wait_until_ended(campaign)
    assert (done.plan.incumbent_digest, again.seen[0]) == (incumbent, first_again)


def test_a_clean_stop_of_the_cloud_is_no_failure_and_the_next_start_continues(runner: CampaignRunner) -> None:
    first, second = ScriptedStages(evaluate=slow), ScriptedStages()
    with runner.launched(first) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(campaign, "evaluate")
    assert runner.store.get(campaign).state is CampaignState.RUNNING
    with runner.launched(second):
        assert runner.wait_until_ended(campaign).state is CampaignState.DONE
    assert second.seen == EVERY_STAGE[EVERY_STAGE.index("evaluate") :]


def test_a_restart_of_the_cloud_does_not_extend_a_deadline_and_a_resume_sets_a_new_one(
    runner: CampaignRunner,
) -> None:
    began: list[float] = []

    def waits(work: StageWork) -> StageResult:
        began.append(work.began_at_utc)
        return slow(work)

    stages = ScriptedStages(shadow=waits)
    with runner.launched(stages) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait(campaign, lambda _: len(began) == 1)
    with runner.launched(stages) as campaigns:
        runner.wait(campaign, lambda _: len(began) == 2)
        campaigns.cancel(campaign)
        runner.wait_until_ended(campaign)
        campaigns.resume(campaign)
        runner.wait(campaign, lambda _: len(began) == 3)
        campaigns.cancel(campaign)
        runner.wait_until_ended(campaign)
    assert began[0] == began[1] < began[2]


def test_an_unknown_campaign_is_refused_in_one_sentence(runner: CampaignRunner) -> None:
    with runner.launched(ScriptedStages()) as campaigns, pytest.raises(NotKnown, match="'nope' is not known"):
        campaigns.cancel("nope")


def test_a_second_process_on_the_same_folder_is_refused(runner: CampaignRunner) -> None:
    with (
        sole_process(runner.folder),
        pytest.raises(AlreadyRunning, match="another process runs the cloud"),
        sole_process(runner.folder),
    ):
        pass


@pytest.mark.parametrize("stage", ["synthesise", "train"])
def test_after_kill_9_a_campaign_continues_at_its_last_finished_step_with_one_row_of_each(
    stage: str, runner: CampaignRunner, tmp_path: Path
) -> None:
    process = _scripted(tmp_path)
    campaign = _first_campaign(runner)
    runner.wait_for_stage(campaign, stage)
    child = _child(tmp_path, runner, campaign)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    wait_until(lambda: not _alive(child), 5.0, "the child ended with the cloud")
    again = _scripted(tmp_path)
    assert again.wait(40) == 0
    done = runner.store.get(campaign)
    assert done.state is CampaignState.DONE
    assert len(runner.store.recent()) == 1
    records = runner.store.stages(campaign)
    assert [str(r.stage) for r in records] == EVERY_STAGE
    assert {str(r.stage): r.runs for r in records} == {**dict.fromkeys(EVERY_STAGE, 1), stage: 2}
    steps = Counter((tmp_path / "steps.txt").read_text().split())
    assert steps == Counter(EVERY_STAGE) + Counter([stage])
    names = [image.name for image in runner.store.images(campaign)]
    assert sorted(names) == sorted(f"{s}-{i}" for s in ("synthesise", "train") for i in range(3))


def _scripted(data: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.support.cloud.scripted_stages", str(data)])


def _first_campaign(runner: CampaignRunner) -> str:
    wait_until(runner.store.recent, 30.0)
    return runner.store.recent()[0].id


def _child(data: Path, runner: CampaignRunner, campaign: str) -> int:
    """Process id of the child of the stage that runs now."""
    since = runner.store.stages(campaign)[-1].started_at
    path = data / "child.pid"

    def begun() -> bool:
        with contextlib.suppress(OSError, ValueError):
            return path.stat().st_mtime >= since and _alive(int(path.read_text()))
        return False

    wait_until(begun)
    return int(path.read_text())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
