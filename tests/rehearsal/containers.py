"""The programs of a rehearsal in containers, as `docs/deploy-in-containers.md` starts them.

The camera is a host of its own in a network that leads nowhere else. What the page started is removed
at the end.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edge.gate.settings import STATUS_FILE
from messaging.figures import Figure
from tests.rehearsal.city import FPS
from tests.rehearsal.deployment import DOCS, NODE_IS_READY, Deployment, page_answers
from tests.rehearsal.profiles import Profile
from tests.rehearsal.reader import Reader, RehearsalFailed
from tests.rehearsal.start_times import Program
from tests.support.cameras.rtsp_camera import RtspCamera
from tests.support.podman import base_image, missing_image, podman

PAGE = DOCS / "deploy-in-containers.md"
UID = "10001"
CAMERA_HOST, CAMERA_NETWORK, CAMERA_PORT = "blindspot-rehearsal-camera", "blindspot-rehearsal-cameras", 8554
CLOUD, BROKER, GATE, NODE = "blindspot-cloud", *(f"blindspot-harbour-{p}" for p in ("broker", "gate", "node"))
PROJECTS = ("blindspot-harbour", "blindspot-cloud")
WRITABLE = {
    CLOUD: {"/data"},
    "blindspot-page": set(),
    BROKER: {"/site/broker"},
    GATE: {"/site/gate", "/site/mirror"},
    NODE: {"/site/node"},
}
IMAGES = {"edge": "<= 700", "cloud": None}
HUB_PORT = 4222
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3.0)"


def missing_for_containers() -> str | None:
    """A sentence that names what this machine lacks for a rehearsal in containers, or None."""
    base = base_image()
    if (missing := missing_image(base, "pull it, or name another Debian with BASE=IMAGE")) is not None:
        return missing
    if shutil.which("podman-compose", path=_programs_path()) is None:
        return "podman-compose is not installed; run `make install`"
    if os.geteuid() != 0:
        return "a camera that is a host in the containers' network needs root"
    if existing := [name for name in WRITABLE if podman("container", "exists", name).returncode == 0]:
        return f"containers of a deployment exist here: {', '.join(existing)}; remove them first"
    return None


def _programs_path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@contextmanager
def in_containers(city: Path, folder: Path, profile: Profile) -> Iterator[Deployment]:
    """A camera in the network of cameras; settings of the profile in the files that the page appends to."""
    for words, name in (("blindspot cloud run", "cloud.env"), ("blindspot-edge node", "harbour.env")):
        settings = profile.settings.get(words, {})
        (folder / name).write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    with ExitStack() as ending:
        camera = ending.enter_context(_camera_host(city / "frames"))
        ending.callback(_remove_deployment, folder.parent)  # first: the node is on the camera's network
        hub = _own_address()
        yield Deployment(
            PAGE,
            camera,
            f"podman exec {CLOUD} blindspot",
            _programs,
            values={
                "CHECKOUT": str(DOCS.parent),
                "CAMERAS": CAMERA_NETWORK,
                "HUB_HOST": hub,
                "HUB_ADDRESS": hub,
            },
            figures=lambda: _figures(hub),
        )


def _own_address() -> str:
    """An IPv4 address of this machine that containers reach. Raises `RehearsalFailed` without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses an address of this machine
        except OSError as error:
            raise RehearsalFailed(f"this machine has no address that containers reach: {error}") from None
        return str(probe.getsockname()[0])


@contextmanager
def _camera_host(frames: Path) -> Iterator[str]:
    """A container that does nothing, and an RTSP server in its network. Yields the camera's address."""
    _checked("network", "create", "--internal", CAMERA_NETWORK)
    try:
        network, options = f"--network={CAMERA_NETWORK}", ("--entrypoint=sleep", base_image(), "infinity")
        _checked("run", "--detach", f"--name={CAMERA_HOST}", network, *options)
        about = json.loads(_checked("inspect", CAMERA_HOST))[0]
        host = about["NetworkSettings"]["Networks"][CAMERA_NETWORK]["IPAddress"]
        inside = ("nsenter", f"--net=/proc/{about['State']['Pid']}/ns/net")
        camera = RtspCamera(
            CAMERA_PORT, "--frames", str(frames), "--fps", str(FPS), host=host, launcher=inside
        )
        camera.start()
        try:
            yield camera.address
        finally:
            camera.stop()
    finally:
        podman("rm", "--force", "--time=1", CAMERA_HOST)
        podman("network", "rm", CAMERA_NETWORK)


