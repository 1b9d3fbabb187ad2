"""The site's image for real: what is in it, who it runs as, and a site of containers that find each other."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.gate.settings import STATUS_FILE
from messaging.trust.signing import Repository
from tests.support.podman import missing_image, podman

IMAGE = os.environ.get("BLINDSPOT_EDGE_IMAGE", "localhost/blindspot-edge")
UID = 10001


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    if (reason := missing_image(IMAGE, "make it with `make images`")) is not None:
        pytest.skip(reason)


pytestmark = pytest.mark.slow


def inside(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a fresh container without any network."""
    return podman("run", "--rm", "--network", "none", "--entrypoint", command[0], IMAGE, *command[1:])


def test_a_fresh_container_is_healthy_by_its_own_doctor() -> None:
    result = inside("blindspot-edge", "doctor", "--json")
    findings = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert {name: finding["ok"] for name, finding in findings.items()} == {
        "onnxruntime": True,
        "H.264 video": True,
        "MJPEG video": True,
        "nats-server": True,
        "lean": True,
        "execution provider": True,
    }


def test_no_training_library_and_no_installer_is_inside() -> None:
    script = (
        "import importlib.util as u; "
        "print([n for n in ('torch', 'ultralytics', 'diffusers', 'pip', 'cloud', 'synth') if u.find_spec(n)])"
    )
    assert inside("python", "-c", script).stdout.strip() == "[]"


def test_the_programs_run_as_nobody_in_particular() -> None:
    assert inside("id", "-u").stdout.strip() == str(UID)


def test_the_image_stays_below_700_megabytes() -> None:
    size = int(podman("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout)
    assert size < 700e6


class SiteOfContainers:
    """Broker, gate and node, each in a container, in one network namespace that leads nowhere."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.started: list[str] = []
        for part in ("broker", "gate", "node", "mirror", "images"):
            (folder / part).mkdir()
            os.chown(folder / part, UID, -1)

    def start(self, program: str, *, entrypoint: str, arguments: list[str], mounts: dict[str, str]) -> None:
        """Start one of them; all share the broker's network namespace."""
        container = f"{self.name}-{program}"
        network = "none" if not self.started else f"container:{self.started[0]}"
        volumes = [f"--volume={self.folder / outside}:{place}" for outside, place in mounts.items()]
        hardened = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        done = podman(
            "run", "--detach", f"--name={container}", f"--network={network}", *hardened, *volumes,
            f"--entrypoint={entrypoint}", IMAGE, *arguments,
        )  # fmt: skip
        self.started.append(container)
        assert done.returncode == 0, done.stderr

    def said(self, program: str) -> str:
        """Its log."""
        done = podman("logs", f"{self.name}-{program}")
        return done.stdout + done.stderr

    def runs(self, program: str) -> bool:
        """Whether it runs still."""
        state = podman("inspect", "--format", "{{.State.Running}}", f"{self.name}-{program}")
        return state.stdout.strip() == "true"

    def stop(self) -> None:
        """Remove them all."""
        for container in reversed(self.started):
            podman("rm", "--force", "--time", "3", container)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteOfContainers]:
    if os.geteuid() != 0:
        pytest.skip("folders for the container's user need root")
    site = SiteOfContainers(tmp_path, f"blindspot-test-{os.getpid()}")
    yield site
    site.stop()


def eventually(holds: Callable[[], bool], within_s: float = 40.0) -> bool:
    """Whether it comes to hold in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.5)
    return False


def test_broker_gate_and_node_of_one_image_find_each_other_and_wait_for_the_hub(
    site: SiteOfContainers,
) -> None:
    module = ["broker", "--site", "harbour", "--folder", "/data"]
    site.start("broker", entrypoint="blindspot-edge", arguments=module, mounts={"broker": "/data"})
    assert eventually(lambda: "listens on 127.0.0.1:4222" in site.said("broker")), site.said("broker")
    seed = site.folder / "broker" / "gate.nk"
    assert (seed.stat().st_uid, seed.stat().st_mode & 0o777) == (UID, 0o600)

    config = {
        "site": "harbour", "site_url": "nats://127.0.0.1:4222", "site_credentials": "/keys/gate.nk",
        "hub_url": "nats://127.0.0.1:4999", "hub_credentials": "/keys/gate.nk",
        "data_folder": "/data", "mirror_folder": "/mirror",
    }  # fmt: skip
    (site.folder / "gate.yaml").write_text(yaml.safe_dump(config))
    site.start(
        "gate",
        entrypoint="blindspot-edge",
        arguments=["gate", "--config", "/gate.yaml"],
        mounts={"gate": "/data", "mirror": "/mirror", "gate.yaml": "/gate.yaml:ro", "broker": "/keys:ro"},
    )
    status = site.folder / "gate" / STATUS_FILE
    assert eventually(status.exists), site.said("gate")
    assert json.loads(status.read_text())["link"] == "down"

    (site.folder / "trust.json").write_bytes(Repository(site.folder / "releases").site_trust.to_bytes())
    cv2.imwrite(str(site.folder / "images" / "0.jpg"), np.full((90, 160, 3), 90, np.uint8))
    node = {
        "site": "harbour", "data": "/data", "mirror": "/mirror", "trust": "/trust.json",
        "broker": {"url": "nats://127.0.0.1:4222", "credentials": "/keys/node.nk"},
        "cameras": [{"name": "north", "source": "/images", "loop": True}],
    }  # fmt: skip
    (site.folder / "node.yaml").write_text(yaml.safe_dump(node))
    site.start(
        "node",
        entrypoint="blindspot-edge",
        arguments=["node", "--config", "/node.yaml"],
        mounts={
            "node": "/data", "mirror": "/mirror:ro", "images": "/images:ro", "broker": "/keys:ro",
            "node.yaml": "/node.yaml:ro", "trust.json": "/trust.json:ro",
        },
    )  # fmt: skip
    assert eventually(lambda: "runs with 1 cameras" in site.said("node")), site.said("node")
    time.sleep(2.0)
    for program in ("broker", "gate", "node"):
        assert site.runs(program), site.said(program)
