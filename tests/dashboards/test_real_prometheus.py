"""A real Prometheus with the shipped configuration scrapes a running cloud and evaluates the alert rules."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from messaging.nats.broker import free_port
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.dashboards.queries import RULES, SCRAPES, rules
from tests.support.waiting import wait_until


class RealPrometheus:
    """The HTTP API of a Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; empty while nothing answers."""
        try:
            answer = httpx.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=5.0, trust_env=False)
        except httpx.TransportError:
            return {}
        return answer.json().get("data", {}) if answer.status_code == 200 else {}

    def values(self, expression: str) -> list[float]:
        """The values of an expression now."""
        return [float(one["value"][1]) for one in self.get("query", query=expression).get("result", ())]


@contextmanager
def prometheus_of(target: str, folder: Path) -> Iterator[RealPrometheus]:
    """Prometheus with the configuration for the cloud, with its address and a shorter interval."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed; `apt-get install prometheus` runs this test too")
    shutil.copy(RULES, folder)
    configuration = yaml.safe_load(SCRAPES[0].read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    listen = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={folder / 'prometheus.yaml'}", f"--web.listen-address={listen}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--storage.tsdb.path={folder / 'data'}"], stdout=log, stderr=log
        )
    try:
        yield RealPrometheus(f"http://{listen}")
    finally:
        process.terminate()
        process.wait(20.0)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_real_prometheus_scrapes_the_cloud_and_an_alert_fires(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    with running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)) as cloud:
        target = json.loads(settings.folder.address.read_text())["url"].removeprefix("http://")
        with prometheus_of(target, tmp_path) as prometheus:
            wait_until(lambda: prometheus.values('up{job="blindspot-cloud"}') == [1.0], 60.0)
            wait_until(lambda: prometheus.values('blindspot_cloud_sites{state="online"}') == [1.0], 60.0)
            shipped = {rule["alert"] for rule in rules()}
            loaded = prometheus.get("rules").get("groups", ())
            assert {rule["name"] for group in loaded for rule in group["rules"]} == shipped
            assert all(rule["health"] != "err" for group in loaded for rule in group["rules"])
            refused = next(rule["expr"] for rule in rules() if rule["alert"] == "BlindspotReportsRefused")
            assert prometheus.values(refused) == []
            before = prometheus.values("sum(blindspot_cloud_reports_refused_total)")
            assert cloud.parts is not None
            cloud.parts.metrics.reports_refused.labels(kind="report", reason="time").inc()
            wait_until(lambda: prometheus.values(refused) != [], 60.0, "the refused report raises the alert")
            assert before == [0.0]
