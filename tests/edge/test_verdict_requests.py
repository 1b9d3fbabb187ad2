"""A node as a program answers a verdict request from a real video file, over a real broker."""

import asyncio
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from messaging.bus import Link
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import site_config
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_site
from messaging.nats.subjects import SITE_STREAMS
from messaging.reports import AnswerOutcome, ErrorKind, EvidenceSource, Misdetection, VerdictAnswer
from messaging.trust.verdict_requests import OpenRequests, VerdictRequest, sign_requests
from messaging.wire_format.codec import Lane, decode
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description
from tests.support.release_fleet import SITE
from tests.support.trouble.node_folder import NodeFolder
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

PATCH = slice(16, 32), slice(32, 48)


def _write_video(path: Path) -> None:
    """Ten seconds of a grey street with a red patch in one cell of the tiny detector."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    image = np.full((64, 64, 3), 60, np.uint8)
    image[PATCH] = (60, 60, 200)
    for _ in range(100):
        video.write(image)
    video.release()


def _ask(node: NodeFolder, *requests: VerdictRequest) -> None:
    path = node.fleet.mirror / "requests" / f"{SITE}.json"
    path.parent.mkdir(exist_ok=True)
    director = node.fleet.repository.director
    path.write_bytes(sign_requests(OpenRequests(site=SITE, requests=requests), director))


def _request(
    number: int, *, camera: str = "yard", class_name: str = "fire", ago_s: int = 1
) -> VerdictRequest:
    now = int(time.time())
    return VerdictRequest(
        number=number,
        camera=camera,
        class_name=class_name,
        at_utc=now - ago_s,
        expires_at_utc=now + 900,
    )


def _site(node: NodeFolder, broker: EmbeddedBroker) -> None:
    """A detector whose threshold for fire is too high, and a teacher whose threshold is not."""
    strict = tiny_description(thresholds={"fire": 0.95, "smoke": 0.95})
    node.sign_model(tiny_bundle(strict))
    teacher, video = node.folder / "teacher.onnx", node.folder / "yard.avi"
    teacher.write_bytes(tiny_bundle())
    _write_video(video)
    node.write_config(
        broker={"url": broker.url, "credentials": str(site_config(node.folder / "broker", SITE)[1].node)},
        cameras=[{"name": "yard", "source": str(video), "loop": True}],
        teacher={"bundle": str(teacher)},
        evidence={"motion_filter": False, "kept_frames": {"every_s": 0.5}},
        reports={"evidence_s": 0.0},
    )


def test_a_node_answers_from_its_own_frames_and_reports_what_it_missed(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "site")
    config, keys = site_config(node.folder / "broker", SITE)
    with EmbeddedBroker(config) as broker:
        gate = Link(broker.url, "gate", nkey_seed_path=str(keys.gate))

        async def prepare() -> None:
            bus = await NatsBus.connect(gate)
            await prepare_site(bus, SITE, max_bytes=2**24)
            await bus.close()

        asyncio.run(prepare())
        _site(node, broker)
        with node.running():
            wait_until(lambda: node.frames() >= 10, 60.0)
            _ask(
                node,
                _request(1),
                _request(2, class_name="smoke"),
                _request(3, camera="harbour"),
                _request(4, ago_s=1800),
            )
            wait_until(lambda: _answers(node) == 4, 60.0)
            metrics = node.page("/metrics")[1]
        found = asyncio.run(_sent(gate))
    answers = {one.request: one.outcome for one in found if isinstance(one, VerdictAnswer)}
    assert answers == {
        1: AnswerOutcome.CONFIRMED,
        2: AnswerOutcome.NOT_FOUND,
        3: AnswerOutcome.NOT_KNOWN,
        4: AnswerOutcome.NOT_KEPT,
    }
    of_person = [
        one for one in found if isinstance(one, Misdetection) and one.evidence is EvidenceSource.OPERATOR
    ]
    (missed,) = of_person
    assert (missed.camera, missed.class_name, missed.kind) == ("yard", "fire", ErrorKind.MISSED)
    assert (missed.box.cx, missed.box.cy) == pytest.approx((40 / 64, 24 / 64), abs=0.02)
    assert 'blindspot_edge_kept_frames_bytes{camera="yard"}' in metrics
    assert "Traceback" not in node.log.read_text()


def _answers(node: NodeFolder) -> int:
    lines = node.page("/metrics")[1].splitlines()
    return sum(
        int(float(x.split()[-1])) for x in lines if x.startswith("blindspot_edge_verdict_answers_total")
    )


async def _sent(link: Link) -> list[object]:
    """All reports that the site's broker has."""
    bus = await NatsBus.connect(link)
    found: list[object] = []
    for lane in (Lane.HAZARDS, Lane.EVIDENCE):
        while deliveries := await bus.pull(SITE_STREAMS[lane], "test", batch=100, timeout_s=1.0):
            for delivery in deliveries:
                found += decode(delivery.data).reports
                await delivery.acknowledge()
    await bus.close()
    return found
