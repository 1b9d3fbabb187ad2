"""A generator and a detector without weights: one draws flat ellipses, the other finds their colours."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.detections import Detections, Floats
from messaging.releases import BundleDescription
from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.generation.generator import GeneratorCard, InpaintedPatch, PatchRequest, Provenance
from synth.planning.patches import Image
from tests.support.fake_detector import ON_CPU

SIDE = 64
COLOURS = {
    "fire": (40, 120, 250),
    "pothole": (235, 30, 200),
    "garbage": (200, 200, 20),
    "smoke": (30, 230, 60),
}
EMBEDDING = "e" * 64


class FakeGenerator:
    """Draws an ellipse in the class's colour, varied by the seed; an empty prompt leaves the patch unchanged.

    `broken_every` draws nothing at every n-th place, `other_every` draws another class's colour there;
    `stray` draws black blocks where the prompt is an empty street.
    """

    def __init__(
        self, *, broken_every: int = 0, other_every: int = 0, stray: bool = False, digest: str = "0" * 64
    ) -> None:
        self.patches_generated = 0
        self._broken, self._other, self._stray = broken_every, other_every, stray
        self._card = GeneratorCard("fake", digest, "CC0-1.0")

    @property
    def patch_px(self) -> int:
        return SIDE

    @property
    def batch(self) -> int:
        return 16

    @property
    def closed_vocabulary(self) -> bool:
        return True

    @property
    def prototype_space(self) -> str | None:
        return None

    @property
    def card(self) -> GeneratorCard:
        return self._card

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        self.patches_generated += len(requests)
        return [InpaintedPatch(self._one(r), self._provenance(r)) for r in requests]

    def generate(self, prompt: str, *, seed: int, width: int, height: int) -> Image:
        rng = np.random.default_rng(seed)
        return np.full((height, width, 3), rng.integers(60, 160, 3), np.uint8)

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        return [np.asarray(cv2.GaussianBlur(p, (3, 3), 0), np.uint8) for p in patches]

    def _one(self, request: PatchRequest) -> Image:
        image = self.reconstruct([request.patch])[0].copy()
        if self._stray and "empty" in request.prompt:
            image[request.mask] = 0
            return image
        name = next((n for n in COLOURS if any(w in request.prompt for w in _words(n))), None)
        place = request.seed % 2**31
        if name is None or (self._broken and place % self._broken == 0):
            return image
        if self._other and place % self._other == 1:
            name = "smoke" if name != "smoke" else "fire"
        rows, columns = np.flatnonzero(request.mask.any(axis=1)), np.flatnonzero(request.mask.any(axis=0))
        centre = (int(columns.mean()), int(rows.mean()))
        axes = (max(int(len(columns) * 0.42), 2), max(int(len(rows) * 0.42), 2))
        rng = np.random.default_rng(request.seed)
        shade = np.clip(np.asarray(COLOURS[name]) + rng.integers(-25, 26, 3), 0, 255)
        cv2.ellipse(image, centre, axes, 0, 0, 360, tuple(float(v) for v in shade), -1, cv2.LINE_AA)
        return image

    def _provenance(self, request: PatchRequest) -> Provenance:
        card = self.card
        return Provenance(
            card.name, card.digest, card.licence, request.prompt, request.seed,
            sampler="none", steps=1, guidance=1.0, negative_prompt="", device="cpu", prototype=False,
        )  # fmt: skip


class FakeDetector:
    """Detects blobs in the fake generator's colours; embeds a box as its mean colour."""

    provider = ON_CPU

    def __init__(
        self, *, digest: str = "d" * 64, sees: Sequence[str] = tuple(COLOURS), score: float = 0.8
    ) -> None:
        self._digest, self._sees, self._score = digest, sees, score

    @property
    def description(self) -> BundleDescription:
        names = DEFAULT_TAXONOMY.names
        return BundleDescription(
            name="fake", class_names=names, taxonomy_digest=DEFAULT_TAXONOMY.digest, input_width=320,
            input_height=192, thresholds=dict.fromkeys(names, 0.25), feature_stride=16, embedding_width=3,
            embedding_digest=EMBEDDING, clip_norm=1.0, licence="CC0-1.0",
        )  # fmt: skip

    @property
    def digest(self) -> str:
        return self._digest

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        return [self._detections(image) for image in images]

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        vectors = [
            image[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1].reshape(-1, 3).mean(axis=0) - 90
            for x1, y1, x2, y2 in xyxy
        ]
        return np.asarray(vectors, np.float32).reshape(-1, 3)

    def _detections(self, image: Image) -> Detections:
        boxes: list[NDArray[np.int64]] = []
        classes: list[int] = []
        calm = cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.int16)
        for name in self._sees:
            near = (np.abs(calm - np.asarray(COLOURS[name])).max(axis=2) < 48).astype(np.uint8)
            _, _, facts, _ = cv2.connectedComponentsWithStats(near)
            for x, y, w, h, area in facts[1:]:
                if area >= 12:
                    boxes.append(np.asarray([x, y, x + w, y + h]))
                    classes.append(DEFAULT_TAXONOMY.index(name))
        return Detections.of(np.asarray(boxes).reshape(-1, 4), [self._score] * len(boxes), classes)


def _words(name: str) -> tuple[str, ...]:
    return DEFAULT_TAXONOMY.hazard(name).words
