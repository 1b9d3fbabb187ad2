"""Units and policies let each program of a site reach what it must, and are of the right form."""

import configparser
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
POLICIES = DEPLOY / "kubernetes" / "network-policies.yaml"
BROKER_PORT = [{"protocol": "TCP", "port": 4222}]


def _service(path: Path) -> dict[str, str]:
    found = configparser.ConfigParser(interpolation=None, strict=True)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd keep their case
    found.read_string(path.read_text())
    return dict(found["Service"])


def _policies() -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(POLICIES.read_text())}


def _program(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"blindspot.program": name}}}


def test_there_is_a_unit_for_each_program_of_a_site() -> None:
    assert [path.name.split("@")[0] for path in UNITS] == [
        "blindspot-broker",
        "blindspot-gate",
        "blindspot-node",
    ]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_reaches_this_machine_alone_until_an_address_is_added(path: Path) -> None:
    service = _service(path)
    assert service["IPAddressDeny"] == "any"
    assert service["IPAddressAllow"] == "localhost"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"


def test_no_two_programs_share_a_user_or_a_folder_that_they_may_write() -> None:
    services = [_service(path) for path in UNITS]
    assert len({one["User"] for one in services}) == len(services)
    written = [folder for one in services for folder in one["ReadWritePaths"].split()]
    assert len(set(written)) == len(written)


def test_node_and_gate_read_a_seed_of_their_own_folder() -> None:
    environment = {path.name.split("@")[0]: _service(path).get("Environment") for path in UNITS}
    assert environment == {
        "blindspot-broker": None,
        "blindspot-gate": "BLINDSPOT__SITE_CREDENTIALS=gate/broker.nk",
        "blindspot-node": "BLINDSPOT__BROKER__CREDENTIALS=node/broker.nk",
    }


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_a_unit(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed; Debian's systemd has it")
    for unit in UNITS:  # the others are named as those before and after
        text = unit.read_text().replace("/opt/blindspot/bin/blindspot-edge", shutil.which("true") or "")
        (tmp_path / unit.name.replace("@", "@harbour")).write_text(text)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name.replace("@", "@harbour"))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    about = [line for line in done.stderr.splitlines() if "blindspot" in line]
    assert (done.returncode, about) == (0, []), done.stderr


def test_every_pod_of_a_site_reaches_nothing_by_default() -> None:
    default = _policies()["nothing-by-default"]
    assert default == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_broker_is_reached_by_node_and_gate_and_reaches_nothing() -> None:
    broker = _policies()["broker"]
    assert "egress" not in broker
    (rule,) = broker["ingress"]
    assert (rule["from"], rule["ports"]) == ([_program("node"), _program("gate")], BROKER_PORT)


@pytest.mark.parametrize(("program", "outside"), [("node", "192.168.40.0/24"), ("gate", "203.0.113.7/32")])
def test_node_and_gate_reach_the_broker_and_one_address(program: str, outside: str) -> None:
    policy = _policies()[program]
    assert "ingress" not in policy
    assert policy["podSelector"] == _program(program)["podSelector"]
    to_broker, to_outside = policy["egress"]
    assert (to_broker["to"], to_broker["ports"]) == ([_program("broker")], BROKER_PORT)
    assert to_outside["to"] == [{"ipBlock": {"cidr": outside}}]
