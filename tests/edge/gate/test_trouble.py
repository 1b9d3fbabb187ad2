"""A gate in trouble: late credentials, a full disk or a failing loop stop nothing else; all is delivered."""

import asyncio
import errno
import logging
import os
import shutil
import time
from pathlib import Path

import pytest
from ulid import ULID

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import verify
from edge.gate.mirror import Mirror
from edge.gate.program import run_gate
from edge.gate.settings import GateSettings
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import FLEET_REPORTS, HEARTBEATS, report_subject
from messaging.wire_format.codec import Message, encode, kind_of
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids, status_of
from tests.support.messaging.samples import HAZARD, HEARTBEAT, dated
from tests.support.waiting import eventually

pytestmark = pytest.mark.broker


async def _reported(site: Site) -> str:
    """A hazard that the site's broker has accepted; its id."""
    gate, node = await NatsBus.connect(site.gate_link()), await NatsBus.connect(site.node_link())
    await prepare_site(gate, site.name, max_bytes=2**24)
    message_id = str(ULID())
    data = encode(Message(message_id, site.name, int(time.time()), dated(HAZARD, time.time())))
    await node.publish(report_subject(site.name, kind_of(HAZARD), message_id), data, message_id=message_id)
    await node.close()
    await gate.close()
    return message_id


async def _cloud(hub: Hub) -> NatsBus:
    bus = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(bus)
    return bus


async def _received(cloud: NatsBus) -> str:
    while True:
        for delivery in await cloud.pull(FLEET_REPORTS, "x", timeout_s=0.5):
            return delivery.message_id


def test_hub_credentials_that_come_late_are_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(hub: Hub, site: Site) -> None:
        cloud, late = await _cloud(hub), tmp_path / "late.creds"
        settings = gate_settings(hub, site, tmp_path, hub_credentials=late)
        sent, stop = await _reported(site), asyncio.Event()
        gate = asyncio.create_task(run_gate(settings, stop))
        await eventually(lambda: "late.creds is missing" in caplog.text)
        assert status_of(settings)["link"] == "down"
        shutil.copy(hub.enrol(site.name), late)
        assert await asyncio.wait_for(_received(cloud), 30.0) == outgoing_ids(settings, [sent])[0]
        stop.set()
        await asyncio.wait_for(gate, 10.0)
        await cloud.close()

    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(scenario(hub, site))
    assert caplog.text.count("late.creds is missing") == 1


def test_nothing_leaves_while_the_ledger_is_full_and_a_failing_loop_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room, write = asyncio.Event(), Ledger._write

    def full(ledger: Ledger, fresh: list[object]) -> None:
        if not room.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "ledger.jsonl")
        write(ledger, fresh)  # type: ignore[arg-type]

    async def broken(_: Mirror) -> bool:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Ledger, "_write", full)
    monkeypatch.setattr(Mirror, "refresh", broken)

    async def scenario(hub: Hub, site: Site) -> None:
        cloud = await _cloud(hub)
        settings = gate_settings(hub, site, tmp_path, ack_wait_s=1.0)
        sent, stop = await _reported(site), asyncio.Event()
        gate = asyncio.create_task(run_gate(settings, stop))
        await eventually(lambda: "No space left" in str(status_of(settings).get("health")))
        assert "a fault" in str(status_of(settings)["health"])
        assert not await cloud.pull(FLEET_REPORTS, "y", timeout_s=0.5)
        room.set()
        assert await asyncio.wait_for(_received(cloud), 30.0) == outgoing_ids(settings, [sent])[0]
        stop.set()
        await asyncio.wait_for(gate, 10.0)
        await cloud.close()
        assert verify(settings.data_folder / "ledger").by_kind["hazard"].count == 1

    with caplog.at_level(logging.INFO), running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(scenario(hub, site))
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_heartbeat_bucket_that_is_gone_at_the_hub_holds_no_report_back(tmp_path: Path) -> None:
    async def scenario(hub: Hub, site: Site) -> None:
        cloud = await _cloud(hub)
        await _reported(site)
        node = await NatsBus.connect(site.node_link())
        settings = gate_settings(hub, site, tmp_path, timeout_s=1.0)
        await cloud.api(f"STREAM.DELETE.KV_{HEARTBEATS}")
        beat = Message(str(ULID()), site.name, int(time.time()), HEARTBEAT)
        await node.put_latest(HEARTBEATS, site.name, encode(beat))
        stop = asyncio.Event()
        gate = asyncio.create_task(run_gate(settings, stop))
        await asyncio.wait_for(_received(cloud), 20.0)
        await eventually(lambda: _failures(settings) >= 1)
        sent = await _reported(site)
        assert await asyncio.wait_for(_received(cloud), 5.0) == outgoing_ids(settings, [sent])[0]
        assert status_of(settings)["link"] == "up"
        await prepare_hub(cloud)
        await eventually(lambda: status_of(settings)["forwarded"].get("heartbeat") == 1, 20.0)
        stop.set()
        await asyncio.wait_for(gate, 10.0)
        for bus in (cloud, node):
            await bus.close()

    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(scenario(hub, site))


def _failures(settings: GateSettings) -> int:
    health = status_of(settings).get("health", {"heartbeats": {"failures_in_a_row": 0}})
    return int(health["heartbeats"]["failures_in_a_row"])
