"""A bad network between a site and the hub: no report is lost or counted twice, downloads resume."""

import asyncio
from pathlib import Path

import pytest

from tests.support.brokers import running_hub
from tests.support.faults.tcp_proxy import tcp_proxy
from tests.support.figures.bad_link import arrival
from tests.support.figures.slow_download import MODEL_BYTES, downloaded

pytestmark = pytest.mark.broker


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_reports_arrive_once_by_a_slow_link_that_is_reset_and_goes_silent(tmp_path: Path) -> None:
    found = arrival(tmp_path, reports=200, silent_s=3.0, seed=1)
    assert found.resets > 0, "the network was not bad"
    assert found.connections > 2
    assert (found.lost, found.twice, found.foreign) == (0, 0, 0), "seed 1"
    assert found.link_bytes > found.report_bytes > 0


def test_a_model_that_is_cut_off_eight_times_costs_a_fifth_more_at_most(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub, tcp_proxy(hub.port) as proxy:
        hub.enrol("s1")
        proxy.faults.bytes_per_s = 4e6
        data = asyncio.run(downloaded(hub, proxy, cuts=8))
        assert len(data) == MODEL_BYTES
        assert proxy.connections > 8
        assert proxy.to_client_bytes <= 1.2 * MODEL_BYTES
