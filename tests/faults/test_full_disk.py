"""A disk is full and has room again: all that was acknowledged arrives once, and no program ends."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ulid import ULID

from edge.gate.settings import GateSettings
from edge.outbox.outbox import Outbox
from messaging.bus import Bus
from messaging.nats import broker as broker_module
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids, start_gate, status_of
from tests.support.edge.ledger_counts import report_entries
from tests.support.faults.fleet import CloudIntake, FaultInjector
from tests.support.messaging.samples import HAZARD, MISDETECTION
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import eventually, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

LIMIT_S = 60.0
PLACES = ("node", "site", "gate", "hub", "store")
OFTEN = ("gate",)


@pytest.fixture(autouse=True)
def _brokers_on_tmpfs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "refuse_volatile_filesystem", lambda _: None)


@dataclass
class Fleet:
    """A hub, a site and its gate, each in a folder of its own; the disk of one of them is small."""

    disk: SmallDisk
    hub: Hub
    site: Site
    settings: GateSettings
    folder: Path
    sent: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        """Make the streams of the hub and of the site."""
        hub, site = await NatsBus.connect(self.hub.cloud_link()), await NatsBus.connect(self.site.gate_link())
        await prepare_hub(hub)
        await prepare_site(site, self.site.name)
        await hub.close()
        await site.close()

    def outbox(self) -> Outbox:
        """The node's outbox."""

        async def connect() -> Bus:
            return await NatsBus.connect(self.site.node_link(), timeout_s=1.0)

        return Outbox(
            "s1", self.folder / "node", connect, now_utc=time.time, new_id=lambda: str(ULID()), capacity=200
        )

    async def report(self, outbox: Outbox, count: int) -> None:
        """Hand over hazards and misdetections in turn, as the node's threads do."""
        now = int(time.time())
        hazard = HAZARD.model_copy(update={"started_at_utc": now, "at_utc": now})
        misdetection = MISDETECTION.model_copy(update={"minute_utc": now // 60 * 60})
        for n in range(count):
            message_id = str(ULID())
            outbox.put(misdetection if n % 2 else hazard, message_id=message_id)
            self.sent.append(message_id)
            await asyncio.sleep(0.002)


@contextmanager
def fleet_on_small_disk(place: str, folder: Path) -> Iterator[Fleet]:
    with (
        small_disk(folder / place, 12) as disk,
        running_hub(folder / "hub") as hub,
        running_site(folder / "site", "s1") as site,
    ):
        settings = gate_settings(hub, site, folder / "gate", receipt_timeout_s=2.0, ack_wait_s=2.0)
        (folder / "gate").mkdir(exist_ok=True)
        yield Fleet(disk, hub, site, settings, folder)


@pytest.mark.parametrize(
    "place", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in PLACES]
)
def test_every_report_arrives_once_when_a_full_disk_has_room_again(place: str, tmp_path: Path) -> None:
    """acknowledged - delivered - reported as lost is 0, whichever disk of the way was full."""

    async def scenario(fleet: Fleet) -> None:
        await fleet.prepare()
        injector = FaultInjector(fleet.hub, fleet.site, fleet.settings, tmp_path / "gate")
        cloud, stop = CloudIntake(tmp_path / "store" / "store.sqlite", fleet.hub), asyncio.Event()
        intake, outbox = asyncio.create_task(cloud.run(stop)), fleet.outbox()
        outbox.start()
        try:
            await fleet.report(outbox, 20)
            await eventually(lambda: cloud.stored >= 20, LIMIT_S, "the first reports are stored")
            fleet.disk.fill()
            for _ in range(3):
                await fleet.report(outbox, 40)
                await asyncio.sleep(0.8)
            assert injector.gate.poll() is None, "the gate has ended"
            if place == "gate":
                assert "is full" in status_of(fleet.settings)["disk"]
            if place == "site":
                assert "is full" in str(fleet.site.broker.fault)
            fleet.disk.make_room()
            await fleet.report(outbox, 20)
            lost = outbox.counts.shed.values()
            await eventually(
                lambda: cloud.stored + sum(lost) >= len(fleet.sent), LIMIT_S, "every report is stored"
            )
            await eventually(lambda: status_of(fleet.settings).get("disk") == "", LIMIT_S, "the alarm ends")
        finally:
            await asyncio.to_thread(outbox.stop)
            injector.stop()
            stop.set()
            await intake
        ids = cloud.ids()
        cloud.close()
        assert sorted(ids) == sorted(outgoing_ids(fleet.settings, fleet.sent))
        assert not sum(lost)
        listed = report_entries(fleet.settings.data_folder / "ledger")
        assert sum(listed.values()) == len(fleet.sent)

    with fleet_on_small_disk(place, tmp_path) as fleet:
        asyncio.run(scenario(fleet))


def test_a_gate_that_starts_on_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    with fleet_on_small_disk("gate", tmp_path) as fleet:
        asyncio.run(fleet.prepare())
        (tmp_path / "gate" / "gate.yaml").write_text(" " * 4096)  # has its room before the disk is full
        (tmp_path / "gate" / "gate.log").write_text(" " * 4000)
        fleet.disk.fill()
        gate = start_gate(fleet.settings, tmp_path / "gate")
        try:
            with pytest.raises(AssertionError, match="the gate runs"):
                wait_until(lambda: status_of(fleet.settings) or gate.poll() is not None, 6.0, "the gate runs")
            fleet.disk.make_room()
            wait_until(lambda: status_of(fleet.settings).get("link") == "up", LIMIT_S, "the gate runs")
        finally:
            gate.terminate()
            gate.wait(30)


def test_a_broker_that_met_a_full_disk_stores_again_once_there_is_room(tmp_path: Path) -> None:
    """nats-server refuses every message of a stream after one failed write, until it is started again."""

    async def scenario(fleet: Fleet) -> None:
        await fleet.prepare()
        outbox = fleet.outbox()
        outbox.start()
        fleet.disk.fill()
        await fleet.report(outbox, 60)
        await eventually(lambda: fleet.site.broker.fault, LIMIT_S, "the broker's alarm")
        await asyncio.sleep(1.0)
        assert outbox.counts.waiting, "the disk was not full"
        fleet.disk.make_room()
        await eventually(lambda: not outbox.counts.waiting, LIMIT_S, "the broker has everything")
        assert (fleet.site.broker.fault, fleet.site.broker.restarts) == (None, 1)
        await asyncio.to_thread(outbox.stop)

    with fleet_on_small_disk("site", tmp_path) as fleet:
        asyncio.run(scenario(fleet))
