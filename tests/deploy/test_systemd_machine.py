"""The units for real: a site whose programs a systemd started, under the address filters of the kernel.

The hub is a real cloud; it, the camera's and every other address are on the loopback of a network of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.gate.settings import STATUS_FILE
from tests.support.systemd_machine import TREE, SystemdMachine, missing_for_systemd, running_systemd
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

UNITS = sorted((TREE / "deploy" / "systemd").glob("*.service"))
SCRIPTS = Path("/opt/blindspot/source/deploy/systemd")
HUB, CAMERA, ELSEWHERE, ELSEWHERE_V6 = "203.0.113.7", "192.0.2.10", "198.51.100.9", "2001:db8::9"
HUB_PORT, LISTENER_PORT = 4333, 8080  # the site's own broker has 4222
LOOPBACK, LOOPBACK_V6 = "127.0.0.1", "::1"
EVERYWHERE = (LOOPBACK, LOOPBACK_V6, HUB, CAMERA, ELSEWHERE, ELSEWHERE_V6)
PROGRAMS = ("broker", "gate", "node")
FILTERS = {"gate": HUB, "node": CAMERA}
_JOIN = 'set -e; echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
_CONNECT = f"""
import concurrent.futures, socket, sys
protocol, *addresses = sys.argv[1:]
def reached(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM) as probe:
        probe.settimeout(10.0)
        try:
            probe.connect((address, {LISTENER_PORT}))
            probe.send(b"probe")
        except (PermissionError, TimeoutError):  # the filter drops a SYN, and refuses a datagram
            return False
    return True
with concurrent.futures.ThreadPoolExecutor(len(addresses)) as threads:
    print(*(one for one, found in zip(addresses, threads.map(reached, addresses)) if found))
"""


class Site:
    """The site `harbour` on the machine, and what it may connect to."""

    def __init__(self, machine: SystemdMachine) -> None:
        self.machine = machine
        self.folder = machine.state / "harbour"

    def unit(self, program: str) -> str:
        """Its unit's name."""
        return f"blindspot-{program}@harbour"

    def reached(self, program: str, protocol: str = "tcp") -> set[str]:
        """Those of all addresses to which a connect (a datagram) succeeds in the unit's control group."""
        group = f"/sys/fs/cgroup{self.machine.show(self.unit(program), 'ControlGroup')}"
        python = ("/opt/blindspot/bin/python", "-c", _CONNECT, protocol, *EVERYWHERE)
        return set(self.machine.checked("sh", "-c", _JOIN, "-", group, *python).split())

    def can_read(self, user: str, path: str) -> bool:
        """Whether the user of a program can read a file of the site's folder."""
        as_user = ("setpriv", f"--reuid=blindspot-{user}", "--regid=blindspot", "--clear-groups")
        whole = f"/var/lib/blindspot/harbour/{path}"
        assert self.machine.run("test", "-s", whole).returncode == 0, f"{path} is absent"
        return self.machine.run(*as_user, "cat", whole).returncode == 0

    @contextmanager
    def without_filter(self, program: str) -> Iterator[None]:
        """The unit without its network policy, as the shipped file is mutated by a drop-in."""
        path = f"{self.unit(program)}.service.d/90-no-filter.conf"
        self.machine.put_unit(path, "[Service]\nIPAddressDeny=\nIPAddressAllow=\n")
        self.machine.checked("systemctl", "restart", self.unit(program))
        try:
            yield
        finally:
            self.machine.remove_unit(path)
            self.machine.checked("systemctl", "restart", self.unit(program))


def _blindspot(machine: SystemdMachine, *arguments: str | Path) -> list[str]:
    return machine.in_network(sys.executable, "-m", "cloud.cli.main", *arguments)


@contextmanager
def _cloud(machine: SystemdMachine, folder: Path) -> Iterator[Path]:
    """A cloud that runs at the address of the hub. Yields its data folder."""
    environment = {**os.environ, "PYTHONPATH": str(TREE), "BLINDSPOT__HUB__PORT": str(HUB_PORT)}
    made = subprocess.run(
        _blindspot(machine, "init", folder, "--host", HUB), env=environment, check=False, timeout=60
    )
    assert made.returncode == 0
    run = ("cloud", "run", "--no-page", "--config", folder / "cloud.yaml")
    with (folder / "cloud.log").open("wb") as log:
        cloud = subprocess.Popen(_blindspot(machine, *run), env=environment, stdout=log, stderr=log)
        try:
            wait_until((folder / "blindspot-data" / "api.json").exists, what="the cloud has started")
            yield folder / "blindspot-data"
        finally:
            cloud.terminate()
            cloud.wait(60)


