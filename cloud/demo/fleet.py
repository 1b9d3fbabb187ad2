"""The demo's processes: the cloud, and a broker, a node and a gate for each site. Nothing survives `stop`.

Every program is started as a deployment would start it, from its own configuration file; the demo holds no
short cut into any of them.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cloud.errors import DemoFailed
from cloud.fleet.hub import Enrolment
from cloud.settings import DataFolder
from messaging.nats.broker import EmbeddedBroker, free_port
from messaging.nats.broker_config import site_config
from messaging.runtime.child_process import ChildProcess

PYTHON = sys.executable
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class SiteFiles:
    """What one site is set up with."""

    enrolment: Enrolment
    hub_url: str
    teacher: Path
    cameras: Sequence[Mapping[str, Any]]


class SiteProcesses:
    """One running site: its own broker, its gate, its node."""

    def __init__(self, name: str, folder: Path, files: SiteFiles) -> None:
        """Write the configurations and start all three."""
        self.name, self.folder = name, folder
        config, keys = site_config(folder / "broker", name)
        self._broker = EmbeddedBroker(config)
        self._broker.start()
        mirror = folder / "mirror"
        mirror.mkdir(parents=True, exist_ok=True)
        self._gate_config = _write(
            folder / "gate.yaml",
            {
                "site": name,
                "site_url": self._broker.url,
                "site_credentials": str(keys.gate),
                "hub_url": files.hub_url,
                "hub_credentials": str(files.enrolment.credentials),
                "data_folder": str(folder / "gate"),
                "mirror_folder": str(mirror),
                "poll_s": 1.0,
                "heartbeat_s": 15.0,
            },
        )
        self._node_config = _write(
            folder / "node.yaml",
            {
                "site": name,
                "data": str(folder / "node"),
                "mirror": str(mirror),
                "trust": str(files.enrolment.trust),
                "broker": {"url": self._broker.url, "credentials": str(keys.node)},
                "teacher": {"bundle": str(files.teacher)},
                "privacy": {"minimum_tracks": 40, "epsilon_per_release": 2.0},
                "reports": {
                    "heartbeat_s": 15.0,
                    "tally_s": 10.0,
                    "prototype_s": 10.0,
                    "shadow_s": 10.0,
                    "evidence_s": 10.0,
                },
                "updates": {"trial_s": 5.0, "latency_factor": 10.0},
                "cameras": [dict(camera) for camera in files.cameras],
            },
        )
        self.gate = self._start_gate()
        self.node = self._start_node()

    def _start_gate(self) -> ChildProcess:
        arguments: list[str | Path] = [PYTHON, "-m", "edge.gate.program", "--config", self._gate_config]
        return ChildProcess(arguments, log=self.folder / "gate.log", environment=ONE_THREAD)

    def _start_node(self) -> ChildProcess:
        arguments: list[str | Path] = [PYTHON, "-m", "edge.cli", "run", "--config", self._node_config]
        return ChildProcess(arguments, log=self.folder / "node.log", environment=ONE_THREAD)

    def check(self) -> None:
        """Raises `DemoFailed` with the end of its log when a program of the site has ended."""
        for what, child in (("gate", self.gate), ("node", self.node)):
            if child.poll() is not None:
                raise DemoFailed(f"the {what} of site {self.name} ended; its log says: {child.tail(5)}")

    def measure_lean_node(self, frames: int = 100, timeout_s: float = 240.0) -> tuple[float, float]:
        """Restart the node with one camera and no teacher; gives seconds to its first frame, resident MiB.

        A recorder's folder was played already; its first segment is played over and over instead.
        Raises `DemoFailed` when it does not look at so many frames in time.
        """
        self.node.stop()
        document = yaml.safe_load(self._node_config.read_text())
        port = free_port()
        camera = document["cameras"][0]
        if camera.get("segments"):
            first = min(Path(camera["source"]).iterdir())
            camera |= {"source": str(first), "segments": False, "loop": True}
        document |= {"teacher": {}, "cameras": [camera], "page_port": port}
        self._node_config = _write(self.folder / "node-lean.yaml", document)
        self.node = self._start_node()
        deadline = time.monotonic() + timeout_s
        while (seen := (told := _metrics(port)).get("frames_total", 0.0)) < frames:
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"the node of site {self.name} saw {seen:g} of {frames} frames in {timeout_s:g} s"
                )
            time.sleep(0.2)
        resident = psutil.Process(self.node.pid).memory_info().rss / 2**20
        return told["first_frame_seconds"], resident

    def stop(self) -> None:
        """End all three programs."""
        self.node.stop()
        self.gate.stop()
        self._broker.stop()


class CloudProcess:
    """The running cloud."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Write the configuration and start `blindspot cloud run`."""
        self.folder, self._address = folder, DataFolder(folder).address
        self._config = _write(folder.with_suffix(".yaml"), {"data": str(folder), **settings})
        self._child = self._start()

    def _start(self) -> ChildProcess:
        self._address.unlink(missing_ok=True)  # a cloud that was killed leaves its own
        arguments: list[str | Path] = [
            PYTHON,
            "-m",
            "cloud.cli.main",
            "cloud",
            "run",
            "--config",
            self._config,
        ]
        return ChildProcess(arguments, log=self.folder.with_suffix(".log"))

    def wait_until_ready(self, timeout_s: float = 240.0) -> None:
        """Returns once the API's address is there. Raises `DemoFailed`."""
        deadline = time.monotonic() + timeout_s
        while not self._address.exists():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"the cloud did not start within {timeout_s:g} s: {self._child.tail(5)}")
            time.sleep(0.1)

    def restart(self) -> None:
        """Stop it and start it again on the same data."""
        self._child.stop()
        self._child = self._start()
        self.wait_until_ready()

    def kill(self) -> None:
        """End it without a word, as a power cut does."""
        self._child.kill()

    def check(self) -> None:
        """Raises `DemoFailed` when the cloud has ended."""
        if self._child.poll() is not None:
            raise DemoFailed(f"the cloud ended; its log says: {self._child.tail(5)}")

    def stop(self) -> None:
        """End it."""
        self._child.stop()


def memory_gb() -> float:
    """Proportional memory of this process and all it started, in GB; shared pages count once."""
    total = 0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total / 1e9


def _metrics(port: int) -> dict[str, float]:
    """What a node's own page counts, by name, summed over labels; empty while it does not answer yet."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=1.0, trust_env=False).text
    except httpx.HTTPError:
        return {}
    told: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            told[sample.name.removeprefix("blindspot_edge_")] += sample.value
    return dict(told)


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    return path
