"""Thresholds for drawn scenes and photographs: precise on both, and low where photographs allow it."""

from collections.abc import Sequence

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.data.labelled_images import LabelledImage
from cloud.starting_detector.thresholds import thresholds_for_both
from edge.vision.detections import Detections
from edge.vision.onnx_detector import OnnxDetector
from messaging.taxonomy import Condition
from tests.support.edge.tiny_bundles import tiny_bundle

BOX = (16.0, 16.0, 32.0, 32.0)


class Scripted:
    """Reports one box an image, with the confidence that the image's first pixel states in per cent."""

    def __init__(self) -> None:
        self.description = OnnxDetector(tiny_bundle()).description
        self.digest = "0" * 64

    def detect(self, images: Sequence[np.ndarray], *, floor: float = 0.0) -> list[Detections]:
        return [
            Detections(
                np.asarray([BOX], np.float32),
                np.asarray([image[0, 0, 0] / 100], np.float32),
                np.zeros(1, np.int64),
                np.zeros(1, np.float32),
                np.zeros((1, 0), np.float32),
            )
            for image in images
        ]


def images(confidences: Sequence[int], *, true: int) -> list[LabelledImage]:
    """Images on which a box of this confidence is reported; in the first `true` of them it is a fire."""
    made = []
    for number, confidence in enumerate(confidences):
        image = np.full((64, 64, 3), confidence, np.uint8)
        boxes = (TrueBox("fire", BOX),) if number < true else ()
        made.append(LabelledImage(str(number), image, boxes, Condition()))
    return made


@pytest.mark.parametrize(
    ("drawn", "photographs", "lowest", "highest"),
    [
        (images([90] * 10, true=10), images([50] * 6 + [20] * 20, true=6), 0.2, 0.5),
        (images([90] * 10 + [60] * 10, true=10), images([50] * 6, true=6), 0.6, 0.7),
        (images([90] * 10, true=10), images([30] * 50, true=0), 0.3, 0.7),
    ],
    ids=["precise on photographs", "precise on drawn scenes", "never found in photographs"],
)
def test_a_threshold_is_precise_on_both(
    drawn: list[LabelledImage], photographs: list[LabelledImage], lowest: float, highest: float
) -> None:
    threshold = thresholds_for_both(Scripted(), drawn, photographs)["fire"]  # type: ignore[arg-type]
    assert lowest < threshold <= highest