def _placed(machine: SystemdMachine, data: Path) -> Site:
    """The site's folder, users, filters and units, by the scripts and files that ship."""
    site, images = Site(machine), machine.state / "images"
    images.mkdir()
    cv2.imwrite(str(images / "0.jpg"), np.full((90, 160, 3), 90, np.uint8))
    camera = "quay=/var/lib/blindspot/images"
    command = ("sites", "add", "harbour", "--out", site.folder, "--camera", camera, "--data", data)
    subprocess.run(
        _blindspot(machine, *command), check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(TREE)}
    )
    node = yaml.safe_load((site.folder / "node.yaml").read_text())
    node["cameras"][0]["loop"] = True
    (site.folder / "node.yaml").write_text(yaml.safe_dump(node))
    machine.checked(SCRIPTS / "place-site.sh", "harbour")
    for program, address in FILTERS.items():
        drop_in = f"{site.unit(program)}.service.d/address.conf"
        machine.put_unit(drop_in, f"[Service]\nIPAddressAllow={address}\n")
    machine.checked("systemctl", "start", site.unit("gate"), site.unit("node"))
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if (reason := missing_for_systemd()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("systemd")
    addresses = [f"{HUB}/32", f"{CAMERA}/32", f"{ELSEWHERE}/32", f"{ELSEWHERE_V6}/128"]
    with running_systemd(folder / "machine", UNITS, addresses) as machine:
        if not machine.has_filter():
            pytest.skip("this kernel filters no addresses by control group (CGROUP_BPF)")
        listener = subprocess.Popen(
            machine.in_network(sys.executable, "-m", "http.server", "--bind", "::", str(LISTENER_PORT)),
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with _cloud(machine, folder / "cloud") as data:
                yield _placed(machine, data)
        finally:
            listener.kill()
            listener.wait()


def test_the_programs_of_a_site_work_inside_their_units(site: Site) -> None:
    status = site.folder / "gate" / STATUS_FILE
    wait_until(
        lambda: status.exists() and json.loads(status.read_bytes())["link"] == "up",
        timeout_s=60.0, what="the gate reaches the hub",
    )  # fmt: skip
    fetched = "fetched detector"
    wait_until(lambda: fetched in site.machine.log(site.unit("node")), what="the node reads the mirror")
    for program in PROGRAMS:
        log = site.machine.log(site.unit(program))
        assert site.machine.show(site.unit(program), "ActiveState") == "active", log
        assert site.machine.show(site.unit(program), "NRestarts") == "0", log
        assert site.machine.show(site.unit(program), "User") == f"blindspot-{program}"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_each_program_reaches_the_addresses_of_its_unit_and_no_other(site: Site, protocol: str) -> None:
    assert {program: site.reached(program, protocol) for program in PROGRAMS} == {
        "broker": {LOOPBACK, LOOPBACK_V6},
        "gate": {LOOPBACK, LOOPBACK_V6, HUB},
        "node": {LOOPBACK, LOOPBACK_V6, CAMERA},
    }


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_without_its_filter_a_program_reaches_every_address(site: Site, protocol: str) -> None:
    with site.without_filter("node"):
        assert site.reached("node", protocol) == set(EVERYWHERE)


def test_the_probe_that_ships_accepts_the_units_and_refuses_one_without_its_filter(site: Site) -> None:
    probe = (SCRIPTS / "probe-site.sh", "harbour", HUB, str(HUB_PORT))
    holds = site.machine.run(*probe)
    assert (holds.returncode, holds.stdout.count("; ok")) == (0, 3), holds.stdout + holds.stderr
    with site.without_filter("node"):
        broken = site.machine.run(*probe)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    (line,) = (line for line in broken.stdout.splitlines() if "does NOT hold" in line)
    assert line.startswith("node connects")


def test_the_probe_that_ships_is_no_success_where_nothing_runs(site: Site) -> None:
    done = site.machine.run(SCRIPTS / "probe-site.sh", "nowhere", HUB)
    assert done.returncode == 2
    assert "does not run" in done.stderr


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("node.yaml", {"node"}),
        ("gate.yaml", {"gate"}),
        ("hub.creds", {"gate"}),
        ("hub.pem", {"gate"}),
        ("trust.json", {"broker", "gate", "node"}),
        ("broker/node.nk", {"broker"}),
        ("node/broker.nk", {"node"}),
        ("gate/broker.nk", {"gate"}),
        (f"gate/{STATUS_FILE}", {"gate"}),
        ("mirror/metadata/timestamp.json", {"broker", "gate", "node"}),
    ],
)
def test_a_file_is_read_by_the_programs_that_need_it(site: Site, path: str, readers: set[str]) -> None:
    wait_until((site.folder / path).exists, what=f"{path} is there")
    assert {program for program in PROGRAMS if site.can_read(program, path)} == readers


def test_a_site_is_placed_again_while_it_runs_and_keeps_its_seeds(site: Site) -> None:
    seeds = [site.folder / "node" / "broker.nk", site.folder / "gate" / "broker.nk"]
    before = [seed.read_bytes() for seed in seeds]
    (site.folder / "node.yaml").chmod(0o644)  # as after a copy
    site.machine.checked(SCRIPTS / "place-site.sh", "harbour")
    assert [seed.read_bytes() for seed in seeds] == before
    assert (site.folder / "node.yaml").stat().st_mode & 0o777 == 0o600


def test_a_site_without_its_folder_is_not_placed(site: Site) -> None:
    done = site.machine.run(SCRIPTS / "place-site.sh", "nowhere")
    assert (done.returncode, "has no node.yaml" in done.stderr) == (2, True)
    assert not (site.machine.state / "nowhere").exists()
