"""DBOS's database and executor id: made again where nothing is lost, otherwise one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.workflow import Campaigns
from cloud.campaigns.workflow_database import executor_id
from cloud.errors import StoreUnavailable
from cloud.metrics import CloudMetrics
from cloud.settings import DataFolder
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import CampaignState
from cloud.store.release_store import ReleaseStore
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.scripted_stages import PLAN, ScriptedStages, quick
from tests.support.waiting import wait_until


def _campaigns(
    folder: DataFolder, train: Callable[[StageWork], StageResult] = quick
) -> tuple[Campaigns, CampaignStore]:
    database = open_database(sqlite_url(folder.store))
    store = CampaignStore(database)
    return Campaigns(
        store, ReleaseStore(database), ScriptedStages(train=train), folder, CloudMetrics()
    ), store


def _runs_a_campaign(folder: DataFolder) -> None:
    campaigns, store = _campaigns(folder)
    with sole_process(folder), campaigns.launched():
        started = campaigns.start(PLAN, started_by="test")
        wait_until(lambda: store.get(started.id).ended_at is not None, 20)
        assert store.get(started.id).state is CampaignState.DONE


@pytest.mark.parametrize("name", ["a?x=1", "50%", "a b#c", "ünï[x]", "two\nlines"])
def test_the_workflow_database_is_made_where_its_path_says(tmp_path: Path, name: str) -> None:
    _runs_a_campaign(DataFolder(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "workflows.sqlite").stat().st_size > 0


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough " * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_workflow_database_that_is_none_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    folder = DataFolder(tmp_path)
    folder.workflows.write_bytes(content)
    campaigns, _ = _campaigns(folder)
    sentence = (
        r"workflow database .*workflows.sqlite cannot be opened \(.*\); restore it from a backup, or remove"
    )
    with sole_process(folder), pytest.raises(StoreUnavailable, match=sentence), campaigns.launched():
        pass
    assert folder.workflows.read_bytes() == content


def test_an_emptied_workflow_database_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = DataFolder(tmp_path)
    folder.workflows.touch()
    _runs_a_campaign(folder)
    assert "is empty and is made again" in caplog.text


@pytest.mark.parametrize("content", [b"", b"  \n", b"cloud-1", b"\xff\xfe\0", b"{}"])
def test_a_damaged_executor_id_is_made_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "executor_id"
    path.write_bytes(content)
    found = executor_id(path)
    assert found.startswith("cloud-")
    assert executor_id(path) == found
    assert "made again" in caplog.text


@pytest.mark.parametrize("emptied", ["executor_id", "workflows.sqlite"])
def test_a_campaign_under_way_continues_although_a_state_file_was_emptied(
    tmp_path: Path, emptied: str
) -> None:
    def hold(work: StageWork) -> StageResult:
        while True:
            work.pause(0.1)

    folder = DataFolder(tmp_path)
    campaigns, store = _campaigns(folder, hold)
    with sole_process(folder), campaigns.launched():
        started = campaigns.start(PLAN, started_by="test").id
        wait_until(lambda: any(s.stage == "train" and s.state == "running" for s in store.stages(started)))
    assert store.get(started).state is CampaignState.RUNNING
    (tmp_path / emptied).write_bytes(b"")
    for journal in tmp_path.glob(f"{emptied}-*"):
        journal.unlink()
    campaigns, store = _campaigns(folder)
    with sole_process(folder), campaigns.launched():
        wait_until(lambda: store.get(started).ended_at is not None, 20)
    assert store.get(started).state is CampaignState.DONE
    assert {row.stage: row.runs for row in store.stages(started)}["synthesise"] == 1
