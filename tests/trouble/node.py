"""A site's node for cases: its files made once from a signed release, and the running program."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from edge.vision.onnx_detector import OnnxDetector
from messaging.blobs import digest_of
from messaging.bus import Link
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_site
from messaging.releases import Channel
from messaging.trust.manifest import ReleaseManifest
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.release_fleet import Fleet
from tests.trouble.bench import Bench, Program
from tests.trouble.case import Wrong
from tests.trouble.parts import free_port

SITE = "north"
FIRST_FRAME_S = 40.0
_lock = threading.Lock()


def site_folder(bench: Bench) -> Path:
    """Folder with `mirror/` and `trust.json` of a site whose order is to run a tiny detector."""
    folder = bench.shared / "site"
    with _lock:
        return site_of(folder, tiny_bundle())


def site_of(folder: Path, data: bytes) -> Path:
    """The files of a site that is ordered to run this detector bundle; made once."""
    if (folder / "trust.json").exists():
        return folder
    fleet = Fleet(folder, now=int(time.time()))
    description = OnnxDetector(data).description
    manifest = ReleaseManifest.of(
        description, digest=digest_of(data), length_bytes=len(data), channel=Channel.SERVICE, version=1
    )
    fleet.repository.publish(manifest)
    fleet.target(manifest).write_bytes(data)
    fleet.mirror_metadata()
    fleet.order(manifest.digest, site=SITE, expires_at_utc=fleet.now + 86_400)
    (fleet.mirror / "orders" / "harbour.json").rename(fleet.mirror / "orders" / f"{SITE}.json")
    (folder / "trust.json").write_bytes(fleet.repository.site_trust.to_bytes())
    return folder


def node_document(bench: Bench, cameras: Sequence[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """The settings of a node in the case's folder; its broker does not exist unless changed."""
    site = site_folder(bench)
    return {
        "site": SITE,
        "data": str(bench.folder / "node"),
        "mirror": str(site / "mirror"),
        "trust": str(site / "trust.json"),
        "broker": {"url": "nats://127.0.0.1:9"},
        "updates": {"trial_s": 1.0, "latency_factor": 100.0},
        "cameras": [dict(camera) for camera in cameras],
        **changes,
    }


def write_yaml(path: Path, document: Mapping[str, Any]) -> Path:
    """The settings as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=False))
    return path


def start_broker(bench: Bench, port: int) -> dict[str, str]:
    """A broker that runs, with its streams as a gate prepares them; returns the node's link to it."""
    folder = bench.folder / "broker"
    running = bench.start("blindspot-edge", "broker", "--site", SITE, "--folder", folder, "--port", port)
    running.wait_for("listens on")
    url = f"nats://127.0.0.1:{port}"
    asyncio.run(_prepare(Link(url, f"gate-{SITE}", nkey_seed_path=str(folder / "gate.nk"))))
    bench.secrets |= {(folder / name).read_text().strip() for name in ("node.nk", "gate.nk")}
    return {"url": url, "credentials": str(folder / "node.nk")}


async def _prepare(link: Link) -> None:
    bus = await NatsBus.connect(link)
    await prepare_site(bus, SITE)
    await bus.close()


class RunningNode:
    """`blindspot-edge node` with its page; its metrics and readiness are part of the transcript."""

    def __init__(self, bench: Bench, cameras: Sequence[Mapping[str, Any]], **changes: Any) -> None:
        self._bench, self._port = bench, changes.pop("page_port", None) or free_port()
        document = node_document(bench, cameras, page_port=self._port, **changes)
        self.config = write_yaml(bench.folder / "node.yaml", document)
        self.program: Program = bench.start("blindspot-edge", "node", "-c", self.config)

    def metrics(self) -> dict[str, float]:
        """Value by name and labels; empty while it does not answer."""
        values = {}
        for line in self._get("/metrics").splitlines():
            name, _, value = line.rpartition(" ")
            if name and not line.startswith("#"):
                values[name] = float(value)
        return values

    def readyz(self) -> str:
        """The answer of /readyz as text; empty while it does not answer."""
        return self._get("/readyz")

    def frames(self, camera: str) -> int:
        """Frames of a camera that reached the pipeline, failed ones left out."""
        start = f'blindspot_edge_frames_total{{camera="{camera}",result="'
        found = self.metrics().items()
        return int(sum(value for name, value in found if name.startswith(start) and '"failed"' not in name))

    def reports(self, kind: str) -> int:
        """Reports of one kind that were handed to the outbox."""
        return int(self.metrics().get(f'blindspot_edge_reports_total{{kind="{kind}"}}', 0))

    def lives(self, camera: str, *, frames: int, timeout_s: float = FIRST_FRAME_S) -> None:
        """Wait until the camera has given so many frames; otherwise it is counted as dead."""
        try:
            self.program.wait(
                lambda: self.frames(camera) >= frames, timeout_s, f"{frames} frames of {camera}"
            )
        except Wrong as error:
            self._bench.cameras_dead += 1
            raise Wrong(f"camera {camera} gave {self.frames(camera)} frames: {error}") from None

    def wait_for(self, pattern: str, timeout_s: float = 30.0) -> None:
        """Wait for a sentence in the log."""
        self.program.wait_for(pattern, timeout_s)

    def wait(self, holds: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait until it holds while the node runs."""
        self.program.wait(holds, timeout_s, what)

    def stop(self) -> None:
        """Stop it; it must end by itself with exit code 0."""
        self.readyz()
        self.program.stop()
        if self.program.process.returncode:
            raise Wrong(f"the node exited with {self.program.process.returncode}: {self.program.tail()}")

    def _get(self, path: str) -> str:
        try:
            text = httpx.get(f"http://127.0.0.1:{self._port}{path}", timeout=5.0, trust_env=False).text
        except httpx.HTTPError:
            return ""
        self._bench.note(text)
        return text
