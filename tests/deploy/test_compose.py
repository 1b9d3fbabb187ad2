"""What the compose files promise: who mounts what, who may leave the site, and what answers outside."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import CloudSettings
from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from messaging.runtime.configuration_files import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.site.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CLOUD: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.cloud.yaml").read_text())["services"]
ENVIRONMENT = {"SITE": "harbour", "HUB": "tls://hub.example:4222"}


def mounts(service: str) -> dict[str, str]:
    """Mounts of a service: the place inside by what is mounted; `:ro` stays on read-only ones."""
    parts = (volume.rsplit(":/", 1) for volume in SERVICES[service]["volumes"])
    return {source.rsplit("}/", 1)[-1]: f"/{target}" for source, target in parts}


def test_only_the_gate_is_on_a_network_that_leaves_the_site() -> None:
    networks = COMPOSE["networks"]
    assert networks["site"] == {"internal": True}
    on_uplink = {name for name, service in SERVICES.items() if "uplink" in service.get("networks", ())}
    assert on_uplink == {"gate"}
    assert SERVICES["node"]["networks"] == ["site", "cameras"]
    assert SERVICES["broker"]["networks"] == ["site"]
    assert SERVICES["prepare"]["network_mode"] == "none"


def test_the_node_reads_the_mirror_and_the_gate_writes_it() -> None:
    assert mounts("node")["mirror"] == "/mirror:ro"
    assert mounts("gate")["mirror"] == "/mirror"
    assert "mirror" not in mounts("broker")


def test_the_hub_credential_is_seen_by_the_gate_alone() -> None:
    for file in ("hub.creds", "hub.pem"):
        assert {name for name in SERVICES if file in mounts(name)} == {"gate"}


def test_node_and_gate_each_get_only_their_own_seed() -> None:
    assert [m for m in mounts("node") if m.endswith(".nk")] == ["broker/node.nk"]
    assert [m for m in mounts("gate") if m.endswith(".nk")] == ["broker/gate.nk"]


@pytest.mark.parametrize("services", [SERVICES, CLOUD], ids=["site", "cloud"])
def test_every_program_is_unprivileged_and_cannot_change_its_image(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        assert service["user"] == "10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name


def test_nothing_of_a_site_answers_outside_and_of_the_cloud_only_the_hub() -> None:
    assert not [name for name, service in SERVICES.items() if "ports" in service]
    ports = [port for service in CLOUD.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["4222:4222"]


def test_the_page_reads_the_data_folder_and_the_cloud_writes_it() -> None:
    assert CLOUD["cloud"]["volumes"][0].endswith(":/data")
    assert [volume.rsplit("}", 1)[1] for volume in CLOUD["page"]["volumes"]] == [":/data:ro"]


def test_the_sample_configuration_of_the_cloud_is_valid() -> None:
    settings = load_settings(CloudSettings, DEPLOY / "cloud" / "cloud.yaml", {"HUB_HOST": "hub.example"})
    assert (settings.hub.port, settings.hub.advertised_host) == (4222, "hub.example")
    assert settings.hub_encrypted
    assert str(settings.folder.certificates / "server.pem") in CLOUD["page"]["command"]
    assert str(settings.data) == "/data"


def test_the_sample_configurations_are_valid_and_name_mounted_places() -> None:
    node = load_settings(NodeSettings, DEPLOY / "site" / "node.yaml", ENVIRONMENT)
    gate = load_settings(GateSettings, DEPLOY / "site" / "gate.yaml", ENVIRONMENT)
    inside_node = {target.removesuffix(":ro") for target in mounts("node").values()}
    inside_gate = {target.removesuffix(":ro") for target in mounts("gate").values()}
    assert {str(node.data), str(node.mirror), str(node.trust), str(node.broker.credentials)} <= inside_node
    of_hub = {str(path) for path in (gate.hub_credentials, gate.hub_ca, gate.hub_certificate)}
    assert {str(gate.data_folder), str(gate.mirror_folder), *of_hub} <= inside_gate
    assert node.site == gate.site == "harbour"
