"""`python -m tests.support.edge.written_figures`: bytes that a gate writes to its hub beside reports.

A hub with a signed release, a site with a node that sends heartbeats and sees nothing, and between them the
gate as it is shipped, with its own intervals. What it wrote in the time is taken to a day.
"""

import argparse
import asyncio
import base64
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ulid import ULID

from edge.gate.program import run_gate
from edge.gate.settings import GateSettings
from messaging.figures import Figure, write_figures
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS, ORDERS, TUF_BUCKET
from messaging.wire_format.codec import PAYLOADS, Message, encode
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, status_of
from tests.support.messaging.samples import HEARTBEAT

DAY_S, BEAT_S = 86_400, 5.0
AS_SHIPPED = ("poll_s", "heartbeat_s", "status_s", "receipt_s", "counts", "bytes_per_minute", "bytes_per_day")


async def _release(cloud: NatsBus) -> None:
    """What the gate copies once and then reads again and again."""
    models, tuf = NatsBlobs(cloud), NatsBlobs(cloud, TUF_BUCKET, prefix="", max_bytes=2**24)
    await prepare_hub(cloud, models, tuf)
    naming = {"meta": {"snapshot.json": {"version": 1}}}, {"meta": {"targets.json": {"version": 1}}}
    timestamp, snapshot = (json.dumps({"signed": one}).encode() for one in naming)
    names = "1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"
    for name, data in zip(names, (b"root", b"targets", snapshot, timestamp), strict=True):
        await tuf.put_named(name, data)
    payload = base64.b64encode(json.dumps({"digest": await models.put(b"weights")}).encode()).decode()
    order = {"key": "k", "payload": payload, "signature": "00"}
    await cloud.put_latest(ORDERS, "s1", json.dumps(order).encode())


async def _node(site: Site, stop: asyncio.Event) -> None:
    node, number = await NatsBus.connect(site.node_link()), 0
    while not stop.is_set():
        number += 1
        beat = HEARTBEAT.model_copy(update={"uptime_s": number, "at_utc": int(time.time())})
        await node.put_latest(HEARTBEATS, "s1", encode(Message(str(ULID()), "s1", beat.at_utc, beat)))
        await asyncio.sleep(BEAT_S)
    await node.close()


async def written(
    hub: Hub, site: Site, settings: GateSettings, seconds: float
) -> tuple[Mapping[str, float], float]:
    """Bytes a day by kind, without those of the first connection and of the first copy; and of payloads."""
    cloud, stop = await NatsBus.connect(hub.cloud_link()), asyncio.Event()
    await _release(cloud)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_gate(settings, stop))
        while not status_of(settings).get("targets"):
            await asyncio.sleep(1.0)
        tasks.create_task(_node(site, stop))
        await asyncio.sleep(2 * settings.poll_s)
        before = status_of(settings)
        await asyncio.sleep(seconds)
        after = status_of(settings)
        stop.set()
    await cloud.close()
    passed_s = after["at_utc"] - before["at_utc"]
    payloads = sum(
        number - before["bytes_by_kind"].get(kind, 0)
        for kind, number in after["bytes_by_kind"].items()
        if kind in PAYLOADS
    )
    by_kind = {
        kind: (number - before["bytes_written"].get(kind, 0)) * DAY_S / passed_s
        for kind, number in after["bytes_written"].items()
    }
    return by_kind, payloads * DAY_S / passed_s


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(prog="written_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_hub(folder) as hub, running_site(folder, "s1") as site:
            shipped = {
                one: GateSettings.model_fields[one].get_default(call_default_factory=True)
                for one in AS_SHIPPED
            }
            settings = gate_settings(hub, site, folder, **shipped)
            by_kind, payloads = asyncio.run(written(hub, site, settings, arguments.seconds))
    whole = sum(by_kind.values())
    found = [
        Figure("gate_idle_bytes_per_day", whole, "bytes"),
        Figure("gate_idle_payload_percent", 100 * payloads / whole, "%"),
        *(Figure(f"gate_idle_bytes_per_day_{kind}", number, "bytes") for kind, number in by_kind.items()),
    ]
    command = "python -m tests.support.edge.written_figures"
    write_figures(arguments.out, found, command=command, now=datetime.datetime.now(datetime.UTC))
    for figure in found:
        sys.stdout.write(f"{figure.name}: {figure.value_text}\n")


if __name__ == "__main__":
    main()
