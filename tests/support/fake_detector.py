"""A detector without a network: its bytes state its name, classes and behaviour."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.errors import BundleRefused, DetectorError, UnsafeGraph
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Image
from edge.vision.providers import GrantedProvider
from messaging.blobs import digest_of
from messaging.releases import BundleDescription, ExecutionProvider
from messaging.taxonomy import taxonomy_of

ON_CPU = GrantedProvider(ExecutionProvider.CPU, ExecutionProvider.CPU)
CLASSES = ("fire", "smoke", "pothole")


def describe(name: str = "fake", class_names: Sequence[str] = CLASSES) -> BundleDescription:
    return BundleDescription(
        name=name,
        class_names=tuple(class_names),
        taxonomy_digest=taxonomy_of(class_names).digest,
        input_width=64,
        input_height=64,
        thresholds=dict.fromkeys(class_names, 0.5),
        feature_stride=16,
        embedding_width=4,
        embedding_digest="e" * 64,
        clip_norm=1.0,
        licence="none",
    )


def fake_bundle(name: str = "fake", *, kind: str = "good", class_names: Sequence[str] = CLASSES) -> bytes:
    """Bytes of a fake bundle; `kind`: good, slow, nan, failing (every call raises), broken, unsafe, dying."""
    return json.dumps({"name": name, "kind": kind, "classes": list(class_names)}).encode()


def load_fake(data: bytes) -> "FakeDetector":
    parts = json.loads(data)
    if parts["kind"] == "broken":
        raise BundleRefused("fake bundle is broken")
    if parts["kind"] == "unsafe":
        raise UnsafeGraph("fake bundle keeps tensors in other files")
    return FakeDetector(describe(parts["name"], parts["classes"]), digest_of(data), parts["kind"])


@dataclass
class FakeDetector:
    """Detects one box of class 0 on every image, or fails as its kind requires."""

    description: BundleDescription
    digest: str
    kind: str = "good"
    provider: GrantedProvider = ON_CPU
    script: list[Detections] = field(default_factory=list)
    calls: int = 0
    waits_for: threading.Event | None = None
    waiting: bool = False

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        self.calls += 1
        if self.waits_for is not None:
            self.waiting = True
            self.waits_for.wait(30.0)
        if self.kind == "failing" or (self.kind == "dying" and self.calls > 100):
            raise DetectorError("the fake detector failed")
        if self.kind == "slow":
            time.sleep(0.06)
        box = [np.nan, 0, 9, 9] if self.kind == "nan" else [1, 1, 9, 9]
        if self.script:
            return [self.script.pop(0) for _ in images]
        return [Detections.of([box], [0.9], [0], embedding=np.zeros((1, 4))) for _ in images]

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        return np.zeros((len(xyxy), 4), np.float32)
