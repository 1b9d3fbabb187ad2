"""Live events of a real API reach the pages' process at once, also after the cloud was away."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboards.access import live_events
from dashboards.access.cloud_transport import CloudTransport
from dashboards.access.live_events import LiveEvents
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.waiting import eventually

HOUR_S = 3600.0


@contextmanager
def _started(folder: Path) -> Iterator[FilledCloud]:
    cloud = FilledCloud(folder)
    cloud.beat()
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.close()


@asynccontextmanager
async def _followed(folder: Path) -> Any:
    """The list that gets an entry at every change."""
    seen: list[float] = []
    loop = asyncio.get_running_loop()
    transport = CloudTransport(folder)
    events = LiveEvents(transport, lambda: seen.append(loop.time()))
    task = asyncio.create_task(events.follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await transport.close()


def test_a_hazard_is_a_change_and_nothing_is_none(tmp_path: Path) -> None:
    async def scenario(cloud: FilledCloud) -> None:
        async with _followed(cloud.folder.root) as seen:
            await eventually(lambda: len(seen) == 1, what="the stream is open, which is one change")
            await asyncio.sleep(1.0)
            assert len(seen) == 1
            await asyncio.to_thread(cloud.hazard, "flood", 4, began_s=1)
            await eventually(lambda: len(seen) == 2, what="the hazard is a change")

    with _started(tmp_path / "data") as cloud:
        asyncio.run(scenario(cloud))


def test_many_events_at_once_are_one_change_now_and_one_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_events, "PACE_S", HOUR_S)

    async def scenario() -> None:
        seen: list[int] = []
        events = LiveEvents(CloudTransport(tmp_path), lambda: seen.append(1))
        for _ in range(100):
            events._state_change()
        assert len(seen) == 1

    asyncio.run(scenario())


def test_a_cloud_that_was_away_is_followed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_events, "RETRY_S", 0.1)

    async def scenario() -> None:
        async with _followed(tmp_path / "data") as seen:
            await asyncio.sleep(0.3)
            assert seen == []
            with _started(tmp_path / "data") as cloud:
                await eventually(lambda: seen, what="the cloud is there")
                await asyncio.to_thread(cloud.hazard, "flood", 4, began_s=1)
                await eventually(lambda: len(seen) > 1, what="the hazard is a change")

    asyncio.run(scenario())
