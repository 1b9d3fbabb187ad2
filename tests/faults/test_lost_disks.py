"""A disk is lost with everything on it: no acknowledged report is lost, and none is counted twice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from ulid import ULID

from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import FLEET_REPORTS, SITE_STREAMS, report_subject
from messaging.wire_format.codec import Message, encode, kind_of
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids
from tests.support.edge.ledger_counts import report_entries
from tests.support.faults.fleet import CloudIntake, FaultInjector
from tests.support.messaging.samples import HAZARD, MISDETECTION
from tests.support.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

LIMIT_S = 60.0


class Fleet:
    """A site with its gate, and the hub; the cloud's intake runs when the test says so."""

    def __init__(self, folder: Path, hub: Hub, site: Site, site_bus: NatsBus) -> None:
        self._folder, self._hub, self._site, self._site_bus = folder, hub, site, site_bus
        self._settings = settings = gate_settings(hub, site, folder, receipt_timeout_s=2.0)
        self.ledger = settings.data_folder / "ledger"
        self.injector = FaultInjector(hub, site, settings, folder)
        self.sent: list[str] = []

    @property
    def leaving(self) -> list[str]:
        """The ids under which the gate sends what was reported."""
        return outgoing_ids(self._settings, self.sent)

    async def report(self, count: int) -> None:
        """The node publishes hazards and misdetections in turn."""
        node = await NatsBus.connect(self._site.node_link(), timeout_s=30.0)
        now = int(time.time())
        hazard = HAZARD.model_copy(update={"started_at_utc": now, "at_utc": now})
        misdetection = MISDETECTION.model_copy(update={"minute_utc": now // 60 * 60})
        for n in range(count):
            message = Message(str(ULID()), self._site.name, now, misdetection if n % 2 else hazard)
            subject = report_subject(self._site.name, kind_of(message.report), message.id)
            await node.publish(subject, encode(message), message_id=message.id)
            self.sent.append(message.id)
        await node.close()

    async def at_hub(self, count: int) -> None:
        """Wait until the hub has so many reports."""
        bus = await NatsBus.connect(self._hub.cloud_link())
        await prepare_hub(bus)
        await _until(lambda: _messages(bus, FLEET_REPORTS), count)
        await bus.close()

    async def stored(self, database: str, count: int) -> list[str]:
        """Run intake until so many reports are stored and the site keeps none; ids in the database."""
        cloud, stop = CloudIntake(self._folder / database, self._hub), asyncio.Event()
        running = asyncio.create_task(cloud.run(stop))
        try:
            await eventually(lambda: cloud.stored >= count, LIMIT_S, f"{count} reports are stored")
            await _until(lambda: _messages(self._site_bus, *SITE_STREAMS.values()), 0)
        finally:
            stop.set()
            await running
        ids = cloud.ids()
        cloud.close()
        return ids


async def _messages(bus: NatsBus, *streams: str) -> int:
    return sum([(await bus.stream_state(stream)).messages for stream in streams])


async def _until(count: Callable[[], Awaitable[int]], wanted: int) -> None:
    end = time.monotonic() + LIMIT_S
    while (found := await count()) != wanted:
        assert time.monotonic() < end, f"{found} messages instead of {wanted}"
        await asyncio.sleep(0.1)


def play(folder: Path, scenario: Callable[[Fleet], Awaitable[None]]) -> None:
    async def whole(hub: Hub, site: Site) -> None:
        cloud = await NatsBus.connect(hub.cloud_link())
        site_bus = await NatsBus.connect(site.gate_link())
        await prepare_hub(cloud)
        await prepare_site(site_bus, site.name)
        fleet = Fleet(folder, hub, site, site_bus)
        try:
            await scenario(fleet)
        finally:
            fleet.injector.stop()
            await cloud.close()
            await site_bus.close()
        listed = report_entries(fleet.ledger)
        assert sum(listed.values()) == len(fleet.sent), "one entry for each report"

    with running_hub(folder) as hub, running_site(folder, "s1") as site:
        asyncio.run(whole(hub, site))


def test_a_hub_that_loses_its_disk_before_intake_loses_no_acknowledged_report(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet) -> None:
        await fleet.report(40)
        await fleet.at_hub(40)
        fleet.injector.replace_hub()
        assert sorted(await fleet.stored("one.sqlite", 40)) == sorted(fleet.leaving)

    play(tmp_path, scenario)


def test_a_hub_that_loses_its_disk_later_loses_only_what_is_committed(tmp_path: Path) -> None:
    """Part is committed, part is at the hub only, and more comes after the loss."""

    async def scenario(fleet: Fleet) -> None:
        await fleet.report(20)
        await fleet.stored("one.sqlite", 20)
        await fleet.report(20)
        await fleet.at_hub(40)
        fleet.injector.replace_hub()
        await fleet.report(10)
        assert sorted(await fleet.stored("one.sqlite", 50)) == sorted(fleet.leaving)

    play(tmp_path, scenario)


def test_a_database_that_is_lost_is_filled_again_from_the_hub_and_the_sites(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet) -> None:
        await fleet.report(20)
        await fleet.stored("one.sqlite", 20)
        await fleet.report(10)
        await fleet.at_hub(30)
        assert sorted(await fleet.stored("two.sqlite", 30)) == sorted(fleet.leaving)

    play(tmp_path, scenario)
