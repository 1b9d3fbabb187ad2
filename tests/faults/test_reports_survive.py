"""No accepted report is lost and none is counted twice, whichever process is killed."""

import asyncio
import itertools
from pathlib import Path

import pytest

from edge.gate.ledger_entries import verify
from tests.support.brokers import running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids
from tests.support.faults.fleet import CloudIntake, FaultInjector, run_faults

pytestmark = pytest.mark.broker


def _survives(
    folder: Path, *, reports: int, hub: int, gate: int, site: int, seed: int, disks: int = 0
) -> None:
    with running_hub(folder) as the_hub, running_site(folder, "s1") as the_site:
        settings = gate_settings(
            the_hub, the_site, folder, ack_wait_s=3.0, timeout_s=2.0, receipt_timeout_s=3.0
        )
        injector = FaultInjector(the_hub, the_site, settings, folder)
        consumer = CloudIntake(folder / "store.sqlite", the_hub)
        rounds = itertools.zip_longest(
            [injector.kill_hub] * hub,
            [injector.kill_gate] * gate,
            [injector.kill_site] * site,
            [injector.replace_hub] * disks,
        )
        kills = [kill for kills in rounds for kill in kills if kill is not None]
        try:
            sent = asyncio.run(run_faults(injector, consumer, reports=reports, kills=kills, seed=seed))
        finally:
            injector.stop()
        arrived = consumer.ids()
        assert len(injector.log) == hub + gate + site + disks, injector.log
        assert set(arrived) == set(outgoing_ids(settings, sent)), f"seed {seed}, kills {injector.log}"
        assert len(arrived) == len(set(arrived)) == reports
        summary = verify(settings.data_folder / "ledger")
        counts = {kind: total.count for kind, total in summary.by_kind.items()}
        assert counts == {"hazard": (reports + 3) // 4, "misdetection": reports - (reports + 3) // 4}


def test_three_hundred_reports_survive_a_kill_of_hub_and_gate(tmp_path: Path) -> None:
    _survives(tmp_path, reports=300, hub=1, gate=1, site=0, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_reports_survive_eight_kills_and_two_lost_disks_of_the_hub(tmp_path: Path) -> None:
    _survives(tmp_path, reports=2000, hub=3, gate=3, site=2, seed=2, disks=2)
