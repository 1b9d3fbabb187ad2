"""The measurement of heartbeats: a small run over a real hub, and growth that is seen."""

import asyncio
from pathlib import Path

import pytest

from tests.support.brokers import running_hub
from tests.support.figures.heartbeats import HeartbeatRun, Run, figures, growth

MIB = 2**20


@pytest.mark.broker
@pytest.mark.slow
def test_heartbeats_of_a_small_fleet_are_stored_beside_reports(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        run = asyncio.run(HeartbeatRun(tmp_path, hub, 20).measured(3.0))
    assert run.stored == 20
    assert run.waits_s
    assert min(run.intake_bytes) > MIB
    assert min(run.hub_bytes) > MIB


def test_memory_that_grows_is_seen_and_the_filling_of_caches_is_not() -> None:
    assert growth([50.0, 90.0, *[100.0] * 8]) == 0.0
    assert growth([100.0 + n for n in range(100)]) == 60.0


def test_a_report_that_waited_a_site_that_is_missing_and_a_leak_miss_their_targets() -> None:
    leak = [n * MIB for n in range(100, 200)]
    run = Run(100, 10.0, 9, [0.1] * 99 + [1.5], leak, leak)
    missed = {one.name for one in figures(run, 10) if one.holds is False}
    assert missed == {
        "heartbeat_sites_stored",
        "report_longest_wait_s",
        "intake_memory_growth_mib",
        "hub_memory_growth_mib",
    }
