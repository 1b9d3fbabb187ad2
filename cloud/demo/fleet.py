"""The demo's processes: the cloud, and a broker, a node and a gate for each site. `stop` ends all of them.

Every program is started as in a deployment, from its own configuration file; the demo uses no internal
interface of any of them.
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
FREQUENT = ("misdetection", "prototype", "recall", "shadow")  # the demo makes those of days in minutes
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class SiteFiles:
    """The files and cameras that a site is configured with."""

    enrolment: Enrolment
    hub_url: str
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
                "trust": str(files.enrolment.trust),
                "data_folder": str(folder / "gate"),
                "mirror_folder": str(mirror),
                "poll_s": 1.0,
                "heartbeat_s": 15.0,
                "counts": {kind: {"at_once": 20_000, "per_day": 20_000} for kind in FREQUENT},
                "cameras": {camera["name"]: [*camera.get("zones", ())] for camera in files.cameras},
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
                "teacher": {"cpu_share": 0.3},
                "privacy": {"tally_tracks": 1},
                "reports": {
                    "heartbeat_s": 15.0,
                    "tally_s": 10.0,
                    "prototype_s": 10.0,
                    "shadow_s": 10.0,
                    "evidence_s": 10.0,
                },
                "updates": {"trial_s": 5.0, "latency_factor": 10.0, "guard": {"for_s": 60.0}},
                "cameras": [dict(camera) for camera in files.cameras],
            },
        )
        self.gate = self._start_gate()
        self.node = self._start_node()

    def _start_gate(self) -> ChildProcess:
        arguments: list[str | Path] = [PYTHON, "-m", "edge.cli", "gate", "--config", self._gate_config]
        return ChildProcess(arguments, log=self.folder / "gate.log", environment=ONE_THREAD)

    def _start_node(self) -> ChildProcess:
        arguments: list[str | Path] = [PYTHON, "-m", "edge.cli", "node", "--config", self._node_config]
        return ChildProcess(arguments, log=self.folder / "node.log", environment=ONE_THREAD)

    def check(self) -> None:
        """Raises `DemoFailed` with the end of its log when a program of the site has ended."""
        for what, child in (("gate", self.gate), ("node", self.node)):
            if child.poll() is not None:
                raise DemoFailed(f"the {what} of site {self.name} ended; the end of its log: {child.tail(5)}")

    def measure_lean_node(self, frames: int = 100, timeout_s: float = 240.0) -> tuple[float, float]:
        """Restart the node with one camera and no teacher; returns seconds to its first frame, resident MiB.

        Where the camera reads a recorder's folder, its first segment is played in a loop instead. Raises
        `DemoFailed` when the node does not process `frames` frames in time.
        """
        self.node.stop()
        document = yaml.safe_load(self._node_config.read_text())
        port = free_port()
        camera = document["cameras"][0]
        if camera.get("segments"):
            first = min(Path(camera["source"]).iterdir())
            camera |= {"source": str(first), "segments": False, "loop": True}
        document |= {"teacher": {"enabled": False}, "cameras": [camera], "page_port": port}
        self._node_config = _write(self.folder / "node-lean.yaml", document)
        self.node = self._start_node()
        deadline = time.monotonic() + timeout_s
        while (processed := (metrics := _metrics(port)).get("frames_total", 0.0)) < frames:
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"the node of site {self.name} processed {processed:g} of {frames} frames "
                    f"in {timeout_s:g} s; see {self.folder / 'node.log'}"
                )
            time.sleep(0.2)
        resident = psutil.Process(self.node.pid).memory_info().rss / 2**20
        return metrics["first_frame_seconds"], resident

    def stop(self) -> None:
        """Stop all three programs."""
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
        self._address.unlink(missing_ok=True)  # a killed cloud leaves its address file
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
        """Kill it, as a power failure would."""
        self._child.kill()

    def check(self) -> None:
        """Raises `DemoFailed` when the cloud has ended."""
        if self._child.poll() is not None:
            raise DemoFailed(f"the cloud ended; the end of its log: {self._child.tail(5)}")

    def stop(self) -> None:
        """Stop it."""
        self._child.stop()


def memory_gb() -> float:
    """Proportional set size of this process and all its descendants, in GB (shared pages count once)."""
    total = 0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total / 1e9


def _metrics(port: int) -> dict[str, float]:
    """The metrics of a node's local page, summed over labels; empty while it does not respond yet."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=1.0, trust_env=False).text
    except httpx.HTTPError:
        return {}
    values: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name.removeprefix("blindspot_edge_")] += sample.value
    return dict(values)


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    return path
