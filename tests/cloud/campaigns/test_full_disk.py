"""A campaign on a full disk waits and continues when there is room again, without a restart of the cloud."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.workflow import Campaigns
from cloud.store.records import Campaign, CampaignStage, CampaignState
from messaging.runtime.atomic_files import write_atomically
from tests.cloud.campaigns.test_workflow import EVERY_STAGE
from tests.support.cloud.scripted_stages import PLAN, CampaignRunner, ScriptedStages, quick
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8) as disk:
        yield disk


def _attended(campaigns: Campaigns, ended: Callable[[], bool]) -> None:
    """Call what the cloud calls regularly, until the campaign has ended."""
    stop = threading.Event()

    def restart_dead() -> None:
        while not stop.wait(0.3):
            campaigns.restart_dead()

    thread = threading.Thread(target=restart_dead)
    thread.start()
    try:
        wait_until(ended, 60.0, "the campaign has ended")
    finally:
        stop.set()
        thread.join()


def _ended(runner: CampaignRunner, campaign: str) -> Campaign:
    found = runner.store.get(campaign)
    assert found.state is CampaignState.DONE, found.reason
    return found


def test_a_stage_whose_files_find_no_room_is_run_again(
    disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    runner, met = CampaignRunner(disk.folder / "data"), threading.Event()

    def train(work: StageWork) -> StageResult:
        if not met.is_set():
            met.set()
            disk.fill(leave_bytes=2**18)  # the database still has room
        write_atomically(work.folder / "weights", b"w" * 2**20)
        return quick(work)

    stages = ScriptedStages(train=train)
    with runner.launched(stages) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        wait_until(lambda: "waits for room" in caplog.text, 30.0, "the stage waits")
        assert runner.store.get(campaign).state is CampaignState.RUNNING
        disk.make_room()
        _attended(campaigns, lambda: runner.store.get(campaign).ended_at is not None)
    assert _ended(runner, campaign).attempt == 1
    assert Counter(stages.seen) - Counter(EVERY_STAGE) == Counter(train=stages.seen.count("train") - 1)


def test_an_attempt_that_dies_because_its_own_database_has_no_room_is_replaced(disk: SmallDisk) -> None:
    """The attack: the disk fills up during a stage, so that no database takes what becomes of it."""
    runner, full = CampaignRunner(disk.folder / "data"), threading.Event()

    def train(work: StageWork) -> StageResult:
        if not full.is_set():
            disk.fill()
            full.set()
        return quick(work)

    stages = ScriptedStages(train=train)
    with runner.launched(stages) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        assert full.wait(30.0)
        threading.Event().wait(4.0)
        assert runner.store.get(campaign).state is CampaignState.RUNNING
        disk.make_room()
        _attended(campaigns, lambda: runner.store.get(campaign).ended_at is not None)
        after = campaigns.start(PLAN, started_by="test").id
        wait_until(lambda: runner.store.get(after).ended_at is not None, 30.0, "the queue is free")
    _ended(runner, campaign)
    done = {row.stage: row.runs for row in runner.store.stages(campaign)}
    assert {stage: runs for stage, runs in done.items() if stage is not CampaignStage.TRAIN} == {
        stage: 1 for stage in CampaignStage if stage is not CampaignStage.TRAIN
    }


def test_an_attempt_without_a_workflow_is_replaced(tmp_path: Path) -> None:
    """DBOS's thread is gone and its database states that it is pending: nothing would ever go on."""
    runner, leave = CampaignRunner(tmp_path), threading.Event()

    def train(work: StageWork) -> StageResult:
        if not leave.is_set():
            leave.set()
            raise SystemExit("the thread ends here")
        return quick(work)

    with runner.launched(ScriptedStages(train=train)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        assert leave.wait(30.0)
        _attended(campaigns, lambda: runner.store.get(campaign).ended_at is not None)
    assert _ended(runner, campaign).attempt == 2
