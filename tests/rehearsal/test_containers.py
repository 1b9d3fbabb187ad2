"""The checks of a rehearsal in containers find what they are for, and a machine without podman is told so."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal.containers import PAGE, PROJECTS, WRITABLE, _faults_of, missing_for_containers
from tests.rehearsal.page import BlockKind, blocks

CONFINED: dict[str, Any] = {
    "Name": "blindspot-harbour-gate",
    "Config": {"User": "10001"},
    "HostConfig": {"ReadonlyRootfs": True, "SecurityOpt": ["no-new-privileges"]},
    "EffectiveCaps": None,
    "Mounts": [
        {"Destination": "/site/gate", "RW": True},
        {"Destination": "/site/mirror", "RW": True},
        {"Destination": "/site/gate.yaml", "RW": False},
    ],
}


def test_a_confined_container_has_no_faults() -> None:
    assert _faults_of(CONFINED) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("Config", "User"), "", "runs as user "),
        (("HostConfig", "ReadonlyRootfs"), False, "can write its image"),
        (("HostConfig", "SecurityOpt"), [], "may gain privileges"),
        (("EffectiveCaps",), ["CAP_NET_RAW"], "has ['CAP_NET_RAW']"),
        (("Mounts", 2, "RW"), True, "writes to ['/site/gate', '/site/gate.yaml', '/site/mirror']"),
    ],
)
def test_each_privilege_is_a_fault(path: tuple[Any, ...], value: Any, fault: str) -> None:
    container = copy.deepcopy(CONFINED)
    place: Any = container
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert _faults_of(container) == [fault]


def test_without_podman_the_reason_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing_for_containers() == "podman is not installed"


def test_the_page_starts_the_services_that_are_checked() -> None:
    commands = [c for block in blocks(PAGE) if block.kind is not BlockKind.VALUES for c in block.commands]
    started = {m[1] for c in commands if (m := re.search(r"-f compose\.(\w+)\.yaml up -d$", c))}
    assert started == {"cloud", "site"}
    names = set()
    for part in started:
        compose = yaml.safe_load((PAGE.parents[1] / "deploy" / f"compose.{part}.yaml").read_text())
        assert compose["name"].split(":")[0].replace("${SITE", "harbour") in PROJECTS
        services = [s for s in compose["services"].values() if "profiles" not in s]
        names |= {s["container_name"].replace("${SITE}", "harbour") for s in services}
    assert names == set(WRITABLE)
    assert not [c for c in commands if "demo" in c]


def test_every_variable_of_the_page_is_used_by_it_or_by_a_compose_file() -> None:
    found = blocks(PAGE)
    deploy = PAGE.parents[1] / "deploy"
    text = "\n".join(block.text for block in found if block.kind is not BlockKind.VALUES)
    text += "".join(Path(path).read_text() for path in deploy.glob("compose.*.yaml"))
    variables = [name for block in found for name in block.variables]
    assert [name for name in variables if not re.search(rf"\$\{{?{name}\b", text)] == []
