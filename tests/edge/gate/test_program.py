"""The gate as a process between a real site's broker and a real hub."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from edge.gate.ledger_entries import TRANSPORT, verify
from edge.gate.limits.heartbeat_pace import HEARTBEAT_LIMITS, coarse_heartbeat
from edge.gate.limits.kept_buckets import LEVELS_FILE, KeptLevels
from edge.gate.program import run_gate
from edge.gate.settings import GateSettings
from messaging.bus import Delivery
from messaging.errors import WireUnavailable
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import (
    CHECKPOINTS,
    FLEET_REPORTS,
    HEARTBEATS,
    ORDERS,
    RECEIPTS,
    REQUESTS,
    TUF_BUCKET,
    WAKE,
    command_subject,
    published_subject,
    report_subject,
)
from messaging.receipts import LaneReceipt, Receipt, ReportHeader
from messaging.reports import Heartbeat, Report
from messaging.runtime.state_files import StateFile
from messaging.trust.mirrored_requests import requests_path
from messaging.trust.site_signatures import (
    HEARTBEAT_PREFIX_BYTES,
    signed_receipt,
    verified_checkpoint,
    verified_header,
)
from messaging.wire_format.codec import Message, decode, encode
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids, start_gate, status_of
from tests.support.messaging.samples import HAZARD, HEARTBEAT, MISDETECTION, dated
from tests.support.messaging.site_keys import director_key

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Site]]:
    folder = tmp_path_factory.mktemp("gate")
    with running_hub(folder) as hub, running_site(folder, "s1") as site:
        yield hub, site


async def _prepared(hub: Hub) -> tuple[NatsBus, NatsBlobs, NatsBlobs]:
    cloud = await NatsBus.connect(hub.cloud_link())
    models, tuf = NatsBlobs(cloud), NatsBlobs(cloud, TUF_BUCKET, prefix="", max_bytes=2**24)
    await prepare_hub(cloud, models, tuf)
    return cloud, models, tuf


async def _report(node: NatsBus, report: Report, site: str = "s1") -> str:
    message = Message(str(ULID()), site, int(time.time()), dated(report, time.time()))
    subject = report_subject(site, message.kind, message.id)
    await node.publish(subject, encode(message), message_id=message.id)
    return message.id


async def _until(condition: Callable[[], Awaitable[bool]], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not await condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


@contextmanager
def _timed(limit_s: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s


def _order(digest: str) -> bytes:
    payload = base64.b64encode(json.dumps({"digest": digest}).encode()).decode()
    return json.dumps({"key": "k", "payload": payload, "signature": "00"}).encode()


def test_one_process_forwards_reports_and_mirrors_releases(places: tuple[Hub, Site], tmp_path: Path) -> None:
    hub, site = places
    settings = gate_settings(hub, site, tmp_path, poll_s=30.0)

    async def scenario() -> None:
        cloud, models, tuf = await _prepared(hub)
        await tuf.put_named("1.root.json", b"root one")
        await tuf.put_named("2.root.json", b"root two")
        gate = start_gate(settings, tmp_path)
        try:
            await _until(lambda: _is(lambda: status_of(settings).get("link") == "up"))
            await _reports_are_received(settings, site, cloud)
            await _a_release_is_mirrored(settings, cloud, models, tuf)
            await _a_receipt_clears_the_site(settings, site, cloud)
            await cloud.close()
        finally:
            gate.send_signal(signal.SIGTERM)
            assert gate.wait(60) == 0, (tmp_path / "gate.log").read_text()

    asyncio.run(scenario())
    status = status_of(settings)
    assert status["forwarded"] == {"hazard": 1, "misdetection": 1, "heartbeat": 1}
    assert status["bytes_by_kind"].keys() == {"hazard", "misdetection", "heartbeat"}
    listed = verify(settings.data_folder / "ledger").by_kind
    assert listed.keys() == {*status["bytes_by_kind"], TRANSPORT}
    assert sum(total.count for kind, total in listed.items() if kind != TRANSPORT) == 3
    beside = sum(status["bytes_written"].values()) - sum(status["bytes_by_kind"].values())
    assert listed[TRANSPORT].bytes >= beside, "the last bytes are written after the last status"
    _all_that_was_written_has_a_kind(status)
    kept = StateFile(settings.known_folder / LEVELS_FILE, KeptLevels).read()
    assert kept is not None
    limits = {**settings.counts, **HEARTBEAT_LIMITS}
    spent = {one.kind: limits[one.kind].at_once - round(one.level) for one in kept.buckets}
    of_heartbeat = {"heartbeat_counters": 1, "heartbeat_budgets": 1}
    assert spent == {"hazard": 1, "misdetection": 1, **of_heartbeat}, "a regular stop keeps all"


def _all_that_was_written_has_a_kind(status: dict[str, Any]) -> None:
    """The hub got the bytes of reports with all around them, and others, and none that nobody knows."""
    written = status["bytes_written"]
    assert all(written[kind] > number for kind, number in status["bytes_by_kind"].items())
    reads = {f"read_{name}" for name in ("models", "tuf", "orders", "receipts", "renewals", "requests")}
    others = {"checkpoint", "connect", "subscribe", "ping"}
    assert written.keys() == {*status["bytes_by_kind"], *reads, *others}
    assert sum(status["bytes_written_today"].values()) <= sum(written.values())


async def _reports_are_received(settings: GateSettings, site: Site, cloud: NatsBus) -> None:
    """Two reports and a heartbeat, published at the site, are at the hub with their ledger positions."""
    node = await NatsBus.connect(site.node_link())
    sent = [await _report(node, report) for report in (HAZARD, MISDETECTION)]
    beat = Message(str(ULID()), "s1", 1_800_000_000, HEARTBEAT)
    await node.put_latest(HEARTBEATS, "s1", encode(beat))
    got: list[str] = []

    async def both_received() -> bool:
        for delivery in await cloud.pull(FLEET_REPORTS, "intake", timeout_s=0.2):
            assert decode(delivery.data).site == "s1"
            assert (await _stated(cloud, delivery)).ledger.n > 0
            await delivery.acknowledge()
            got.append(delivery.message_id)
        return len(got) == 2

    async def heartbeat_received() -> bool:
        data = await cloud.get_latest(HEARTBEATS, "s1")
        if data is None:
            return False
        found = decode(data[HEARTBEAT_PREFIX_BYTES:]).report
        assert isinstance(found, Heartbeat)
        assert found.transport_bytes is not None
        assert 0 < found.transport_bytes < HEARTBEAT.transport_bytes, "the gate states its own"
        of_gate = {"at_utc": found.at_utc, "transport_bytes": found.transport_bytes}
        return found == coarse_heartbeat(HEARTBEAT).model_copy(update=of_gate)

    await _until(both_received)
    assert sorted(got) == sorted(outgoing_ids(settings, sent))
    await _until(heartbeat_received)
    await node.close()


async def _a_release_is_mirrored(
    settings: GateSettings, cloud: NatsBus, models: NatsBlobs, tuf: NatsBlobs
) -> None:
    """Metadata, order and weights are in the mirror soon after a hint; absent weights are reported."""
    weights = os.urandom(300_000)
    digest = await models.put(weights)
    for name, data in _metadata(7).items():
        await tuf.put_named(name, data)
    await cloud.put_latest(REQUESTS, "s1", b"what the gate need not understand")
    await cloud.put_latest(ORDERS, "s1", _order(digest))
    await cloud.hint(command_subject("s1", WAKE))
    target = settings.mirror_folder / "targets" / digest
    with _timed(25.0):
        await _until(lambda: _is(target.exists))
    assert target.read_bytes() == weights
    names = {path.name for path in (settings.mirror_folder / "metadata").iterdir()}
    assert names == {"1.root.json", "2.root.json", "7.snapshot.json", "7.targets.json", "timestamp.json"}
    assert (settings.mirror_folder / "orders" / "s1.json").read_bytes() == _order(digest)
    requests = requests_path(settings.mirror_folder, "s1")
    assert requests.read_bytes() == b"what the gate need not understand"
    await cloud.put_latest(ORDERS, "s1", _order("ab" * 32))
    await cloud.hint(command_subject("s1", WAKE))
    await _until(lambda: _is(lambda: "abab is absent" in status_of(settings)["health"]["mirror"]))


async def _a_receipt_clears_the_site(settings: GateSettings, site: Site, cloud: NatsBus) -> None:
    """The site's stream is purged once the hub's receipt covers its messages; a forged one is refused."""
    site_bus = await NatsBus.connect(site.gate_link())
    (delivery,) = [d for d in await cloud.pull(FLEET_REPORTS, "last") if d.subject.endswith(".hazard")]
    stated = await _stated(cloud, delivery)
    place, entry = stated.place, stated.ledger

    async def receipt(entry_hash: str) -> None:
        lane = LaneReceipt(place.stream, place.sequence, entry.n, entry_hash)
        signed = signed_receipt(Receipt("s1", "db", "hub", {"hazards": lane}), director_key())
        await cloud.put_latest(RECEIPTS, "s1", signed)

    await receipt("00")
    await _until(lambda: _is(lambda: "another hash" in _fault(settings)))
    await receipt(entry.hash)
    await _until(lambda: _is(lambda: _fault(settings) == ""))

    async def purged() -> bool:
        return (await site_bus.stream_state("HAZARDS")).messages == 0

    await _until(purged)
    await site_bus.close()


async def _stated(cloud: NatsBus, delivery: Delivery) -> ReportHeader:
    """What the gate states beside a report, signed with the key of its checkpoint."""
    key = verified_checkpoint(await cloud.get_latest(CHECKPOINTS, "s1") or b"", "s1").public_key
    subject = published_subject(delivery.subject, delivery.message_id)
    return verified_header(key, subject, delivery.headers, delivery.data)


def _fault(settings: GateSettings) -> str:
    return str(status_of(settings)["receipt_fault"])


async def _is(condition: Callable[[], bool]) -> bool:
    return condition()


def _metadata(version: int) -> dict[str, bytes]:
    def naming(name: str) -> bytes:
        return json.dumps({"signed": {"meta": {name: {"version": version}}}}).encode()

    return {
        f"{version}.targets.json": b"targets",
        f"{version}.snapshot.json": naming("targets.json"),
        "timestamp.json": naming("snapshot.json"),
    }


def test_a_gate_starts_without_a_hub_and_delivers_when_the_hub_responds(tmp_path: Path) -> None:
    async def scenario(hub: Hub, site: Site) -> None:
        cloud, _, _ = await _prepared(hub)
        settings = gate_settings(hub, site, tmp_path, timeout_s=1.0)
        hub.broker.stop()
        stop = asyncio.Event()
        gate = asyncio.create_task(run_gate(settings, stop))
        node = await NatsBus.connect(site.node_link())

        async def accepted_by_site() -> bool:
            site_bus = await NatsBus.connect(site.gate_link())
            try:
                return (await site_bus.stream_state("HAZARDS")).messages >= 0
            except WireUnavailable:
                return False
            finally:
                await site_bus.close()

        await _until(accepted_by_site)
        sent = await _report(node, HAZARD)
        await _until(lambda: _is(lambda: status_of(settings).get("link") == "down"))
        hub.broker.start()
        received: list[str] = []

        async def is_received() -> bool:
            received.extend(d.message_id for d in await cloud.pull(FLEET_REPORTS, "x", timeout_s=0.2))
            return received == outgoing_ids(settings, [sent])

        await _until(is_received, limit_s=90.0)
        stop.set()
        await asyncio.wait_for(gate, 10.0)
        await node.close()
        await cloud.close()

    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(scenario(hub, site))


def test_a_wrong_configuration_ends_with_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "gate.yaml"
    config.write_text("site: s1\nhub_adress: nats://hub\n")
    command = [sys.executable, "-m", "edge.cli", "gate", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "site_url" in done.stderr
    assert "Traceback" not in done.stderr
