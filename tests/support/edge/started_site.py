"""A site whose broker, gate and node are started by the commands of its page, with a video as its camera.

The detector in service reports smoke, and a fire only where it is much stronger than in the video; the
teacher and the candidate report that fire too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from cloud.fleet.release_register import record_release
from cloud.parts import CloudParts
from messaging.nats.broker import free_port
from messaging.releases import BundleDescription
from tests.rehearsal.page import Block, BlockKind
from tests.rehearsal.reader import Reader
from tests.support.cloud.sample_reports import MINUTE
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description

CAMERA = "yard"
FPS, MINUTES = 5, 20
SIDE, STREET, SMOKE, FIRE = 64, (20, 20, 20), (220, 20, 20), (20, 20, 102)
SHOWN_S, PERIOD_S = 3, 8


def _reporting_fire_above(threshold: float, name: str) -> BundleDescription:
    return tiny_description(name=name, thresholds={"fire": threshold, "smoke": 0.5})


DETECTOR = _reporting_fire_above(0.95, "detector")
TEACHER, CANDIDATE = (_reporting_fire_above(0.25, name) for name in ("teacher", "candidate"))
NODE = {
    "BLINDSPOT__REPORTS__EVIDENCE_S": "0",
    "BLINDSPOT__REPORTS__HEARTBEAT_S": "1",
    "BLINDSPOT__REPORTS__TALLY_S": "1",
    "BLINDSPOT__REPORTS__SHADOW_S": "1",
    "BLINDSPOT__PRIVACY__TALLY_TRACKS": "1",
    "BLINDSPOT__UPDATES__TRIAL_S": "1",
    "BLINDSPOT__UPDATES__LATENCY_FACTOR": "1000",
    "BLINDSPOT__UPDATES__GUARD__FOR_S": "0",
}
"""The environment of a node that reports within seconds, and refuses no model for its speed."""
GATE = {"BLINDSPOT__POLL_S": "1", "BLINDSPOT__HEARTBEAT_S": "1"}
ONLY_ON_REQUEST = {"BLINDSPOT__TEACHER__CPU_SHARE": "0.00001"}
"""A teacher that sees too few frames to report any miss by itself."""


def release_detector_and_teacher(parts: CloudParts) -> None:
    """Release both as the first models of the fleet."""
    for publish, description in (
        (parts.publisher.publish_first, DETECTOR),
        (parts.publisher.publish_teacher, TEACHER),
    ):
        manifest = publish(tiny_bundle(description), description)
        described = description.model_dump(mode="json")
        record_release(parts.releases, manifest, described, campaign=None, signed_at=MINUTE)


@contextmanager
def started_site(folder: Path, commands: Sequence[str], node: Mapping[str, str]) -> Iterator[Reader]:
    """Run the commands that the page of a new site shows, as a person does in `folder`.

    The camera is filled in, and a free port for the site's broker; the cloud's data folder is
    `folder/blindspot-data`. `node`: environment of the node.
    """
    video, port = folder / f"{CAMERA}.avi", free_port()
    _write_video(video)
    add, *programs = (re.sub(r"--port \d+", f"--port {port}", command) for command in commands)
    add = add.replace("NAME=SOURCE", f"{CAMERA}={video} --broker-port {port}")
    blocks = (Block(BlockKind.RUN, add, 1), *(Block(BlockKind.TERMINAL, one, 2) for one in programs))
    settings = {"blindspot-edge node": node, "blindspot-edge gate": GATE}
    reader = Reader(folder, {}, log=lambda _: None, settings=settings)
    try:
        reader.read(blocks)
        yield reader
    finally:
        reader.stop()


def _write_video(path: Path) -> None:
    """A dark street, in which smoke and a weak fire are seen for `SHOWN_S` of every `PERIOD_S` seconds."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), float(FPS), (SIDE, SIDE))
    random = np.random.default_rng(0)
    for n in range(60 * MINUTES * FPS):
        image = np.full((SIDE, SIDE, 3), STREET, np.uint8)
        if n // FPS % PERIOD_S < SHOWN_S:
            image[0:16, 0:16], image[32:48, 32:48] = SMOKE, FIRE
        video.write(cv2.add(image, random.integers(0, 6, image.shape, np.uint8)))
    video.release()
