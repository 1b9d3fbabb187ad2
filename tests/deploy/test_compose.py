"""What the compose file of a site promises: who mounts what, and who alone may leave the site."""

from pathlib import Path
from typing import Any

import yaml

from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from messaging.runtime.configuration_files import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.site.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENVIRONMENT = {"SITE": "harbour", "HUB": "nats://hub.example:4222"}


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
    holders = {name for name in SERVICES if "hub.creds" in mounts(name)}
    assert holders == {"gate"}


def test_node_and_gate_each_get_only_their_own_seed() -> None:
    assert [m for m in mounts("node") if m.endswith(".nk")] == ["broker/node.nk"]
    assert [m for m in mounts("gate") if m.endswith(".nk")] == ["broker/gate.nk"]


def test_every_program_is_unprivileged_and_cannot_change_its_image() -> None:
    for name, service in SERVICES.items():
        assert service["user"] == "10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "ports" not in service, name


def test_the_sample_configurations_are_valid_and_name_mounted_places() -> None:
    node = load_settings(NodeSettings, DEPLOY / "site" / "node.yaml", ENVIRONMENT)
    gate = load_settings(GateSettings, DEPLOY / "site" / "gate.yaml", ENVIRONMENT)
    inside_node = {target.removesuffix(":ro") for target in mounts("node").values()}
    inside_gate = {target.removesuffix(":ro") for target in mounts("gate").values()}
    assert {str(node.data), str(node.mirror), str(node.trust), str(node.broker.credentials)} <= inside_node
    assert {str(gate.data_folder), str(gate.mirror_folder), str(gate.hub_credentials)} <= inside_gate
    assert node.site == gate.site == "harbour"
