"""A hub, a site, its gate and the cloud's intake, with kills and pauses on a timetable."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import select
from ulid import ULID

from cloud.store.database import open_database
from cloud.store.report_records import DeadLetter, StoredReport
from edge.gate.settings import GateSettings
from edge.outbox.outbox import Outbox
from messaging.bus import Bus
from messaging.errors import BlindspotError
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.reports import Report
from messaging.runtime.quoting import sqlite_url
from tests.support.brokers import Hub, Site
from tests.support.cloud.intakes import intake_of
from tests.support.edge.gates import start_gate, status_of
from tests.support.messaging.samples import HAZARD, MISDETECTION


class Consumer(Protocol):
    """What takes reports from the hub. `stored`: number of messages that it has stored."""

    stored: int

    async def run(self, stop: asyncio.Event) -> None:
        """Take them until a stop is requested."""


class CloudIntake:
    """The cloud's intake and store, without the rest of the cloud. `stored`: number of messages in it."""

    def __init__(self, path: Path, hub: Hub) -> None:
        self._hub = hub
        self._database = open_database(sqlite_url(path))
        self.stored = len(self.ids())

    async def run(self, stop: asyncio.Event) -> None:
        bus = await NatsBus.connect(self._hub.cloud_link(), ack_wait_s=3.0)
        intake = intake_of(bus, self._database)
        while not stop.is_set():
            try:
                await prepare_hub(bus)
                while not stop.is_set():
                    await intake.read_batch(timeout_s=0.3)
                    self.stored = len(self.ids())
            except BlindspotError:  # tried again, as by the cloud's background task
                await asyncio.sleep(0.1)
        await bus.close()

    def ids(self) -> list[str]:
        """Ids of the messages in the database, as reports (the first of a message) or as dead letters."""
        with self._database.reading() as session:
            stored = [one for one in session.scalars(select(StoredReport.message_id)) if "." not in one]
            return [*stored, *session.scalars(select(DeadLetter.message_id))]

    def close(self) -> None:
        self._database.close()


PAUSE_S = 6.0
"""Longer than every time limit of gate and intake here, so that they act as if the other side were gone."""


@dataclass
class FaultInjector:
    """Starts the gate, and kills or pauses processes on request; `log` lists what it did."""

    hub: Hub
    site: Site
    settings: GateSettings
    folder: Path
    log: list[str] = field(default_factory=list)
    _paused: list[threading.Timer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = start_gate(self.settings, self.folder)

    def kill_hub(self) -> None:
        self._kill(self.hub.broker.pid, "hub")

    def kill_site(self) -> None:
        self._kill(self.site.broker.pid, "site")

    def replace_hub(self) -> None:
        """The hub's disk is lost with everything that it had acknowledged; an empty one takes its place."""
        self.log.append("hub's disk")
        self.hub.broker.stop()
        shutil.rmtree(self.hub.folder / "hub" / "store")
        self.hub.broker.start()

    def kill_gate(self) -> None:
        self.log.append(f"gate after {status_of(self.settings).get('ledger_n')} entries")
        self.gate.kill()
        self.gate.wait(10)
        self.gate = start_gate(self.settings, self.folder)

    def pause(self, name: str, pid: int | None) -> None:
        """Stop a process with SIGSTOP, so that its connections stay open, and continue it `PAUSE_S` later."""
        self.log.append(f"{name} paused")
        if pid is not None:
            self._paused.append(pause(pid, PAUSE_S))

    def stop(self) -> None:
        for timer in self._paused:
            timer.join()
        self.gate.send_signal(signal.SIGTERM)
        self.gate.wait(60)

    def _kill(self, pid: int | None, name: str) -> None:
        self.log.append(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def pause(pid: int, seconds: float) -> threading.Timer:
    """Stop a process by SIGSTOP; the timer, which runs, continues it."""
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(seconds, _continue, (pid,))
    timer.start()
    return timer


def _continue(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # killed meanwhile
        os.kill(pid, signal.SIGCONT)


async def run_faults(
    injector: FaultInjector,
    consumer: Consumer,
    *,
    reports: int,
    kills: list[Callable[[], None]],
    seed: int,
    patience_s: float = 60.0,
) -> set[str]:
    """Send reports through outbox, site, gate and hub while processes are killed; returns their ids.

    Fails when none has arrived for `patience_s`.
    """
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
    now = int(time.time())
    hazard = HAZARD.model_copy(update={"started_at_utc": now, "at_utc": now})
    misdetection = MISDETECTION.model_copy(update={"minute_utc": now // 60 * 60})
    timetable = sorted(chance.sample(range(reports // 10, reports * 9 // 10), len(kills)))
    for n in range(reports):
        report: Report = hazard if n % 4 == 0 else misdetection
        message_id = str(ULID())
        outbox.put(report, message_id=message_id)
        sent.add(message_id)
        if timetable and n >= timetable[0]:
            timetable.pop(0)
            kills.pop(0)()
        await asyncio.sleep(0.004)
    await _until_all_arrived(consumer, reports, patience_s)
    await asyncio.to_thread(outbox.stop)
    stop.set()
    await consuming
    return sent


async def _prepare(hub: Hub) -> None:
    bus = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(bus)
    await bus.close()


async def _until_all_arrived(consumer: Consumer, reports: int, patience_s: float) -> None:
    last, since = -1, time.monotonic()
    while consumer.stored < reports:
        if consumer.stored != last:
            last, since = consumer.stored, time.monotonic()
        quiet_s = time.monotonic() - since
        assert quiet_s < patience_s, f"nothing arrived for {patience_s:.0f} s; {last} of {reports} did"
        await asyncio.sleep(0.1)
