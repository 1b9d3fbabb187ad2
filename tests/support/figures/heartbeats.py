"""`python -m tests.support.figures.heartbeats`: heartbeats of 10,000 sites for ten minutes, and reports.

A real hub, and the cloud's tasks that read it as a process of its own, with a database of SQLite. Heartbeats
are sent as fast as this machine makes them, at most one of each site every ten seconds, as gates do.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from cloud.store.database import Database, open_database
from cloud.store.report_records import Site, SiteHeartbeat, StoredReport
from messaging.figures import Figure
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS
from messaging.receipts import START
from messaging.runtime.quoting import sqlite_url
from messaging.trust.signing import Repository
from messaging.trust.site_signatures import SiteKey
from messaging.wire_format.codec import encode
from tests.support.brokers import Hub, running_hub
from tests.support.cloud.sample_reports import heartbeat, message, misdetection
from tests.support.faults.intake_program import STORE, IntakeProgram
from tests.support.figures.writing import written
from tests.support.messaging.samples import dated
from tests.support.messaging.site_keys import publish_signed, site_key
from tests.support.waiting import eventually

SITES, EVERY_S, AT_ONCE = 10_000, 10.0, 50
SAMPLE_S, REPORT_S = 2.0, 0.25
REPORTING_SITE = "reporting"
STORED_WITHIN_S = 600.0
MIB = 2**20


@dataclass
class Run:
    """What is measured while heartbeats arrive: memory in bytes, waits of reports in seconds."""

    sent: int = 0
    seconds: float = 0.0
    stored: int = 0
    waits_s: list[float] = field(default_factory=list)
    intake_bytes: list[int] = field(default_factory=list)
    hub_bytes: list[int] = field(default_factory=list)


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in use now."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} states no memory; it has ended")


class HeartbeatRun:
    """One run over a hub; every site has the same key."""

    def __init__(self, folder: Path, hub: Hub, sites: int) -> None:
        self._folder, self._hub = folder, hub
        self._sites = [f"site-{number:05}" for number in range(sites)]
        self._key = site_key("all").key
        self._database = open_database(sqlite_url(folder / STORE))
        Repository.create(folder / "releases")
        with self._database.writing() as session:
            rows = [Site(site, 0, key=self._key.public.public_hex) for site in self._sites]
            self._database.add_all(session, rows)
        self._run = Run()

    async def measured(self, seconds: float) -> Run:
        """Heartbeats for so long, counted from when every site's first one is stored."""
        cloud = await NatsBus.connect(self._hub.cloud_link())
        await prepare_hub(cloud)
        intake = IntakeProgram(self._folder, self._hub)
        sending = asyncio.create_task(self._send_for_ever(cloud))
        try:
            await eventually(lambda: stored_sites(self._database) == len(self._sites), STORED_WITHIN_S)
            self._run.sent, began = 0, time.monotonic()
            until = began + seconds
            await asyncio.gather(
                self._report_until(until, cloud), self._sample_until(until, intake.process.pid)
            )
            self._run.seconds = time.monotonic() - began
            self._run.stored = stored_sites(self._database)
            assert not sending.done(), "the sites have stopped"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            intake.close()
            await cloud.close()
            self._database.close()
        return self._run

    async def _send_for_ever(self, bus: NatsBus) -> None:
        beats = 0
        while True:
            began, beats = time.monotonic(), beats + 1
            for first in range(0, len(self._sites), AT_ONCE):
                await asyncio.gather(
                    *(self._beat(bus, site, beats) for site in self._sites[first : first + AT_ONCE])
                )
            await asyncio.sleep(max(0.0, began + EVERY_S - time.monotonic()))

    async def _beat(self, bus: NatsBus, site: str, number: int) -> None:
        beat = encode(message(heartbeat(uptime_s=10 * number), site, at=int(time.time())))
        await bus.put_latest(HEARTBEATS, site, SiteKey(site, self._key).heartbeat_value(START, beat))
        self._run.sent += 1

    async def _report_until(self, until_s: float, bus: NatsBus) -> None:
        """One report after the other: how long each waits from the hub's acknowledgement to the database."""
        while time.monotonic() < until_s:
            report = message(dated(misdetection(), time.time()), REPORTING_SITE, at=int(time.time()))
            await publish_signed(bus, report)
            began = time.monotonic()
            while not is_stored(self._database, report.id):
                assert time.monotonic() - began < STORED_WITHIN_S, "a report is not stored"
                await asyncio.sleep(0.005)
            self._run.waits_s.append(time.monotonic() - began)
            await asyncio.sleep(REPORT_S)

    async def _sample_until(self, until_s: float, intake: int) -> None:
        while time.monotonic() < until_s:
            self._run.intake_bytes.append(resident_bytes(intake))
            if (hub := self._hub.broker.pid) is not None:
                self._run.hub_bytes.append(resident_bytes(hub))
            await asyncio.sleep(SAMPLE_S)


def stored_sites(database: Database) -> int:
    """How many sites have a heartbeat in the database."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(SiteHeartbeat)) or 0


def is_stored(database: Database, message_id: str) -> bool:
    """Whether a report is in the database."""
    with database.reading() as session:
        wanted = select(StoredReport.message_id).where(
            StoredReport.site == REPORTING_SITE, StoredReport.message_id == message_id
        )
        return session.scalar(wanted) is not None


def growth(samples: Sequence[float]) -> float:
    """By how much the median of the last fifth is above that of the second one; the first fills caches."""
    fifth = max(1, len(samples) // 5)
    before, after = samples[fifth : 2 * fifth] or samples, samples[-fifth:]
    return statistics.median(after) - statistics.median(before)


def figures(run: Run, sites: int) -> list[Figure]:
    """The figures of a run."""
    waits = sorted(run.waits_s)
    return [
        Figure("heartbeats_per_s", run.sent / run.seconds, "heartbeats/s", n=sites),
        Figure("heartbeat_minutes", run.seconds / 60, "min", n=sites),
        Figure("heartbeat_sites_stored", run.stored, "sites", f"= {sites}", n=sites),
        Figure("report_longest_wait_s", waits[-1], "s", "<= 1", n=len(waits)),
        Figure("report_p99_wait_s", waits[int(0.99 * (len(waits) - 1))], "s", n=len(waits)),
        Figure("report_median_wait_s", statistics.median(waits), "s", n=len(waits)),
        Figure("intake_memory_start_mib", run.intake_bytes[0] / MIB, "MiB", n=sites),
        Figure("intake_memory_end_mib", run.intake_bytes[-1] / MIB, "MiB", n=sites),
        Figure("intake_memory_growth_mib", growth(run.intake_bytes) / MIB, "MiB", "<= 10", n=sites),
        Figure("hub_memory_start_mib", run.hub_bytes[0] / MIB, "MiB", n=sites),
        Figure("hub_memory_end_mib", run.hub_bytes[-1] / MIB, "MiB", n=sites),
        Figure("hub_memory_growth_mib", growth(run.hub_bytes) / MIB, "MiB", "<= 10", n=sites),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.heartbeats", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sites", type=int, default=SITES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_hub(Path(name)) as hub:
        run = asyncio.run(HeartbeatRun(Path(name), hub, given.sites).measured(60.0 * given.minutes))
    return written(given.out, figures(run, given.sites))


if __name__ == "__main__":
    sys.exit(main())
