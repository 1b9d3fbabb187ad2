"""What the compose files promise: who mounts what, who may leave the site, and what answers outside."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import CloudSettings
from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from messaging.runtime.configuration_files import load_settings
from tests.support.site_folders import made_site_folder

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.site.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CLOUD: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.cloud.yaml").read_text())["services"]


def mounts(service: str) -> dict[str, str]:
    """Mounts of a service: the place inside by what is mounted; `:ro` stays on read-only ones."""
    found: dict[str, str] = {}
    for volume in SERVICES[service]["volumes"]:
        if isinstance(volume, str):
            source, target = volume.split(":", 1)
        else:
            source = volume["source"].removeprefix("./${SITE}/")
            target = volume["target"] + (":ro" if volume.get("read_only") else "")
        found[source] = target
    return found


def test_only_the_gate_is_on_a_network_that_leaves_the_site() -> None:
    networks = COMPOSE["networks"]
    assert networks["site"] == {"internal": True}
    on_uplink = {name for name, service in SERVICES.items() if "uplink" in service.get("networks", ())}
    assert on_uplink == {"gate"}
    assert SERVICES["node"]["networks"] == ["site", "cameras"]
    assert SERVICES["broker"]["networks"] == ["site"]
    assert SERVICES["prepare"]["network_mode"] == "none"


def test_the_node_reads_the_mirror_and_the_gate_writes_it() -> None:
    assert mounts("node")["mirror"] == "/site/mirror:ro"
    assert mounts("gate")["mirror"] == "/site/mirror"
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
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == [
        "${HUB_ADDRESS:-0.0.0.0}:4222:4222"
    ]


def test_the_page_reads_the_data_folder_and_the_cloud_writes_it() -> None:
    written = {v["target"]: v.get("read_only", False) for v in CLOUD["cloud"]["volumes"]}
    assert written == {"/data": False, "/etc/blindspot/cloud.yaml": True}
    assert [(v["source"], v["target"], v["read_only"]) for v in CLOUD["page"]["volumes"]] == [
        ("./cloud", "/data", True)
    ]


@pytest.mark.parametrize("services", [SERVICES, CLOUD], ids=["site", "cloud"])
def test_a_forgotten_step_is_refused_instead_of_mounting_a_new_folder_of_root(
    services: dict[str, dict[str, Any]],
) -> None:
    mounted = [v for service in services.values() for v in service["volumes"] if not isinstance(v, str)]
    assert mounted
    assert all(volume["bind"]["create_host_path"] is False for volume in mounted)


def test_the_sample_configuration_of_the_cloud_is_valid() -> None:
    settings = load_settings(CloudSettings, DEPLOY / "cloud.yaml", {"HUB_HOST": "hub.example"})
    assert (settings.hub.port, settings.hub.advertised_host) == (4222, "hub.example")
    assert settings.hub_encrypted
    assert str(settings.folder.certificates / "server.pem") in CLOUD["page"]["command"]
    assert str(settings.data) == "/data"


def test_a_site_of_containers_runs_from_the_folder_that_sites_add_makes(tmp_path: Path) -> None:
    made = made_site_folder(tmp_path, "quay=rtsp://camera/street")
    node = load_settings(NodeSettings, made / "node.yaml", SERVICES["node"]["environment"])
    gate = load_settings(GateSettings, made / "gate.yaml", SERVICES["gate"]["environment"])
    assert node.broker.url == gate.site_url == "nats://broker:4222"
    inside_node = {target.removesuffix(":ro") for target in mounts("node").values()}
    inside_gate = {target.removesuffix(":ro") for target in mounts("gate").values()}
    named_by_node = (node.data, node.mirror, node.trust, node.broker.credentials)
    of_hub = (gate.hub_credentials, gate.hub_ca, gate.hub_certificate)
    named_by_gate = (gate.data_folder, gate.mirror_folder, gate.site_credentials, *of_hub)
    assert {f"/site/{path}" for path in named_by_node} <= inside_node
    assert {f"/site/{path}" for path in named_by_gate} <= inside_gate
