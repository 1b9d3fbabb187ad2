"""`python -m tests.support.figures.bad_link`: what becomes of reports by a link with every fault.

The link has a delay of 300 ms plus or minus 200 and 64 kB a second, one piece of 4 KiB in twenty ends its
connection with a reset, and once its connections go silent without an end. Real brokers, the real gate and
intake; each report is a message of its own.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.gate.ledger_entries import verify
from messaging.figures import Figure
from messaging.trust.signing import Repository
from tests.support.brokers import running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids
from tests.support.edge.ledger_counts import OTHERS
from tests.support.faults.fleet import FaultInjector, run_faults
from tests.support.faults.intake_program import IntakeProgram
from tests.support.faults.survival import compared
from tests.support.faults.tcp_proxy import TcpFaults, TcpProxy, tcp_proxy
from tests.support.figures.writing import written

BAD = TcpFaults(delay_s=0.3, jitter_s=0.2, resets=0.05, bytes_per_s=64_000.0)
SHIPPED = {"poll_s": 30.0, "heartbeat_s": 10.0, "receipt_s": 5.0, "receipt_timeout_s": 60.0}
"""The gate's intervals as they are shipped, which decide how many bytes it writes beside reports."""


@dataclass(frozen=True)
class Arrival:
    """What became of the reports of one run.

    Attributes:
        lost, twice, foreign: reports that did not arrive, came again, or were not sent.
        link_bytes: what passed the link towards the hub, encryption and framing of TCP left out.
        report_bytes: of the reports, as the ledger lists them, once each.
        connections, resets: of the link.
        seconds: from the first report until all had arrived.
    """

    lost: int
    twice: int
    foreign: int
    link_bytes: int
    report_bytes: int
    connections: int
    resets: int
    seconds: float


def arrival(folder: Path, *, reports: int, silent_s: float, seed: int) -> Arrival:
    """Send reports by the bad link, which is silent once for `silent_s`, and wait for all of them."""
    with (
        running_hub(folder) as hub,
        running_site(folder, "s1") as site,
        tcp_proxy(hub.port, seed=seed) as proxy,
    ):
        proxy.faults = TcpFaults(**vars(BAD))
        trust = Repository.create(folder / "releases").site_trust
        (folder / "trust.json").write_bytes(trust.to_bytes())
        settings = gate_settings(hub, site, folder, **SHIPPED, hub_url=f"nats://127.0.0.1:{proxy.port}")
        injector, intake = FaultInjector(hub, site, settings, folder), IntakeProgram(folder, hub)
        events, began_s = [_goes_silent(proxy, silent_s)], time.monotonic()
        try:
            running = run_faults(
                injector, intake, reports=reports, kills=events, seed=seed, patience_s=60.0 + silent_s
            )
            sent = outgoing_ids(settings, asyncio.run(running))
            seconds = time.monotonic() - began_s
        finally:
            injector.stop()
            intake.stop()
        lost, twice, foreign = compared(sent, intake.ids())
        intake.close()
        listed = verify(settings.data_folder / "ledger").by_kind
        return Arrival(
            lost=lost,
            twice=twice,
            foreign=foreign,
            link_bytes=proxy.to_server_bytes,
            report_bytes=sum(total.bytes for kind, total in listed.items() if kind not in OTHERS),
            connections=proxy.connections,
            resets=proxy.resets,
            seconds=seconds,
        )


def _goes_silent(proxy: TcpProxy, for_s: float) -> Callable[[], None]:
    def begin() -> None:
        proxy.faults.silent = True
        threading.Timer(for_s, end).start()

    def end() -> None:
        proxy.faults.silent = False

    return begin


def figures(found: Arrival, reports: int) -> list[Figure]:
    """The figures of a run."""
    ratio = round(found.link_bytes / found.report_bytes, 2)
    return [
        Figure("bad_link_reports_lost", found.lost, "reports", "= 0", n=reports),
        Figure("bad_link_reports_twice", found.twice, "reports", "= 0", n=reports),
        Figure("bad_link_reports_foreign", found.foreign, "reports", "= 0", n=reports),
        Figure("bad_link_bytes_ratio", ratio, "bytes on the wire by bytes", n=reports),
        Figure("bad_link_resets", found.resets, "resets", ">= 1", n=reports),
        Figure("bad_link_s", round(found.seconds, 1), "s", n=reports),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.bad_link", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = arrival(Path(folder), reports=given.reports, silent_s=60.0, seed=given.seed)
    return written(given.out, figures(found, given.reports))


if __name__ == "__main__":
    sys.exit(main())
