"""`python -m tests.faults.rate_figures`: reports a second, and the first hazard after an outage.

Real brokers that sync every message, the real gate as a process, the real intake and databases that sync.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cloud.store.database import Database, open_database
from messaging.errors import WireError
from messaging.figures import Figure
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import FLEET_REPORTS, report_subject
from messaging.reports import Report
from messaging.runtime.quoting import sqlite_url
from messaging.wire_format.codec import Message, encode
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.postgres import find_programs, running_postgres
from tests.support.cloud.sample_reports import misdetection, new_id
from tests.support.edge.gates import gate_settings, start_gate
from tests.support.figures.writing import written
from tests.support.messaging.samples import HAZARD, dated

MESSAGES = 3000  # below the hub's quota of one kind of a site
QUEUED = 50_000
A_MESSAGE = 64
_AT_ONCE = 64
_DEADLINE_S = 600.0


async def published(bus: NatsBus, reports: Sequence[tuple[Report, ...]], site: str) -> float:
    """Publish messages, so many at once; how many were acknowledged per second."""
    sent_at = int(time.time())
    messages = [Message(new_id(), site, sent_at, one[0], one[1:]) for one in reports]
    began = time.monotonic()
    for start in range(0, len(messages), _AT_ONCE):
        await asyncio.gather(
            *(
                bus.publish(report_subject(site, one.kind, one.id), encode(one), message_id=one.id)
                for one in messages[start : start + _AT_ONCE]
            )
        )
    return len(messages) / (time.monotonic() - began)


async def site_and_gate(hub: Hub, site: Site, folder: Path) -> tuple[float, float]:
    """Messages a second that the site's broker acknowledges, and that the gate brings to the hub."""
    cloud = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(cloud)
    owner = await NatsBus.connect(site.gate_link())
    await prepare_site(owner, site.name)
    node = await NatsBus.connect(site.node_link())
    acknowledged = await published(node, [(dated(misdetection(), time.time()),)] * MESSAGES, site.name)
    gate = start_gate(gate_settings(hub, site, folder), folder)
    try:
        first = await _messages_at(cloud, 1)
        whole = await _messages_at(cloud, MESSAGES)
    finally:
        gate.terminate()
        gate.wait(60)
        for bus in (cloud, owner, node):
            await bus.close()
    return acknowledged, MESSAGES / (whole - first)


async def intake(hub: Hub, database: Database) -> float:
    """Messages a second that intake moves from the hub into a database."""
    bus = await NatsBus.connect(hub.cloud_link())
    reader, read = intake_of(bus, database), 0
    await reader.read_batch(timeout_s=0.1)
    began = time.monotonic()
    while counts := await reader.read_batch(timeout_s=0.3):
        if counts.new == 0:
            break
        read += counts.new
        ended = time.monotonic()
    await bus.close()
    return read / (ended - began)


async def first_hazard(hub: Hub, site: Site, folder: Path) -> float:
    """Seconds from the end of an outage until the hub has the first hazard, behind reports that wait."""
    owner = await NatsBus.connect(site.gate_link())
    await prepare_site(owner, site.name)
    gate = start_gate(gate_settings(hub, site, folder), folder)
    try:
        hub.broker.stop()
        node = await NatsBus.connect(site.node_link())
        evidence = (dated(misdetection(), time.time()),) * A_MESSAGE
        await published(node, [evidence] * (QUEUED // A_MESSAGE + 1), site.name)
        await published(node, [(dated(HAZARD, time.time()),)], site.name)
        await asyncio.sleep(15.0)
        hub.broker.start()
        began = time.monotonic()
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        while not any(".hazard" in one for one in await _subjects(cloud)):
            assert time.monotonic() - began < _DEADLINE_S
            await asyncio.sleep(0.02)
        waited_s = time.monotonic() - began
        await _messages_at(cloud, QUEUED // A_MESSAGE + 2)
        return waited_s
    finally:
        gate.terminate()
        gate.wait(60)
        for bus in (owner, node, cloud):
            await bus.close()


async def _messages_at(cloud: NatsBus, number: int) -> float:
    """When the hub has so many messages."""
    deadline = time.monotonic() + _DEADLINE_S
    while (await cloud.stream_state(FLEET_REPORTS)).last_sequence < number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return time.monotonic()


async def _subjects(cloud: NatsBus) -> list[str]:
    try:
        return list(await cloud.messages_by_subject(FLEET_REPORTS))
    except WireError:
        return []


def intakes(hub: Hub, folder: Path, in_a_message: int) -> list[Figure]:
    """Reports a second from this hub into each database; without PostgreSQL its figure has no value."""
    names = {"sqlite": sqlite_url(folder / "store.sqlite")}
    with contextlib.ExitStack() as stack:
        if (programs := find_programs()) is not None:
            server = stack.enter_context(running_postgres(programs, syncs=True))
            names["postgresql"] = server.new_database()
        rates: dict[str, float | None] = {"sqlite": None, "postgresql": None}
        for name, url in names.items():
            database = open_database(url, clock=lambda: int(time.time()))
            rates[name] = in_a_message * asyncio.run(intake(hub, database))
            database.close()
    number = MESSAGES if in_a_message == 1 else QUEUED
    return [
        Figure(f"intake_per_s_{name}_{in_a_message}_a_message", rate, "reports/s", ">= 2000", n=number)
        for name, rate in rates.items()
    ]


def measured(folder: Path) -> list[Figure]:
    """All figures."""
    with running_hub(folder / "a") as hub, running_site(folder / "a", "s1") as site:
        acknowledged, by_gate = asyncio.run(site_and_gate(hub, site, folder / "a"))
        alone = intakes(hub, folder / "a", 1)
    with running_hub(folder / "b") as hub, running_site(folder / "b", "s1") as site:
        outage_s = asyncio.run(first_hazard(hub, site, folder / "b"))
        together = intakes(hub, folder / "b", A_MESSAGE)
    return [
        Figure("acknowledged_per_s_per_site", acknowledged, "messages/s", ">= 400", n=MESSAGES),
        Figure("gate_per_s", by_gate, "messages/s", n=MESSAGES),
        *alone,
        *together,
        Figure("first_hazard_after_outage_s", outage_s, "s", "<= 5", n=QUEUED),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rate_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    return written(out, found)


if __name__ == "__main__":
    sys.exit(main())
