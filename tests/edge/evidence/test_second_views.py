"""Mirrored and contrast-stretched views of a frame."""

import numpy as np
import numpy.typing as npt

from edge.evidence.second_views import mirror_back, second_views, stretch_contrast
from edge.vision.detections import Detections, Floats
from messaging.releases import BundleDescription
from tests.support.edge.model_bundles import describe


class MirrorDetector:
    """Detects one bright square, wherever it is."""

    digest = "d" * 64
    description: BundleDescription = describe()

    def detect(self, images: list[npt.NDArray[np.uint8]], *, floor: float | None = None) -> list[Detections]:
        return [self._infer(image) for image in images]

    def _infer(self, image: npt.NDArray[np.uint8]) -> Detections:
        ys, xs = np.nonzero(image[:, :, 1] > 150)
        return Detections.of([(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)], [0.8], [0])

    def embed(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        return np.zeros((len(xyxy), 4), np.float32)


def test_the_mirrored_view_comes_back_in_the_pixels_of_the_frame() -> None:
    image = np.full((360, 640, 3), 60, np.uint8)
    image[100:150, 40:90] = 250
    mirrored, _ = second_views(MirrorDetector(), image, 0.1)
    assert mirrored.xyxy[0].tolist() == [40, 100, 90, 150]
    assert mirror_back(mirror_back(mirrored, 640), 640).xyxy.tolist() == mirrored.xyxy.tolist()


def test_the_stretched_view_of_a_dark_frame_is_brighter() -> None:
    dark = np.random.default_rng(0).integers(0, 40, (360, 640, 3)).astype(np.uint8)
    assert stretch_contrast(dark).mean() > dark.mean() + 20
