"""The cloud's intake as a program that may be killed: reports, checkpoints, heartbeats, what the hub keeps.

`python -m tests.support.faults.intake_program FOLDER URL CREDENTIALS`: FOLDER holds `releases`, whose
director signs receipts, and `store.sqlite`. It runs the tasks of the cloud that read the hub, as often as the
cloud does, until it is killed.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import func, select

from cloud.app import EVENT_LOOP_PAUSE_S, HUB_RETENTION_EVERY_S
from cloud.background import BackgroundTasks
from cloud.fleet.heartbeats import HeartbeatIntake
from cloud.fleet.hub_retention import HubRetention
from cloud.store.database import open_database
from cloud.store.ledger_store import LedgerStore
from cloud.store.report_records import DeadLetter, StoredReport
from messaging.bus import Link
from messaging.errors import BlindspotError
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.runtime.quoting import sqlite_url
from messaging.trust.signing import Repository
from tests.support.brokers import Hub
from tests.support.cloud.intakes import intake_of

ROOT = Path(__file__).parents[3]
STORE = "store.sqlite"
MAX_WAIT_S = 1.0


class IntakeProgram:
    """Intake as a process of its own, to be killed; `stored`: number of messages that it stored."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self._hub, self.stored = folder, hub, 0
        self._database = open_database(sqlite_url(folder / STORE))
        self.start()

    def start(self) -> None:
        """Start it, as a supervisor does."""
        link = self._hub.cloud_link()
        command = [sys.executable, "-m", "tests.support.faults.intake_program"]
        with (self.folder / "intake.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.folder), link.url, str(link.credentials_path)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, and start it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the process by SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the number of stored messages until a stop is requested."""
        while not stop.is_set():
            self.stored = await asyncio.to_thread(self._count)
            await asyncio.sleep(0.2)

    def ids(self) -> list[str]:
        """Ids of the messages in the database, as reports or as dead letters; one for each row."""
        with self._database.reading() as session:
            stored = session.scalars(select(StoredReport.message_id))
            return [*stored, *session.scalars(select(DeadLetter.message_id))]

    def _count(self) -> int:
        with self._database.reading() as session:
            numbers = [
                session.scalar(select(func.count()).select_from(rows)) for rows in (StoredReport, DeadLetter)
            ]
        return sum(number or 0 for number in numbers)

    def close(self) -> None:
        """End the process and close the database."""
        self.stop()
        self._database.close()


async def _run(folder: Path, link: Link) -> None:
    database = open_database(sqlite_url(folder / STORE))
    bus = await _connected(link)
    intake = intake_of(bus, database, director=Repository(folder / "releases").director)
    heartbeats = HeartbeatIntake(bus, intake.store, intake.metrics, LedgerStore(database))
    background = BackgroundTasks(asyncio.Event(), first_s=0.1, max_s=MAX_WAIT_S)
    retention = HubRetention(bus, intake, time.monotonic)

    def prepared(step: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """The step; after a failure of it the hub, which may be an empty one, is prepared first."""

        async def run() -> object:
            try:
                return await step()
            except BlindspotError:
                await prepare_hub(bus)
                raise

        return run

    await asyncio.gather(
        background.repeat("intake", 0.0, prepared(intake.read_batch)),
        background.repeat("checkpoints", EVENT_LOOP_PAUSE_S, intake.checkpoints.step),
        background.repeat("heartbeats", EVENT_LOOP_PAUSE_S, heartbeats.step),
        background.repeat("hub retention", HUB_RETENTION_EVERY_S, retention.step),
    )


async def _connected(link: Link) -> NatsBus:
    """The bus, as soon as there is a hub."""
    while True:
        try:
            return await NatsBus.connect(link, ack_wait_s=3.0)
        except BlindspotError:
            await asyncio.sleep(MAX_WAIT_S)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), Link(sys.argv[2], "cloud", credentials_path=sys.argv[3])))
