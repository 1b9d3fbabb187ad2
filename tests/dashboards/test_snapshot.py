"""The snapshot of all viewers: read seldom, and kept beside the error while the cloud is lost."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards.client import CloudClient
from dashboards.snapshot import SnapshotCache
from messaging.cloud_address import CloudAddress

OVERVIEW = {
    "sites": 0, "sites_online": 0, "hazards_in_24_h": 0, "open_failure_modes": 0, "campaigns_running": 0,
    "sites_on_current_model": 0, "current_model": None,
}  # fmt: skip
CAMPAIGN: dict[str, Any] = {
    "id": "C1", "state": "running", "reason": "", "started_by": "operator", "modes": ["m"], "count": 4,
    "seed": None, "attempt": 0, "incumbent_digest": None, "candidate_digest": None, "created_at": 0,
    "updated_at": 0, "ended_at": None, "stages": [], "images_kept": 1, "images_refused": {},
}  # fmt: skip


class Cloud:
    """A cloud that can be lost, change its address and have more images."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lost, self.requests = folder, False, list[str]()
        self.campaigns = [dict(CAMPAIGN)]
        self.now = 1000.0
        (folder / "token").write_text("t" * 43)
        self.move_to(1)

    def move_to(self, port: int) -> None:
        (self.folder / "api.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.url.port}{request.url.path.removeprefix('/api/v1')}")
        if self.lost:
            raise httpx.ConnectError("refused")
        if request.url.path.endswith("/overview"):
            return httpx.Response(200, json=OVERVIEW)
        if request.url.path.endswith("/campaigns"):
            return httpx.Response(200, json={"items": self.campaigns})
        return httpx.Response(200, json={"items": []})

    def connect(self, address: CloudAddress) -> CloudClient:
        return CloudClient(address, transport=httpx.MockTransport(self.answer))

    def cache(self) -> SnapshotCache:
        return SnapshotCache(self.folder, connect=self.connect, clock=lambda: self.now)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_many_viewers_within_two_seconds_read_the_cloud_once(cloud: Cloud) -> None:
    async def view() -> None:
        cache = cloud.cache()
        await asyncio.gather(*(cache.current() for _ in range(20)))
        await cache.close()

    asyncio.run(view())
    assert cloud.requests.count("1/overview") == 1


def test_a_lost_cloud_leaves_the_last_snapshot_and_an_error(cloud: Cloud) -> None:
    async def view() -> None:
        cache = cloud.cache()
        before = await cache.current()
        cloud.lost, cloud.now = True, 1010.0
        after = await cache.current()
        await cache.close()
        assert before.error is None
        assert after.snapshot is before.snapshot
        assert "does not answer (ConnectError)" in (after.error or "")

    asyncio.run(view())


def test_a_cloud_that_returns_at_another_address_is_found_again(cloud: Cloud) -> None:
    async def view() -> None:
        cache = cloud.cache()
        await cache.current()
        cloud.lost, cloud.now = True, 1010.0
        await cache.current()
        cloud.move_to(2)
        cloud.lost, cloud.now = False, 1020.0
        state = await cache.current()
        await cache.close()
        assert state.error is None

    asyncio.run(view())
    assert cloud.requests[-1].startswith("2/")


def test_a_clock_that_is_set_back_does_not_stop_the_page(cloud: Cloud) -> None:
    async def view() -> None:
        cache = cloud.cache()
        await cache.current()
        cloud.now = 10.0
        await cache.current()
        await cache.close()

    asyncio.run(view())
    assert cloud.requests.count("1/overview") == 2


def test_images_are_read_again_only_when_their_number_has_changed(cloud: Cloud) -> None:
    async def view() -> None:
        cache = cloud.cache()
        for now, kept in ((1000.0, 1), (1010.0, 1), (1020.0, 2)):
            cloud.now = now
            cloud.campaigns[0]["images_kept"] = kept
            await cache.current()
        await cache.close()

    asyncio.run(view())
    assert cloud.requests.count("1/campaigns/C1/images") == 2
