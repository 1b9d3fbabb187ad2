"""A bad network between a site and the hub: no report is lost or counted twice, downloads resume."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.brokers import running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids
from tests.support.faults.fleet import CloudIntake, FaultInjector, run_faults
from tests.support.faults.tcp_proxy import TcpFaults, TcpProxy, tcp_proxy
from tests.support.figures.slow_download import MODEL_BYTES, downloaded

pytestmark = pytest.mark.broker

BAD = TcpFaults(delay_s=0.3, jitter_s=0.2, resets=0.05, bytes_per_s=64_000.0)


def _goes_silent(proxy: TcpProxy, for_s: float) -> Callable[[], None]:
    def begin() -> None:
        proxy.faults.silent = True
        threading.Timer(for_s, end).start()

    def end() -> None:
        proxy.faults.silent = False

    return begin


def _all_arrive(folder: Path, *, reports: int, silent_s: float, seed: int) -> None:
    with (
        running_hub(folder) as hub,
        running_site(folder, "s1") as site,
        tcp_proxy(hub.port, seed=seed) as proxy,
    ):
        proxy.faults = TcpFaults(**vars(BAD))
        settings = gate_settings(
            hub, site, folder, hub_url=f"nats://127.0.0.1:{proxy.port}", receipt_timeout_s=10.0
        )
        injector, consumer = FaultInjector(hub, site, settings, folder), CloudIntake(folder / "db", hub)
        events = [_goes_silent(proxy, silent_s)]
        try:
            sent = asyncio.run(run_faults(injector, consumer, reports=reports, kills=events, seed=seed))
        finally:
            injector.stop()
        arrived = consumer.ids()
        consumer.close()
        assert proxy.resets > 0, "the network was not bad"
        assert proxy.connections > 2
        assert set(arrived) == set(outgoing_ids(settings, sent)), f"seed {seed}"
        assert len(arrived) == len(set(arrived)) == reports


@pytest.mark.slow
def test_reports_arrive_once_by_a_slow_link_that_is_reset_and_goes_silent(tmp_path: Path) -> None:
    _all_arrive(tmp_path, reports=200, silent_s=3.0, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_thousand_reports_arrive_once_by_such_a_link(tmp_path: Path) -> None:
    _all_arrive(tmp_path, reports=10_000, silent_s=60.0, seed=2)


def test_a_model_that_is_cut_off_eight_times_costs_a_fifth_more_at_most(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub, tcp_proxy(hub.port) as proxy:
        hub.enrol("s1")
        proxy.faults.bytes_per_s = 4e6
        data = asyncio.run(downloaded(hub, proxy, cuts=8))
        assert len(data) == MODEL_BYTES
        assert proxy.connections > 8
        assert proxy.to_client_bytes <= 1.2 * MODEL_BYTES
