"""Campaigns: stage after stage, once each, whatever is cancelled, resumed, refused or killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.workflow import Campaigns, sole_process
from cloud.errors import AlreadyRunning, NotKnown, NotNow, StageFailed
from cloud.metrics import CloudMetrics
from cloud.settings import DataFolder, sqlite_url
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import Campaign, CampaignStage, CampaignState, Release, StageState
from cloud.store.release_store import ReleaseStore
from tests.support.cloud.sample_reports import NEW, OLD
from tests.support.cloud.scripted_stages import PLAN, ScriptedStages, quick

EVERY_STAGE = [str(stage) for stage in CampaignStage]


class House:
    """One data folder with its campaigns."""

    def __init__(self, folder: Path) -> None:
        self.folder = DataFolder(folder)
        database = open_database(sqlite_url(self.folder.store))
        self.store, self.releases = CampaignStore(database), ReleaseStore(database)
        self.begun: list[str] = []
        self.ended: list[CampaignState] = []

    @contextmanager
    def running(self, stages: ScriptedStages) -> Iterator[Campaigns]:
        campaigns = Campaigns(
            self.store,
            self.releases,
            stages,
            self.folder,
            CloudMetrics(),
            on_begin=lambda campaign: self.begun.append(campaign.id),
            on_end=lambda campaign: self.ended.append(campaign.state),
        )
        with sole_process(self.folder), campaigns.launched():
            yield campaigns

    def wait(self, campaign: str, until: Callable[[Campaign], bool], timeout_s: float = 20.0) -> Campaign:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = self.store.get(campaign)
            if until(found):
                return found
            time.sleep(0.03)
        raise AssertionError(f"campaign stays {self.store.get(campaign)}")

    def ended_one(self, campaign: str) -> Campaign:
        return self.wait(campaign, lambda found: found.ended_at is not None)

    def in_stage(self, campaign: str, stage: str) -> None:
        def begun(_: Campaign) -> bool:
            return any(s.stage == stage and s.state == "running" for s in self.store.stages(campaign))

        self.wait(campaign, begun)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def slow(work: StageWork) -> StageResult:
    work.pause(30.0)
    return quick(work)


def test_a_campaign_runs_its_ten_stages_in_order_and_keeps_their_figures(house: House) -> None:
    stages = ScriptedStages()
    with house.running(stages) as campaigns:
        done = house.ended_one(campaigns.start(PLAN, started_by="test").id)
    assert done.state is CampaignState.DONE
    assert stages.seen == EVERY_STAGE
    records = house.store.stages(done.id)
    assert [(r.stage, r.state, r.runs, r.metrics["n"]) for r in records] == [
        (stage, StageState.DONE, 1, n) for n, stage in enumerate(CampaignStage)
    ]
    assert house.ended == [CampaignState.DONE]


def test_a_cancelled_campaign_stops_soon_and_resumes_after_its_last_finished_stage(house: House) -> None:
    first, second = ScriptedStages(train=slow), ScriptedStages()
    with house.running(first) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        house.in_stage(campaign, "train")
        started = time.monotonic()
        assert campaigns.cancel(campaign).state is CampaignState.CANCELLING
        assert house.ended_one(campaign).state is CampaignState.CANCELLED
        assert time.monotonic() - started < 5
        with pytest.raises(NotNow, match="cannot be cancelled; it is cancelled"):
            campaigns.cancel(campaign)
    with house.running(second) as campaigns:
        campaigns.resume(campaign)
        done = house.ended_one(campaign)
    assert (done.state, done.attempt) == (CampaignState.DONE, 2)
    assert second.seen == EVERY_STAGE[EVERY_STAGE.index("train") :]


def test_a_failed_stage_tells_why_and_a_resume_tries_it_again(house: House) -> None:
    tries: list[int] = []

    def fails_once(work: StageWork) -> StageResult:
        tries.append(1)
        if len(tries) == 1:
            raise StageFailed("there is no replay data; add some")
        return quick(work)

    with house.running(ScriptedStages(train=fails_once)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        failed = house.ended_one(campaign)
        assert (failed.state, failed.reason) == (
            CampaignState.FAILED,
            "train: there is no replay data; add some",
        )
        campaigns.resume(campaign)
        assert house.ended_one(campaign).state is CampaignState.DONE
    runs = Counter({str(r.stage): r.runs for r in house.store.stages(campaign)})
    assert runs == Counter(dict.fromkeys(EVERY_STAGE, 1)) + Counter(train=1)


def test_a_programming_error_in_a_stage_fails_the_campaign_and_not_the_cloud(house: House) -> None:
    def breaks(work: StageWork) -> StageResult:
        raise KeyError("oops")

    with house.running(ScriptedStages(plan=breaks)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        assert house.ended_one(campaign).reason == "plan: KeyError: 'oops'"
        good = campaigns.start(PLAN, started_by="test").id
        assert campaigns.cancel(good).state in (CampaignState.CANCELLED, CampaignState.CANCELLING)


def test_a_candidate_that_is_not_good_enough_ends_the_campaign_as_rejected(house: House) -> None:
    stages = ScriptedStages(trial=lambda work: StageResult(stop="not for trial: worse at fire"))
    with house.running(stages) as campaigns:
        ended = house.ended_one(campaigns.start(PLAN, started_by="test").id)
        with pytest.raises(NotNow, match="cannot be resumed; it is rejected"):
            campaigns.resume(ended.id)
    assert (ended.state, ended.reason) == (CampaignState.REJECTED, "not for trial: worse at fire")
    assert stages.seen == EVERY_STAGE[: EVERY_STAGE.index("trial") + 1]


def test_a_campaign_that_waits_for_approval_starts_when_it_is_given(house: House) -> None:
    with house.running(ScriptedStages()) as campaigns:
        campaign = campaigns.start(PLAN, started_by="rule:night", needs_approval=True)
        assert campaign.state is CampaignState.AWAITING_APPROVAL
        campaigns.approve(campaign.id)
        assert house.ended_one(campaign.id).state is CampaignState.DONE
        with pytest.raises(NotNow, match="does not wait for approval"):
            campaigns.approve(campaign.id)


def test_campaigns_run_one_after_another(house: House) -> None:
    with house.running(ScriptedStages(synthesise=slow)) as campaigns:
        first, second = (campaigns.start(PLAN, started_by="test").id for _ in range(2))
        house.in_stage(first, "synthesise")
        assert house.store.get(second).state is CampaignState.QUEUED
        assert campaigns.cancel(second).state is CampaignState.CANCELLED
        campaigns.cancel(first)
        house.ended_one(first)


def put_into_service(house: House, digest: str, version: int) -> None:
    release = Release(digest, "service", "model", version, 1, None, None, {}, 0)
    house.releases.put_release(release)


def test_a_queued_campaign_starts_from_the_model_that_serves_when_its_work_begins(house: House) -> None:
    put_into_service(house, OLD, 1)
    plan = replace(PLAN, incumbent_digest=OLD)
    with house.running(ScriptedStages(synthesise=slow)) as campaigns:
        first, second = (campaigns.start(plan, started_by="test").id for _ in range(2))
        house.in_stage(first, "synthesise")
        put_into_service(house, NEW, 2)
        campaigns.cancel(first)
        house.in_stage(second, "synthesise")
        assert house.store.get(second).plan.incumbent_digest == NEW
        campaigns.cancel(second)
        house.ended_one(second)
    assert house.store.get(first).plan.incumbent_digest == OLD


def test_a_restart_keeps_the_model_that_a_campaign_started_from(house: House) -> None:
    put_into_service(house, OLD, 1)
    with house.running(ScriptedStages(train=slow)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        house.in_stage(campaign, "train")
    put_into_service(house, NEW, 2)
    with house.running(ScriptedStages()):
        assert house.ended_one(campaign).plan.incumbent_digest == OLD


@pytest.mark.parametrize(
    ("cancelled_in", "incumbent", "first_again"),
    [("train", NEW, "plan"), ("roll_out", OLD, "roll_out")],
)
def test_a_resumed_campaign_starts_anew_from_a_new_model_until_its_own_is_signed_for_service(
    house: House, cancelled_in: str, incumbent: str, first_again: str
) -> None:
    put_into_service(house, OLD, 1)
    with house.running(ScriptedStages(**{cancelled_in: slow})) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        house.in_stage(campaign, cancelled_in)
        campaigns.cancel(campaign)
        house.ended_one(campaign)
    put_into_service(house, NEW, 2)
    again = ScriptedStages()
    with house.running(again) as campaigns:
        campaigns.resume(campaign)
        done = house.ended_one(campaign)
    assert (done.plan.incumbent_digest, again.seen[0]) == (incumbent, first_again)


def test_a_clean_stop_of_the_cloud_is_no_failure_and_the_next_start_goes_on(house: House) -> None:
    first, second = ScriptedStages(evaluate=slow), ScriptedStages()
    with house.running(first) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        house.in_stage(campaign, "evaluate")
    assert house.store.get(campaign).state is CampaignState.RUNNING
    with house.running(second):
        assert house.ended_one(campaign).state is CampaignState.DONE
    assert second.seen == EVERY_STAGE[EVERY_STAGE.index("evaluate") :]


def test_a_restart_of_the_cloud_does_not_extend_a_deadline_and_a_resume_sets_a_new_one(house: House) -> None:
    began: list[float] = []

    def waits(work: StageWork) -> StageResult:
        began.append(work.began_at_utc)
        return slow(work)

    stages = ScriptedStages(shadow=waits)
    with house.running(stages) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        house.wait(campaign, lambda _: len(began) == 1)
    with house.running(stages) as campaigns:
        house.wait(campaign, lambda _: len(began) == 2)
        campaigns.cancel(campaign)
        house.ended_one(campaign)
        campaigns.resume(campaign)
        house.wait(campaign, lambda _: len(began) == 3)
        campaigns.cancel(campaign)
        house.ended_one(campaign)
    assert began[0] == began[1] < began[2]


def test_an_unknown_campaign_is_refused_in_one_sentence(house: House) -> None:
    with house.running(ScriptedStages()) as campaigns, pytest.raises(NotKnown, match="'nope' is not known"):
        campaigns.cancel("nope")


def test_a_second_process_on_the_same_folder_is_refused(house: House) -> None:
    with (
        sole_process(house.folder),
        pytest.raises(AlreadyRunning, match="another process runs the cloud"),
        sole_process(house.folder),
    ):
        pass


@pytest.mark.parametrize("stage", ["synthesise", "train"])
def test_after_kill_9_a_campaign_goes_on_at_its_last_finished_step_with_one_row_of_each(
    stage: str, house: House, tmp_path: Path
) -> None:
    process = _scripted(tmp_path)
    campaign = _first_campaign(house)
    house.in_stage(campaign, stage)
    child = _child(tmp_path, house, campaign)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert _gone(child), "the heavy step outlived the cloud"
    again = _scripted(tmp_path)
    assert again.wait(40) == 0
    done = house.store.get(campaign)
    assert done.state is CampaignState.DONE
    assert len(house.store.recent()) == 1
    records = house.store.stages(campaign)
    assert [str(r.stage) for r in records] == EVERY_STAGE
    assert {str(r.stage): r.runs for r in records} == {**dict.fromkeys(EVERY_STAGE, 1), stage: 2}
    steps = Counter((tmp_path / "steps.txt").read_text().split())
    assert steps == Counter(EVERY_STAGE) + Counter([stage])
    names = [image.name for image in house.store.images(campaign)]
    assert sorted(names) == sorted(f"{s}-{i}" for s in ("synthesise", "train") for i in range(3))


def _scripted(data: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.support.cloud.scripted_stages", str(data)])


def _first_campaign(house: House, timeout_s: float = 30.0) -> str:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = house.store.recent()
        if found:
            return found[0].id
        time.sleep(0.05)
    raise AssertionError("the campaign never began")


def _child(data: Path, house: House, campaign: str) -> int:
    """Process id of the child of the stage that runs now."""
    since = house.store.stages(campaign)[-1].started_at
    end = time.monotonic() + 20
    while time.monotonic() < end:
        path = data / "child.pid"
        with contextlib.suppress(OSError, ValueError):
            if path.stat().st_mtime >= since and _alive(pid := int(path.read_text())):
                return pid
        time.sleep(0.02)
    raise AssertionError("the child process never began")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def _gone(pid: int, timeout_s: float = 5.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if _alive(pid):
                time.sleep(0.02)
                continue
        return True
    return False
