"""What the hub keeps: nothing that is not committed is deleted, and no site fills it for the others."""

import asyncio
import time
from pathlib import Path

import pytest

from cloud.fleet.hub_retention import HubRetention
from messaging.errors import WireFull
from messaging.memory_bus import MemoryBus
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import FLEET_REPORTS, report_subject
from tests.support.brokers import running_hub
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import message, misdetection, new_id, open_store
from tests.support.messaging.samples import HAZARD
from tests.support.messaging.site_keys import publish_signed, show_key

GRACE_S = 100.0
QUOTA = 20


class Hub:
    """A hub in memory, its intake and its retention, on the test's clock."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.bus = MemoryBus(clock=lambda: self.now_s)
        self.intake = intake_of(self.bus, open_store(folder)[0])
        self.retention = HubRetention(
            self.bus, self.intake, lambda: self.now_s, grace_s=GRACE_S, reports_per_kind=QUOTA
        )

    async def send(self, count: int = 1, site: str = "harbour") -> None:
        for _ in range(count):
            one = message(misdetection(), site)
            await publish_signed(self.bus, one)

    async def kept(self) -> int:
        return (await self.bus.stream_state(FLEET_REPORTS)).messages


def test_what_is_committed_is_deleted_after_the_grace_time_and_nothing_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        hub = Hub(tmp_path)
        await prepare_hub(hub.bus)
        await hub.send(3)
        await hub.retention.step()
        await hub.intake.read_batch(timeout_s=0.0)
        await hub.retention.step()
        await hub.send(2)
        hub.now_s = GRACE_S - 1
        await hub.retention.step()
        assert await hub.kept() == 5
        hub.now_s = GRACE_S
        await hub.retention.step()
        assert await hub.kept() == 2
        hub.now_s = 10 * GRACE_S
        await hub.retention.step()
        assert await hub.kept() == 2, "two are not committed, however old they are"
        assert (await hub.intake.read_batch(timeout_s=0.0)).new == 2

    asyncio.run(scenario())


def test_a_site_that_sends_a_lot_makes_room_for_itself_as_soon_as_it_is_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        hub = Hub(tmp_path)
        await prepare_hub(hub.bus, reports_per_kind=QUOTA)
        await hub.send(QUOTA)
        with pytest.raises(WireFull):
            await hub.send()
        await hub.send(1, site="tunnel")
        await hub.intake.read_batch(timeout_s=0.0)
        await hub.retention.step()
        assert await hub.kept() == 1, "of the others nothing is deleted before its time"
        await hub.send()

    asyncio.run(scenario())


def test_what_an_earlier_hub_had_committed_deletes_nothing_from_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        hub = Hub(tmp_path)
        await prepare_hub(hub.bus)
        await hub.send(9)
        await hub.intake.read_batch(timeout_s=0.0)
        await hub.retention.step()
        another = MemoryBus(clock=lambda: hub.now_s)
        await prepare_hub(another)
        hub.bus = hub.retention.bus = another
        await hub.send(4)
        hub.now_s = 2 * GRACE_S
        await hub.retention.step()
        assert await hub.kept() == 4

    asyncio.run(scenario())


@pytest.mark.broker
def test_a_site_that_floods_a_real_hub_with_junk_leaves_the_others_their_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        with running_hub(tmp_path) as hub:
            links = (hub.cloud_link(), hub.gate_link("s1"), hub.gate_link("s2"))
            cloud, flooder, other = [await NatsBus.connect(link, timeout_s=30.0) for link in links]
            await prepare_hub(cloud, max_bytes=2**20, reports_per_kind=QUOTA)
            await show_key(flooder, "s1")
            refused = 0
            for _ in range(150):  # 1.2 MB for a stream of 1 MiB
                try:
                    subject = report_subject("s1", "misdetection", new_id())
                    await flooder.publish(subject, bytes(8000), message_id=new_id())
                except WireFull:
                    refused += 1
            assert refused == 150 - QUOTA
            for bus, site in ((other, "s2"), (flooder, "s1")):
                hazard = message(HAZARD, site, at=int(time.time()))
                await publish_signed(bus, hazard)
            intake = intake_of(cloud, open_store(tmp_path / "cloud")[0])
            while (await intake.read_batch(timeout_s=0.2)).refused:
                pass
            await HubRetention(cloud, intake, time.monotonic, reports_per_kind=QUOTA).step()
            left = await cloud.messages_by_subject(FLEET_REPORTS)
            assert left == {"site.s1.report.hazard": 1, "site.s2.report.hazard": 1}
            for bus in (cloud, flooder, other):
                await bus.close()

    asyncio.run(scenario())
