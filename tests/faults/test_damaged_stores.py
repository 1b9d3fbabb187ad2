"""The files of a stream are damaged while its broker is down: nothing is silent, nothing is counted twice."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from ulid import ULID

from edge.gate.lost_messages import LOST_FILE
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import FLEET_REPORTS, SITE_STREAMS, report_subject
from messaging.wire_format.codec import Lane, Message, encode, kind_of
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids, start_gate, status_of
from tests.support.faults.fleet import CloudIntake
from tests.support.messaging.damaged_stores import DAMAGE, damage
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

LIMIT_S = 60.0
STREAM = SITE_STREAMS[Lane.HAZARDS]


class Fleet:
    """A site with its broker, and the hub; gate and intake run while the test says so."""

    def __init__(self, folder: Path, hub: Hub, site: Site) -> None:
        self.folder, self.hub, self.site = folder, hub, site
        self.settings = gate_settings(hub, site, folder, receipt_timeout_s=2.0)
        self.sent: list[str] = []
        self.safe: list[str] = []  # what no damage may lose

    @property
    def lost(self) -> int:
        """What the gate states that the site's broker has lost."""
        return int(status_of(self.settings).get("lost_at_site", {}).get(STREAM, 0))

    async def prepare(self) -> None:
        cloud = await NatsBus.connect(self.hub.cloud_link())
        site = await NatsBus.connect(self.site.gate_link())
        await prepare_hub(cloud)
        await prepare_site(site, self.site.name)
        await cloud.close()
        await site.close()

    async def report(self, count: int) -> list[str]:
        """The node publishes hazards; their ids, when the site's broker has acknowledged them."""
        node = await NatsBus.connect(self.site.node_link(), timeout_s=30.0)
        for _ in range(count):
            now = int(time.time())
            report = HAZARD.model_copy(update={"started_at_utc": now, "at_utc": now})
            message = Message(str(ULID()), self.site.name, now, report)
            subject = report_subject(self.site.name, kind_of(report), message.id)
            await node.publish(subject, encode(message), message_id=message.id)
            self.sent.append(message.id)
        await node.close()
        return self.sent[-count:]

    def seen(self, what: str) -> int:
        """The newest hazard that the gate has seen at the site (`last`), or that left (`forwarded`)."""
        path = self.settings.data_folder / LOST_FILE
        return int(json.loads(path.read_text())[Lane.HAZARDS][what]) if path.exists() else 0

    async def with_gate(self, work: Awaitable[None]) -> None:
        """Run the gate, as a process of its own, meanwhile."""
        gate = start_gate(self.settings, self.folder)
        try:
            await work
        finally:
            gate.terminate()
            await asyncio.to_thread(gate.wait, 30)

    async def with_intake(self, work: Callable[[CloudIntake], Awaitable[None]]) -> None:
        """Run the intake of the cloud meanwhile."""
        cloud, stop = CloudIntake(self.folder / "cloud.sqlite", self.hub), asyncio.Event()
        running = asyncio.create_task(cloud.run(stop))
        try:
            await work(cloud)
        finally:
            stop.set()
            await running
            cloud.close()

    async def forwarded(self, count: int) -> None:
        """The gate, which runs, has sent so many hazards, and has noted that the hub has them."""
        await eventually(lambda: self.seen("forwarded") >= count, LIMIT_S, f"{count} reports are at the hub")

    async def stored(self, cloud: CloudIntake) -> None:
        """What was reported is stored once, or counted as lost; what must be there is stored."""
        must = set(outgoing_ids(self.settings, self.safe))

        def accounted() -> bool:
            return cloud.stored + self.lost >= len(self.sent) and must <= set(cloud.ids())

        await eventually(accounted, LIMIT_S, "what was not lost is stored")
        ids = cloud.ids()
        assert len(ids) == len(set(ids))
        assert set(ids) <= set(outgoing_ids(self.settings, self.sent))

    async def six_more(self, cloud: CloudIntake) -> None:
        """Reports that come after the damage are stored like any other."""
        await self.stored(cloud)
        self.safe += await self.report(6)
        await self.stored(cloud)


def play(folder: Path, scenario: Callable[[Fleet], Awaitable[None]]) -> None:
    async def whole(hub: Hub, site: Site) -> None:
        fleet = Fleet(folder, hub, site)
        await fleet.prepare()
        await scenario(fleet)

    with running_hub(folder) as hub, running_site(folder, "s1") as site:
        asyncio.run(whole(hub, site))


async def _eight_wait(fleet: Fleet) -> None:
    """Twelve reports are at the hub, which is down now, and eight more at the site."""
    fleet.safe += await fleet.report(12)
    await fleet.forwarded(12)
    fleet.hub.broker.stop()
    await fleet.report(8)
    await eventually(lambda: fleet.seen("last") >= 20, LIMIT_S, "the gate has seen them")


def _damaged_site(fleet: Fleet, kind: str) -> None:
    fleet.site.broker.stop()
    damage(fleet.folder / "s1", STREAM, kind)
    fleet.site.broker.start()
    fleet.hub.broker.start()


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_a_damaged_broker_of_a_site_has_lost_is_counted_and_all_else_arrives(
    tmp_path: Path, kind: str
) -> None:
    async def scenario(fleet: Fleet) -> None:
        async def work() -> None:
            await _eight_wait(fleet)
            _damaged_site(fleet, kind)
            await fleet.with_intake(fleet.six_more)

        await fleet.with_gate(work())
        assert fleet.lost == 0 or kind.startswith("block")

    play(tmp_path, scenario)


def test_what_was_lost_is_counted_also_by_a_gate_that_was_down_meanwhile(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet) -> None:
        await fleet.with_gate(_eight_wait(fleet))
        _damaged_site(fleet, "block, zeroed")
        await fleet.with_gate(fleet.with_intake(fleet.six_more))
        assert fleet.lost == 8

    play(tmp_path, scenario)


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_a_damaged_hub_has_lost_is_sent_again(tmp_path: Path, kind: str) -> None:
    """Eight reports are stored, twelve are at the hub and, without a receipt, at the site."""

    async def scenario(fleet: Fleet) -> None:
        async def work() -> None:
            fleet.safe += await fleet.report(8)
            await fleet.with_intake(fleet.stored)
            fleet.safe += await fleet.report(12)
            await fleet.forwarded(20)
            fleet.hub.broker.stop()
            damage(fleet.folder / "hub", FLEET_REPORTS, kind)
            fleet.hub.broker.start()
            fleet.safe += await fleet.report(6)
            await fleet.with_intake(fleet.six_more)

        await fleet.with_gate(work())
        assert fleet.lost == 0

    play(tmp_path, scenario)
