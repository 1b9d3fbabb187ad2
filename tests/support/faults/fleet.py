"""A hub, a site, its gate and a consumer that commits before it acknowledges, with kills on a timetable."""

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ulid import ULID

from edge.gate.settings import GateSettings
from edge.outbox.outbox import Outbox
from messaging.bus import Bus
from messaging.errors import WireError
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS
from messaging.receipts import position_in_headers
from messaging.reports import Report
from tests.support.brokers import Hub, Site
from tests.support.edge.gates import start_gate, status_of
from tests.support.messaging.samples import HAZARD, MISDETECTION


class Consumer:
    """Replaces intake: a unique key on the id, commit, then acknowledge, then the receipt."""

    def __init__(self, path: Path, hub: Hub) -> None:
        self._path = path
        self._hub = hub
        self.stored = 0
        self.repeated = 0
        with sqlite3.connect(path) as store:
            store.execute("create table if not exists reports (id text primary key, n integer)")

    async def run(self, stop: asyncio.Event) -> None:
        bus = await NatsBus.connect(self._hub.cloud_link(), ack_wait_s=3.0)
        while not stop.is_set():
            try:
                await self._take(bus)
            except WireError:
                await asyncio.sleep(0.1)
        await bus.close()

    def ids(self) -> list[str]:
        store = sqlite3.connect(self._path)
        try:
            return [row[0] for row in store.execute("select id from reports")]
        finally:
            store.close()

    async def _take(self, bus: NatsBus) -> None:
        deliveries = await bus.pull(FLEET_REPORTS, "ingest", batch=200, timeout_s=0.3)
        if not deliveries:
            return
        highest = None
        store = sqlite3.connect(self._path)
        try:
            for delivery in deliveries:
                position = position_in_headers(delivery.headers)
                assert position is not None
                row = (delivery.message_id, position.n)
                fresh = store.execute("insert or ignore into reports values (?, ?)", row).rowcount
                self.stored += fresh
                self.repeated += 1 - fresh
                highest = max(highest or position, position, key=lambda p: p.n)
            store.commit()
        finally:
            store.close()
        await asyncio.gather(*(delivery.acknowledge() for delivery in deliveries))
        if highest is not None:
            await bus.put_latest(RECEIPTS, "s1", highest.to_bytes())


@dataclass
class FaultInjector:
    """Starts the gate, and kills brokers and the gate on request; `log` lists the kills."""

    hub: Hub
    site: Site
    settings: GateSettings
    folder: Path
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = start_gate(self.settings, self.folder)

    def kill_hub(self) -> None:
        self._kill(self.hub.broker.pid, "hub")

    def kill_site(self) -> None:
        self._kill(self.site.broker.pid, "site")

    def kill_gate(self) -> None:
        self.log.append(f"gate after {status_of(self.settings).get('ledger_n')} entries")
        self.gate.kill()
        self.gate.wait(10)
        self.gate = start_gate(self.settings, self.folder)

    def stop(self) -> None:
        self.gate.send_signal(signal.SIGTERM)
        self.gate.wait(15)

    def _kill(self, pid: int | None, name: str) -> None:
        self.log.append(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


async def run_faults(
    injector: FaultInjector, consumer: Consumer, *, reports: int, kills: list[Callable[[], None]], seed: int
) -> set[str]:
    """Send reports through outbox, site, gate and hub while processes are killed; returns their ids."""
    chance = random.Random(seed)
    await _prepare(injector.hub)
    stop = asyncio.Event()
    consuming = asyncio.create_task(consumer.run(stop))

    async def connect() -> Bus:
        return await NatsBus.connect(injector.site.node_link(), timeout_s=2.0)

    outbox = Outbox(
        "s1",
        injector.folder / "outbox",
        connect,
        now_utc=time.time,
        new_id=lambda: str(ULID()),
        capacity=reports + 1,
    )
    outbox.start()
    sent: set[str] = set()
    timetable = sorted(chance.sample(range(reports // 10, reports * 9 // 10), len(kills)))
    for n in range(reports):
        report: Report = HAZARD if n % 4 == 0 else MISDETECTION
        message_id = str(ULID())
        outbox.put(report, message_id=message_id)
        sent.add(message_id)
        if timetable and n >= timetable[0]:
            timetable.pop(0)
            kills.pop(0)()
        await asyncio.sleep(0.004)
    await _until_all_arrived(consumer, reports)
    await asyncio.to_thread(outbox.stop)
    stop.set()
    await consuming
    return sent


async def _prepare(hub: Hub) -> None:
    bus = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(bus)
    await bus.close()


async def _until_all_arrived(consumer: Consumer, reports: int) -> None:
    last, since = -1, time.monotonic()
    while consumer.stored < reports:
        if consumer.stored != last:
            last, since = consumer.stored, time.monotonic()
        assert time.monotonic() - since < 60.0, f"nothing arrived for 60 s; {last} of {reports} did"
        await asyncio.sleep(0.1)
