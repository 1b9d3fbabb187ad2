"""The gate's page: it answers before there is a broker, says why it is not ready, counts what leaves."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ulid import ULID

from edge.gate.page import GatePage
from edge.gate.settings import GateSettings
from messaging.errors import StartRefused
from messaging.nats.blobs import NatsBlobs
from messaging.nats.broker import free_port
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import TUF_BUCKET, report_subject
from messaging.runtime.start_checks import listen_on
from messaging.wire_format.codec import Message, encode, kind_of
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, start_gate
from tests.support.messaging.samples import HAZARD, dated
from tests.support.waiting import wait_until


def _get(settings: GateSettings, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{settings.page_port}{path}", timeout=5.0, trust_env=False)


def _answers(settings: GateSettings) -> bool:
    try:
        return _get(settings, "/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _reasons(settings: GateSettings) -> list[str]:
    answer = _get(settings, "/readyz")
    content = answer.json()
    assert (answer.status_code == 200) is content["ready"] is (not content["reasons"])
    return list(content["reasons"])


def _samples(settings: GateSettings) -> dict[tuple[str, ...], float]:
    """Samples by name, without the prefix, and label values."""
    families = text_string_to_metric_families(_get(settings, "/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return {(s.name.removeprefix("blindspot_edge_"), *s.labels.values()): s.value for s in samples}


async def _report(hub: Hub, site: Site) -> None:
    cloud = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(cloud, NatsBlobs(cloud), NatsBlobs(cloud, TUF_BUCKET, prefix="", max_bytes=2**24))
    gate, node = await NatsBus.connect(site.gate_link()), await NatsBus.connect(site.node_link())
    await prepare_site(gate, site.name, max_bytes=2**24)
    message_id = str(ULID())
    data = encode(Message(message_id, site.name, int(time.time()), dated(HAZARD, time.time())))
    await node.publish(report_subject(site.name, kind_of(HAZARD), message_id), data, message_id=message_id)
    for bus in (cloud, gate, node):
        await bus.close()


@contextmanager
def _running(settings: GateSettings, folder: Path) -> Iterator[None]:
    gate = start_gate(settings, folder)
    try:
        wait_until(lambda: _answers(settings), what="the page answers")
        yield
    finally:
        gate.send_signal(signal.SIGTERM)
        assert gate.wait(15) == 0, (folder / "gate.log").read_text()


@pytest.mark.broker
def test_the_page_names_the_broker_that_is_missing_and_counts_what_the_ledger_lists(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        settings = gate_settings(hub, site, tmp_path, timeout_s=1.0, page_port=free_port())
        asyncio.run(_report(hub, site))
        hub.broker.stop()
        with _running(settings, tmp_path):
            missing = "the gate is not connected to the hub yet: "
            wait_until(lambda: any(why.startswith(missing) for why in _reasons(settings)))
            hub.broker.start()
            wait_until(lambda: _samples(settings).get(("gate_forwarded_messages_total", "hazard")) == 1.0, 30)
            wait_until(lambda: _samples(settings).get(("gate_queued_messages", "hazards")) == 0.0)
            found = _samples(settings)
            lines = (settings.data_folder / "ledger" / "ledger.jsonl").read_text().splitlines()
            listed = sum(e["length_bytes"] for e in map(json.loads, lines) if e["kind"] == "hazard")
            assert found["egress_bytes_total", "hazard"] == listed > 0
            assert found["egress_messages_total", "hazard"] == 1.0
            assert found["gate_send_seconds_count", "hazards"] == 1.0
            assert found["gate_connected", "hub"] == 1.0
            wait_until(lambda: _reasons(settings) == [])
            site.broker.stop()
            wait_until(lambda: "the site's broker does not answer" in _reasons(settings))
            wait_until(lambda: ("gate_queued_messages", "hazards") not in _samples(settings))
            assert _samples(settings)["gate_connected", "site"] == 0.0
    assert "Traceback" not in (tmp_path / "gate.log").read_text()


@pytest.mark.broker
def test_a_gate_whose_secrets_others_may_read_names_and_counts_them_and_forwards(tmp_path: Path) -> None:
    with running_hub(tmp_path, encrypted=True) as hub, running_site(tmp_path, "s1") as site:
        settings = gate_settings(hub, site, tmp_path, page_port=free_port())
        assert settings.hub_certificate is not None
        copy = settings.data_folder / "hub.creds"
        copy.parent.mkdir()
        copy.write_bytes(settings.hub_credentials.read_bytes())
        secrets = {
            "site_credentials": settings.site_credentials,
            "hub_credentials": settings.hub_credentials,
            "renewed hub_credentials": copy,
            "hub_certificate": settings.hub_certificate,
        }
        for path in secrets.values():
            path.chmod(0o644)
        asyncio.run(_report(hub, site))
        with _running(settings, tmp_path):
            wait_until(lambda: _samples(settings).get(("gate_forwarded_messages_total", "hazard")) == 1.0, 60)
            assert _samples(settings)["secrets_readable_by_others",] == 4.0
    log = (tmp_path / "gate.log").read_text()
    for name, path in secrets.items():
        sentence = f"{name}: {path} has mode 0644; others may read it: chmod 600 {path}\n"
        assert log.count(f" {sentence}") == 1, log


def test_a_page_whose_port_is_taken_is_refused_and_without_a_port_there_is_none(tmp_path: Path) -> None:
    values = {
        "site": "s1",
        "site_url": "nats://127.0.0.1:1",
        "site_credentials": tmp_path / "site.nk",
        "hub_url": "nats://127.0.0.1:1",
        "hub_credentials": tmp_path / "hub.creds",
        "data_folder": tmp_path / "gate",
        "mirror_folder": tmp_path / "mirror",
        "trust": tmp_path / "trust.json",
    }
    with GatePage().served(GateSettings.model_validate(values)):
        pass
    with listen_on("a test", "127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        settings = GateSettings.model_validate({**values, "page_port": port})
        with (
            pytest.raises(StartRefused, match=rf"^page_port 127.0.0.1:{port}: Address already in use"),
            GatePage().served(settings),
        ):
            pass