def _checked(*arguments: str) -> str:
    """Output of podman. Raises `RehearsalFailed`."""
    done = podman(*arguments)
    if done.returncode != 0:
        raise RehearsalFailed(f"podman {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _programs(reader: Reader) -> tuple[Program, ...]:
    cloud, site, data = "compose.cloud.yaml up", "compose.site.yaml up", reader.folder / "cloud"
    status = ("exec", GATE, "test", "-e", f"gate/{STATUS_FILE}")
    return (
        Program("cloud", cloud, (data / "api.json").exists),
        Program("page", cloud, lambda: page_answers(data / "certificates" / "ca.pem")),
        Program("broker", site, lambda: "listens on" in _said(BROKER)),
        Program("gate", site, lambda: podman(*status).returncode == 0),
        Program("node", site, lambda: NODE_IS_READY in _said(NODE)),
    )


def _said(container: str) -> str:
    done = podman("logs", container)
    return done.stdout + done.stderr


def _figures(hub: str) -> tuple[Figure, ...]:
    """What only a run in containers shows: sizes, and whether programs are as confined as the files say."""
    containers = json.loads(_checked("inspect", *WRITABLE))
    faults = {one["Name"]: _faults_of(one) for one in containers}
    for name, found in faults.items():
        sys.stdout.writelines(f"{name} {fault}\n" for fault in found)
    connect = ("python", "-c", _CONNECT, hub, str(HUB_PORT))
    leaving = [name for name in (BROKER, NODE, GATE) if podman("exec", name, *connect).returncode == 0]
    confined = sum(not found for found in faults.values())
    return (
        Figure("containers_confined", float(confined), "containers", f"= {len(WRITABLE)}"),
        Figure("programs_of_the_site_that_reach_the_hub", float(len(leaving)), "programs", "= 1"),
        Figure("container_restarts", float(sum(c["RestartCount"] for c in containers)), "restarts", "= 0"),
        *(Figure(f"image_mb_{name}", _image_mb(name), "MB", target) for name, target in IMAGES.items()),
    )


def _faults_of(container: dict[str, Any]) -> list[str]:
    """What a container may do beyond its part; one phrase each."""
    writable = {mount["Destination"] for mount in container["Mounts"] if mount["RW"]}
    host = container["HostConfig"]
    checks = {
        f"runs as user {container['Config']['User']}": container["Config"]["User"] == UID,
        "can write its image": host["ReadonlyRootfs"],
        f"has {container['EffectiveCaps']}": not container["EffectiveCaps"],
        "may gain privileges": "no-new-privileges" in " ".join(host["SecurityOpt"]),
        f"writes to {sorted(writable)}": writable == WRITABLE[container["Name"]],
    }
    return [fault for fault, right in checks.items() if not right]


def _image_mb(name: str) -> float:
    size = _checked("image", "inspect", "--format={{.Size}}", f"localhost/blindspot-{name}")
    return int(size) / 1e6


def _remove_deployment(logs: Path) -> None:
    """Keep the logs of all programs in `logs`; remove containers, volumes and networks."""
    for name in WRITABLE:
        if podman("container", "exists", name).returncode == 0:
            (logs / f"{name}.log").write_text(_said(name))
    for project in PROJECTS:
        label = f"--filter=label=io.podman.compose.project={project}"
        for kind, remove in (
            (("ps", "--all"), ("rm", "--force", "--time=10")),
            (("volume", "ls"), ("volume", "rm", "--force")),
            (("network", "ls"), ("network", "rm", "--force")),
        ):
            if found := podman(*kind, "--quiet", label).stdout.split():
                podman(*remove, *found, timeout_s=120.0)
