"""A site's folder for tests of the node as a program: trust, mirror with a signed model, configuration."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import cv2
import numpy as np

from messaging.blobs import digest_of
from messaging.nats.broker import free_port
from messaging.releases import Channel
from messaging.trust.manifest import ReleaseManifest
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description
from tests.support.release_fleet import SITE, Fleet

ROOT = Path(__file__).parents[3]


class NodeFolder:
    """Everything that `node.yaml` names, whole; a test damages one part of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.fleet = folder, Fleet(folder, now=int(time.time()))
        self.data, self.trust = folder / "data", folder / "trust.json"
        self.images, self.config = folder / "images", folder / "node.yaml"
        self.log = folder / "node.log"
        self.trust.write_bytes(self.fleet.repository.site_trust.to_bytes())
        self.images.mkdir()
        self.add_image("0001.png")
        self.port = free_port()

    def add_image(self, name: str, level: int = 90) -> None:
        """A picture of 64x64 pixels, all of one grey, written aside and renamed as a recorder does."""
        done, image = cv2.imencode(".png", np.full((64, 64, 3), level, np.uint8))
        assert done
        aside = self.images.parent / f".{name}"
        aside.write_bytes(image.tobytes())
        os.replace(aside, self.images / name)

    def sign_model(self, data: bytes | None = None, *, version: int = 1) -> ReleaseManifest:
        """A tiny model in the mirror, and the order that puts it in service."""
        data, description = data or tiny_bundle(), tiny_description()
        manifest = ReleaseManifest.of(
            description,
            digest=digest_of(data),
            length_bytes=len(data),
            channel=Channel.SERVICE,
            version=version,
        )
        self.fleet.repository.publish(manifest)
        (self.fleet.mirror / "targets" / manifest.digest).write_bytes(data)
        self.fleet.mirror_metadata()
        self.fleet.order(manifest.digest)
        return manifest

    def mirrored(self, name: str) -> Path:
        """A file of the mirror's release metadata."""
        return self.fleet.mirror / "metadata" / name

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file of the data folder."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def taken_port(self) -> socket.socket:
        """Another program's socket on the page's port."""
        return socket.create_server(("127.0.0.1", self.port))

    def write_config(self, **changes: Any) -> Path:
        """`node.yaml`; JSON is YAML."""
        values: dict[str, Any] = {
            "site": SITE,
            "data": str(self.data),
            "mirror": str(self.fleet.mirror),
            "trust": str(self.trust),
            "broker": {"url": f"nats://127.0.0.1:{free_port()}"},
            "page_port": self.port,
            "updates": {"poll_s": 0.2, "trial_s": 0.0},
            "cameras": [{"name": "yard", "source": str(self.images), "segments": True}],
            **changes,
        }
        self.config.write_text(json.dumps(values))
        return self.config

    @contextmanager
    def running(
        self, *, limit_s: float = 10.0, environment: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """The node as a process of its own, ended at the end; with more in its environment if given."""
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "run", "-c", str(self.config)],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdout=out,
                stderr=out,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(limit_s + 10.0)

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of one of its pages; status 0 while nothing answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5.0) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def reasons(self) -> list[str]:
        """Why the node is not ready; one entry while it does not answer."""
        status, text = self.page("/readyz")
        return list(json.loads(text)["reasons"]) if status else ["no answer"]

    def frames(self) -> int:
        """Frames of all results that the node has counted."""
        lines = self.page("/metrics")[1].splitlines()
        return sum(int(float(x.split()[-1])) for x in lines if x.startswith("blindspot_edge_frames_total"))


def run_edge(*arguments: str | Path, limit_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
    """A `blindspot-edge` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edge.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
