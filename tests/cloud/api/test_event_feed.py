"""Live events: one reader for all viewers, no gap after a lost connection, nothing of hidden sites."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cloud.api import event_feed
from cloud.api.client import RemoteCloud
from cloud.api.event_feed import EventFeed, changes, wants
from cloud.store.history.change_marks import Changeable, Marks
from messaging.api.events import EventKind
from tests.support.cloud.filled_cloud import FilledCloud

NORTH = Changeable(EventKind.SITE, "north", "north")
SOUTH = Changeable(EventKind.SITE, "south", "south")
CAMPAIGN = Changeable(EventKind.CAMPAIGN, "C1")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "POLL_S", 0.01)


class Source:
    """Marks that a test changes; counts its readings."""

    def __init__(self) -> None:
        self.marks: dict[Changeable, tuple[object, ...]] = {NORTH: (1,), SOUTH: (1,), CAMPAIGN: (1,)}
        self.readings = 0

    def read(self) -> Marks:
        self.readings += 1
        return dict(self.marks)

    async def settled(self) -> None:
        """The reader has seen the marks as they are."""
        before = self.readings
        while self.readings < before + 2:
            await asyncio.sleep(0.005)


async def following(stream: AsyncIterator[str]) -> tuple[str, str]:
    """Id of the next event, and the id of its object."""
    while True:
        text = await asyncio.wait_for(anext(stream), 10)
        if text.startswith("id: "):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            return lines["id"], json.loads(lines["data"])["id"]


def test_what_is_new_or_different_has_changed_and_nothing_at_the_first_reading() -> None:
    assert changes(None, {NORTH: (1,)}) == []
    assert changes({NORTH: (1,), SOUTH: (1,)}, {NORTH: (2,), CAMPAIGN: (1,)}) == [NORTH, CAMPAIGN]


def test_a_viewer_gets_its_kinds_and_no_hidden_site() -> None:
    assert [wants((), None)(what) for what in (NORTH, CAMPAIGN)] == [True, True]
    assert [wants((), {"north"})(what) for what in (NORTH, SOUTH, CAMPAIGN)] == [True, False, True]
    assert [wants((EventKind.CAMPAIGN,), None)(what) for what in (NORTH, CAMPAIGN)] == [False, True]


async def watch_and_return(source: Source) -> None:
    feed = EventFeed(source.read)
    everything = wants((), None)
    first, second = feed.stream(everything, None), feed.stream(wants((), {"north"}), None)
    assert (await anext(first), await anext(second)) == (": events follow\n\n",) * 2
    await source.settled()
    source.marks |= {SOUTH: (2,), NORTH: (2,)}
    seen, name = await following(first)
    assert {name, (await following(first))[1]} == {"north", "south"}
    assert (await following(second))[1] == "north"
    await first.aclose()
    source.marks[CAMPAIGN] = (2,)
    assert (await following(second))[1] == "C1"
    again = feed.stream(everything, seen)
    await anext(again)
    assert {(await following(again))[1], (await following(again))[1]} == {"north", "south", "C1"} - {name}
    for unknown in ("other-1", f"{seen.partition('-')[0]}-99", "junk"):
        lost = feed.stream(everything, unknown)
        assert "event: reset" in await anext(lost)
        await lost.aclose()
    await again.aclose()
    await second.aclose()
    readings = source.readings
    await asyncio.sleep(0.1)
    assert source.readings <= readings + 1, "without a viewer nothing is read"


def test_two_viewers_see_changes_and_one_that_comes_back_misses_none() -> None:
    asyncio.run(watch_and_return(Source()))


async def many(source: Source) -> int:
    feed = EventFeed(source.read)
    streams = [feed.stream(wants((), None), None) for _ in range(50)]
    for stream in streams:
        await anext(stream)
    await source.settled()
    before = source.readings
    source.marks[NORTH] = (2,)
    for stream in streams:
        assert (await following(stream))[1] == "north"
    readings = source.readings - before
    for stream in streams:
        await stream.aclose()
    return readings


def test_fifty_viewers_cost_the_readings_of_one() -> None:
    assert asyncio.run(many(Source())) < 50


def test_a_running_cloud_sends_what_has_changed(tmp_path: Path) -> None:
    cloud = FilledCloud(tmp_path / "data")
    cloud.fill()
    cloud.start()
    url = json.loads(cloud.folder.address.read_text())["url"]
    headers = {"Authorization": f"Bearer {cloud.token}"}
    with httpx.stream(
        "GET", f"{url}/api/v1/events?kind=site", headers=headers, timeout=20, trust_env=False
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": events follow"
        cloud.hazard("fire", 5, began_s=1)
        cloud.reports.quarantine_site("south", True)
        data = next(line for line in lines if line.startswith("data: "))
        assert json.loads(data.removeprefix("data: ")) == {"kind": "site", "id": "south", "site": "south"}
    cloud.close()


def test_the_client_of_the_command_line_follows_what_changes(tmp_path: Path) -> None:
    cloud = FilledCloud(tmp_path / "data")
    cloud.fill()
    cloud.start()
    change = threading.Timer(1.0, cloud.reports.quarantine_site, ("south", True))
    change.start()
    with RemoteCloud.of_folder(cloud.folder.root) as client:
        event = next(client.live([EventKind.SITE]))
    assert (event.kind, event.id, event.site) == (EventKind.SITE, "south", "south")
    change.join()
    cloud.close()
