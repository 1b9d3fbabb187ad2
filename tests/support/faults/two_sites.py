"""Two sites with real nodes on tiny bundles and one short video: for the fault tests of the node."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import yaml

from messaging.blobs import digest_of
from messaging.nats.broker import free_port
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import SITE_STREAMS
from messaging.releases import Channel
from messaging.trust.manifest import ReleaseManifest
from tests.support.brokers import Hub, Site
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description
from tests.support.release_fleet import Fleet

ROOT = Path(__file__).parents[3]
SIDE, CELL, FPS, STAY = 128, 32, 5.0, 12
RED, BLUE, GREY = (30, 30, 250), (250, 30, 30), 70


def write_video(path: Path) -> Path:
    """Fires, then smokes, each in a cell of its own for a few seconds: 32 hazards that no cool-down hides."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (SIDE, SIDE))
    for colour in (RED, BLUE):
        for place in range(16):
            image = np.full((SIDE, SIDE, 3), GREY, np.uint8)
            top, left = place // 4 * CELL, place % 4 * CELL
            image[top : top + CELL, left : left + CELL] = colour
            for _ in range(STAY):
                writer.write(image)
    writer.release()
    return path


class RealNode:
    """`blindspot-edge run` of one site, to be killed and started again; its model is a signed release."""

    def __init__(self, site: Site, folder: Path, video: Path, *, cameras: int) -> None:
        self._folder, self._port = folder, free_port()
        folder.mkdir(parents=True)
        fleet = _mirrored(folder / "fleet", site.name)
        (folder / "trust.json").write_bytes(fleet.repository.site_trust.to_bytes())
        document = {
            "site": site.name,
            "data": str(folder / "node"),
            "mirror": str(fleet.mirror),
            "trust": str(folder / "trust.json"),
            "broker": {"url": site.broker.url, "credentials": str(site.keys.node)},
            "page_port": self._port,
            "updates": {"trial_s": 1.0, "latency_factor": 100.0},
            "cameras": [{"name": f"c{n}", "source": str(video), "loop": True} for n in range(cameras)],
        }
        (folder / "node.yaml").write_text(yaml.safe_dump(document))
        self.start()

    def start(self) -> None:
        """Start it with the files of its folder."""
        with (self._folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "node", "--config", str(self._folder / "node.yaml")],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """Stop it after it has sent its messages."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def frames(self) -> float:
        """Frames processed since it was started; 0 while it does not respond."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=2.0, trust_env=False).text
        except httpx.HTTPError:
            return 0.0
        rows = [line for line in text.splitlines() if line.startswith("blindspot_edge_frames_total{")]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows)

    def log(self) -> str:
        """Its log over all starts."""
        return (self._folder / "node.log").read_text()


async def prepare(hub: Hub, *sites: Site) -> None:
    """The streams of the hub and of the sites."""
    bus = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(bus)
    await bus.close()
    for site in sites:
        bus = await NatsBus.connect(site.gate_link())
        await prepare_site(bus, site.name)
        await bus.close()


async def accepted(site: Site) -> int:
    """How many reports the site's broker has ever stored."""
    bus = await NatsBus.connect(site.gate_link())
    try:
        return sum([(await bus.stream_state(stream)).last_sequence for stream in SITE_STREAMS.values()])
    finally:
        await bus.close()


def _mirrored(folder: Path, site: str) -> Fleet:
    """A mirror with one real release in service and the order to run it."""
    fleet = Fleet(folder, now=int(time.time()))
    data = tiny_bundle()
    manifest = ReleaseManifest.of(
        tiny_description(), digest=digest_of(data), length_bytes=len(data), channel=Channel.SERVICE, version=1
    )
    fleet.repository.publish(manifest)
    fleet.target(manifest).write_bytes(data)
    fleet.mirror_metadata()
    fleet.order(manifest.digest, site=site, expires_at_utc=fleet.now + 86_400)
    (fleet.mirror / "orders" / "harbour.json").rename(fleet.mirror / "orders" / f"{site}.json")
    return fleet
