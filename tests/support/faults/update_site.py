"""A site under updates: a real hub, gate and node, each release new; gate and node may be killed."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import onnx
from onnx import numpy_helper

from edge.gate.settings import GateSettings
from edge.updates.weights_state import Step, UpdateJournal, WeightsState, read_state
from messaging.blobs import digest_of
from messaging.nats.blobs import NatsBlobs
from messaging.nats.broker import free_port
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import MODELS_BUCKET, ORDERS, TUF_BUCKET
from messaging.releases import Channel, RolloutOrder
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, start_gate
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description

ROOT = Path(__file__).parents[3]
SITE = "s1"
PADDING_FLOATS = 2**18  # a model of a megabyte, so that its download has several chunks
MODEL_INFO = "blindspot_edge_model_info{"


def release_bytes(number: int, *, good: bool) -> bytes:
    """A model of a megabyte that no other number has; a bad one has an output that is not a number."""

    def change(model: onnx.ModelProto) -> None:
        noise = np.random.default_rng(number).random(PADDING_FLOATS, np.float32)
        noise[0] = 0.0 if good else np.nan
        model.graph.initializer.extend(
            [
                numpy_helper.from_array(noise, "noise"),
                numpy_helper.from_array(np.asarray([0], np.int64), "first"),
            ]
        )
        for node in model.graph.node:
            if "boxes" in node.output:
                node.output[list(node.output).index("boxes")] = "plain_boxes"
        model.graph.node.extend(
            [
                onnx.helper.make_node("Gather", ["noise", "first"], ["added"], axis=0),
                onnx.helper.make_node("Add", ["plain_boxes", "added"], ["boxes"]),
            ]
        )

    return tiny_bundle(change=change)


def fault_of(weights: Path, state: WeightsState, served: str | None, signed: Collection[str]) -> str | None:
    """Why what a restarted node serves is not one verified model; None if it is."""
    if state.active is None:
        return "no model is active"
    digest = state.active.digest
    if served not in (None, digest):
        return f"{served} is in service, and {digest} is active"
    if digest not in signed:
        return f"{digest} is active, which is no release"
    path = weights / "models" / f"{digest}.onnx"
    if not path.exists() or digest_of(path.read_bytes()) != digest:
        return f"the file of {digest} has other bytes"
    return None


class UpdateSite:
    """Hub, gate and node of one site, and the cloud's keys; `signed`: digests of all releases."""

    def __init__(self, hub: Hub, site: Site, folder: Path) -> None:
        self._folder, self._hub = folder, hub
        self.repository = Repository.create(folder / "releases")
        self.signed: list[str] = []
        trust = folder / "trust.json"
        trust.write_bytes(self.repository.site_trust.to_bytes())
        self._settings: GateSettings = gate_settings(hub, site, folder, trust=trust, poll_s=0.2)
        self._port, self.weights = free_port(), folder / "node" / "weights"
        (folder / "images").mkdir()
        for number in range(10):
            cv2.imwrite(str(folder / "images" / f"{number:04}.png"), np.full((64, 64, 3), 90, np.uint8))
        (folder / "node.yaml").write_text(json.dumps(self._node_document(site, trust)))
        asyncio.run(self._prepare())
        self.gate = start_gate(self._settings, folder)
        self.node = self._start_node()

    def _node_document(self, site: Site, trust: Path) -> dict[str, object]:
        return {
            "site": SITE,
            "data": str(self._folder / "node"),
            "mirror": str(self._settings.mirror_folder),
            "trust": str(trust),
            "broker": {"url": site.broker.url, "credentials": str(site.keys.node)},
            "page_port": self._port,
            "updates": {"poll_s": 0.2, "trial_s": 0.3, "trial_frames": 1, "latency_factor": 100.0},
            "evidence": {"motion_filter": False},
            "cameras": [{"name": "yard", "source": str(self._folder / "images"), "loop": True}],
        }

    def _start_node(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "node.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "run", "-c", str(self._folder / "node.yaml")],
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )

    async def _prepare(self) -> None:
        bus = await NatsBus.connect(self._hub.cloud_link())
        await prepare_hub(bus, *_buckets(bus))
        await bus.close()

    async def release(self, number: int, *, good: bool = True) -> str:
        """Sign and publish a release and order it into service; its digest."""
        data = release_bytes(number, good=good)
        manifest = ReleaseManifest.of(
            tiny_description(),
            digest=digest_of(data),
            length_bytes=len(data),
            channel=Channel.SERVICE,
            version=number,
        )
        self.repository.publish(manifest)
        self.signed.append(manifest.digest)
        now = int(time.time())
        order = RolloutOrder(
            site=SITE,
            sequence=number,
            digest=manifest.digest,
            channel=Channel.SERVICE,
            issued_at_utc=now,
            expires_at_utc=now + 86_400,
        )
        bus = await NatsBus.connect(self._hub.cloud_link())
        models, metadata = _buckets(bus)
        await models.put(data)
        for name, content in self.repository.metadata_files().items():
            await metadata.put_named(name, content)
        await bus.put_latest(ORDERS, SITE, sign_order(order, self.repository.director))
        await bus.close()
        return manifest.digest

    def kill_gate(self) -> None:
        """SIGKILL, and start it again."""
        self.gate.kill()
        self.gate.wait(10)
        self.gate = start_gate(self._settings, self._folder)

    def kill_node(self) -> str | None:
        """SIGKILL; what is wrong with the files that it leaves, and start it again."""
        self.node.kill()
        self.node.wait(10)
        fault = fault_of(self.weights, self.state, None, self.signed)
        self.node = self._start_node()
        return fault

    @property
    def state(self) -> WeightsState:
        """The node's state on disk."""
        return read_state(self.weights / "state.json")

    @property
    def steps(self) -> list[Step]:
        """The steps in the node's journal, of all updates."""
        return UpdateJournal(self.weights / "journal.jsonl").steps()

    def served(self) -> str | None:
        """The digest of the model in service by the node's own metrics; None while there is none."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=5.0, trust_env=False).text
        except httpx.HTTPError:
            return None
        rows = [
            line for line in text.splitlines() if line.startswith(MODEL_INFO) and 'role="detector"' in line
        ]
        return rows[0].split('digest="', 1)[1].split('"', 1)[0] if rows else None

    def settled_on(self, digest: str, number: int) -> bool:
        """Whether order `number` is carried out and this model is in service, and on no probation."""
        state = self.state
        ended = state.last_sequence == number and state.staged is None and state.trial is None
        return (
            ended and state.active is not None and state.active.digest == digest and self.served() == digest
        )

    def stop(self) -> None:
        """End gate and node."""
        for process in (self.gate, self.node):
            process.terminate()
            process.wait(60)


def _buckets(bus: NatsBus) -> tuple[NatsBlobs, NatsBlobs]:
    """Models and metadata, as the cloud's hub has them."""
    return NatsBlobs(bus, MODELS_BUCKET), NatsBlobs(bus, TUF_BUCKET, prefix="", max_bytes=2**26)


@contextmanager
def running_update_site(folder: Path) -> Iterator[UpdateSite]:
    """The site with its hub and brokers, until the context ends."""
    with running_hub(folder) as hub, running_site(folder, SITE) as site:
        running = UpdateSite(hub, site, folder)
        try:
            yield running
        finally:
            running.stop()
