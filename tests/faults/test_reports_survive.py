"""Promise 1: no accepted report is lost and none is counted twice, whatever is killed on the way."""

import asyncio
import itertools
from pathlib import Path

import pytest

from edge.gate.ledger import verify
from tests.support.brokers import running_hub, running_site
from tests.support.edge.gates import gate_settings
from tests.support.faults.fleet import Consumer, Nemesis, run_faults

pytestmark = pytest.mark.broker


def _survives(folder: Path, *, reports: int, hub: int, gate: int, site: int, seed: int) -> None:
    with running_hub(folder) as the_hub, running_site(folder, "s1") as the_site:
        settings = gate_settings(the_hub, the_site, folder, ack_wait_s=3.0, timeout_s=2.0)
        nemesis = Nemesis(the_hub, the_site, settings, folder)
        consumer = Consumer(folder / "store.sqlite", the_hub)
        rounds = itertools.zip_longest(
            [nemesis.kill_hub] * hub, [nemesis.kill_gate] * gate, [nemesis.kill_site] * site
        )
        kills = [kill for kills in rounds for kill in kills if kill is not None]
        try:
            sent = asyncio.run(run_faults(nemesis, consumer, reports=reports, kills=kills, seed=seed))
        finally:
            nemesis.stop()
        arrived = consumer.ids()
        assert len(nemesis.log) == hub + gate + site, nemesis.log
        assert set(arrived) == sent, f"seed {seed}, kills {nemesis.log}"
        assert len(arrived) == len(set(arrived)) == reports
        summary = verify(settings.data_folder / "ledger")
        counts = {kind: total.count for kind, total in summary.by_kind.items()}
        assert counts == {"hazard": (reports + 3) // 4, "misdetection": reports - (reports + 3) // 4}


def test_three_hundred_reports_survive_the_death_of_hub_and_gate(tmp_path: Path) -> None:
    _survives(tmp_path, reports=300, hub=1, gate=1, site=0, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_reports_survive_eight_deaths(tmp_path: Path) -> None:
    _survives(tmp_path, reports=2000, hub=3, gate=3, site=2, seed=2)
