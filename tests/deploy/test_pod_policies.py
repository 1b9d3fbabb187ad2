"""What the policies for Kubernetes allow each pod, by their semantics; no cluster enforces them here.

And the probe that ships for a real cluster: its pods have the labels of the programs, its script is run.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging.nats.broker import free_port
from tests.support.pod_policies import Policy, Target, may_connect, selects

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
POLICIES: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "network-policies.yaml").read_text()))
JOBS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "probe-site.yaml").read_text())["items"]
LABEL = "blindspot.program"
PODS = {**{name: {LABEL: name} for name in ("broker", "gate", "node")}, "stranger": {"app": "other"}}
HUB, API = "203.0.113.7", "10.96.0.1"


def _pod(name: str, port: int) -> Target:
    return Target(port, labels=tuple(PODS[name].items()))


TARGETS = {
    **{f"{name}:{port}": _pod(name, port) for name in PODS for port in (4222, 8222)},
    "hub:4222": Target(4222, address=HUB),
    "hub:443": Target(443, address=HUB),
    "address beside the hub": Target(4222, address="203.0.113.8"),
    "camera": Target(554, address="192.168.40.17"),
    "address beside the cameras": Target(554, address="192.168.41.17"),
    "names": Target(53, address="10.96.0.10", protocol="UDP"),
    "API of the cluster": Target(443, address=API),
    "metadata of the provider": Target(80, address="169.254.169.254"),
    "anywhere": Target(443, address="198.51.100.9"),
    "anywhere by IPv6": Target(443, address="2001:db8::9"),
}
ALLOWED = {
    ("gate", "broker:4222"),
    ("gate", "hub:4222"),
    ("node", "broker:4222"),
    ("node", "camera"),
}


def _connections(policies: Sequence[Policy]) -> set[tuple[str, str]]:
    return {
        (source, name)
        for source, labels in PODS.items()
        for name, target in TARGETS.items()
        if may_connect(policies, labels, target)
    }


def test_node_and_gate_reach_what_is_listed_and_no_pod_reaches_anything_else() -> None:
    assert _connections(POLICIES) == ALLOWED


def test_without_any_policy_every_pod_reaches_everything() -> None:
    assert len(_connections([])) == len(PODS) * len(TARGETS)


@pytest.mark.parametrize("removed", [one["metadata"]["name"] for one in POLICIES])
def test_each_policy_is_needed(removed: str) -> None:
    rest = [one for one in POLICIES if one["metadata"]["name"] != removed]
    found = _connections(rest)
    if removed == "nothing-by-default":
        assert ("stranger", "anywhere") in found
    else:
        assert found < ALLOWED


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        ({"egress": [{}]}, ("node", "anywhere by IPv6")),
        ({"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}, ("node", "API of the cluster")),
        ({"egress": [{"ports": [{"port": 400, "endPort": 450}]}]}, ("node", "hub:443")),
        ({"egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]}, ("node", "names")),
    ],
)
def test_one_policy_that_allows_more_is_found(change: dict[str, Any], opened: tuple[str, str]) -> None:
    wide = {"spec": {"podSelector": {"matchLabels": {LABEL: "node"}}, "policyTypes": ["Egress"], **change}}
    assert opened in _connections([*POLICIES, wide]) - ALLOWED


def test_an_exception_of_a_block_is_not_allowed() -> None:
    block = {"cidr": "198.51.100.0/24", "except": ["198.51.100.9/32"]}
    policy = {
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": block}]}]}
    }
    reached = [
        address for address in ("198.51.100.8", "198.51.100.9")
        if may_connect([policy], PODS["node"], Target(443, address=address))
    ]  # fmt: skip
    assert reached == ["198.51.100.8"]


def test_what_the_check_does_not_understand_is_refused() -> None:
    with pytest.raises(ValueError, match="matchExpressions"):
        selects({"matchExpressions": []}, {})
    anywhere = {"to": [{"namespaceSelector": {}}]}
    with pytest.raises(ValueError, match="namespaceSelector"):
        may_connect([{"spec": {"podSelector": {}, "egress": [anywhere]}}], {}, TARGETS["anywhere"])


def _job(program: str) -> tuple[dict[str, str], dict[str, Any]]:
    (job,) = (one for one in JOBS if one["metadata"]["name"] == f"probe-{program}")
    template = job["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return template["metadata"]["labels"], container


def _targets(container: dict[str, Any], variable: str) -> list[Target]:
    (value,) = (one["value"] for one in container["env"] if one["name"] == variable)
    broker = TARGETS["broker:4222"]
    value = value.replace("$(KUBERNETES_SERVICE_HOST)", API)
    pairs = [one.rpartition(":") for one in value.split()]
    return [
        broker if host == "$(BROKER_SERVICE_HOST)" else Target(int(port), address=host)
        for host, _, port in pairs
    ]


@pytest.mark.parametrize("program", ["broker", "gate", "node"])
def test_a_probe_is_under_the_policies_of_its_program_and_asks_for_what_they_say(program: str) -> None:
    labels, container = _job(program)
    selecting = {one["metadata"]["name"] for one in POLICIES if selects(one["spec"]["podSelector"], labels)}
    assert selecting == {"nothing-by-default", program}
    assert all(may_connect(POLICIES, labels, one) for one in _targets(container, "MUST"))
    forbidden = _targets(container, "MUST_NOT")
    assert forbidden
    assert not any(may_connect(POLICIES, labels, one) for one in forbidden)
    assert all(may_connect([], labels, one) for one in forbidden)


def test_only_the_gate_must_reach_the_hub_so_that_a_hub_that_is_down_fails_the_probe() -> None:
    hub = TARGETS["hub:4222"]
    asked = {
        name: [hub in _targets(_job(name)[1], one) for one in ("MUST", "MUST_NOT")]
        for name in PODS
        if name != "stranger"
    }
    assert asked == {"broker": [False, True], "gate": [True, False], "node": [False, True]}


@pytest.mark.parametrize(
    ("must", "must_not", "code", "said"),
    [
        ("open", "closed", 0, ""),
        ("", "closed", 0, ""),
        ("open", "open", 1, "the policies do NOT hold"),
        ("closed", "closed", 1, "and must\n"),
    ],
)
def test_the_probe_fails_where_a_forbidden_address_answers_or_a_needed_one_does_not(
    must: str, must_not: str, code: int, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = {
            "open": f"127.0.0.1:{listener.getsockname()[1]}",
            "closed": f"127.0.0.1:{free_port()}",
            "": "",
        }
        _, container = _job("node")
        _, *arguments = container["command"]
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "MUST": address[must], "MUST_NOT": address[must_not], "WAIT_S": "0"},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout
