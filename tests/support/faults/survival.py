"""Reports sent while everything between node and database is killed or paused: which arrived, how often."""

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from messaging.trust.signing import Repository
from tests.support.brokers import running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids
from tests.support.edge.ledger_counts import report_entries
from tests.support.faults.fleet import FaultInjector, run_faults
from tests.support.faults.intake_program import IntakeProgram


@dataclass(frozen=True)
class Kills:
    """How often each process is killed; `disks`: how often the hub loses everything.

    `pauses`: how often one of the processes, in turn, is stopped for a time and continued (SIGSTOP).
    """

    hub: int = 0
    site: int = 0
    gate: int = 0
    intake: int = 0
    disks: int = 0
    pauses: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True)
class Survival:
    """What the database has of the reports that were sent.

    `lost`, `twice` and `foreign` are numbers of reports; `ledger` counts the entries of the site's ledger by
    kind; `log` lists the kills.
    """

    lost: int
    twice: int
    foreign: int
    ledger: dict[str, int]
    log: Sequence[str]


def compared(sent: Collection[str], arrived: Sequence[str]) -> tuple[int, int, int]:
    """How many of the ids that were sent are missing, come again, and how many ids nobody sent."""
    expected, there = set(sent), set(arrived)
    return len(expected - there), len(arrived) - len(there), len(there - expected)


def survival(folder: Path, kills: Kills, *, reports: int, seed: int) -> Survival:
    """Send so many reports through real brokers, gate and intake while they are killed at random moments."""
    with running_hub(folder) as hub, running_site(folder, "s1") as site:
        trust = Repository.create(folder / "releases").site_trust
        (folder / "trust.json").write_bytes(trust.to_bytes())
        settings = gate_settings(hub, site, folder, ack_wait_s=3.0, timeout_s=2.0, receipt_timeout_s=3.0)
        injector = FaultInjector(hub, site, settings, folder)
        intake = IntakeProgram(folder, hub)

        def kill_intake() -> None:
            injector.log.append("intake")
            intake.kill()

        def pause(turn: int) -> None:
            pids = {
                "hub": hub.broker.pid,
                "gate": injector.gate.pid,
                "site": site.broker.pid,
                "intake": intake.process.pid,
            }
            name = list(pids)[turn % len(pids)]
            injector.pause(name, pids[name])

        rounds: list[list[Callable[[], None]]] = [
            [injector.kill_hub] * kills.hub,
            [injector.kill_gate] * kills.gate,
            [injector.kill_site] * kills.site,
            [kill_intake] * kills.intake,
            [injector.replace_hub] * kills.disks,
            [partial(pause, turn) for turn in range(kills.pauses)],
        ]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*rounds))
        try:
            sent = asyncio.run(
                run_faults(injector, intake, reports=reports, kills=[one for one in turns if one], seed=seed)
            )
        finally:
            injector.stop()
            intake.stop()
        arrived = intake.ids()
        intake.close()
        lost, twice, foreign = compared(outgoing_ids(settings, sent), arrived)
        entries = report_entries(settings.data_folder / "ledger")
        return Survival(lost, twice, foreign, entries, tuple(injector.log))
