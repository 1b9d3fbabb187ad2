"""Background tasks go on after failures, and what they cannot do now is a sentence."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cloud.api.client import RemoteCloud
from cloud.background import BackgroundTasks
from cloud.errors import StoreUnavailable
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from messaging.resources import OverviewResource
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.waiting import eventually, wait_until


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (StoreUnavailable("store x does not respond"), "store x does not respond"),
        (OSError(28, "No space left on device", "/data/x"), "/data/x: No space left on device"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_task_that_fails_is_counted_shown_and_tried_again(error: Exception, sentence: str) -> None:
    failed: list[str] = []
    errors = [error, error]
    rounds = 0

    def step() -> None:
        nonlocal rounds
        rounds += 1
        if errors:
            raise errors.pop()

    async def scenario() -> None:
        stop = asyncio.Event()
        tasks = BackgroundTasks(stop, on_failure=failed.append, first_s=0.05, max_s=0.1)
        running = asyncio.create_task(tasks.repeat_in_thread("rollouts", 0.01, step))
        await eventually(lambda: bool(failed))
        assert tasks.faults()[0].startswith(f"rollouts fails and is tried again: {sentence}")
        await eventually(lambda: rounds > 3)
        assert tasks.faults() == ()
        stop.set()
        await asyncio.wait_for(running, 5)

    asyncio.run(scenario())
    assert failed == ["rollouts", "rollouts"]


def test_a_task_without_trouble_has_no_fault_before_its_first_success() -> None:
    async def scenario() -> None:
        stop, begun = asyncio.Event(), asyncio.Event()

        async def step() -> None:
            begun.set()
            await stop.wait()

        tasks = BackgroundTasks(stop)
        running = asyncio.create_task(tasks.repeat("intake", 1.0, step))
        await asyncio.wait_for(begun.wait(), 5)
        assert tasks.faults() == ()
        stop.set()
        await asyncio.wait_for(running, 5)

    asyncio.run(scenario())


def test_the_cloud_shows_a_task_that_fails_and_is_ready_again_afterwards(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path, api=ApiSettings(port=0))
    with running_cloud(settings, lambda _: ScriptedStages()) as up, up.client() as client:
        wait_until(lambda: _ready(client))
        _execute(settings, "ALTER TABLE rollouts RENAME TO elsewhere")
        wait_until(lambda: "rollouts fails and is tried again: store " in str(_reasons(client)))
        metrics = httpx.get(f"{client.url}/metrics", trust_env=False).text
        assert 'blindspot_cloud_task_failures_total{task="rollouts"}' in metrics
        _execute(settings, "ALTER TABLE elsewhere RENAME TO rollouts")
        wait_until(lambda: _ready(client), 60)
        assert client.get("overview", OverviewResource).faults == ()


def _execute(settings: CloudSettings, statement: str) -> None:
    with closing(sqlite3.connect(settings.folder.store, timeout=30)) as connection:
        connection.execute(statement)


def _reasons(client: RemoteCloud) -> list[str]:
    reasons: list[str] = httpx.get(f"{client.url}/readyz", trust_env=False).json()["reasons"]
    return reasons


def _ready(client: RemoteCloud) -> bool:
    return httpx.get(f"{client.url}/readyz", trust_env=False).status_code == 200
