"""Features of labelled boxes, pooled from the embedding layers: what an embedding basis is fitted to."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from cloud.data.labelled_images import LabelledImage
from cloud.detector.ultralytics.network import EmbeddingDetector
from cloud.detector.weights import FEATURE_STRIDE
from edge.vision.detector import letterbox, roi_align

Floats = npt.NDArray[np.float32]


def box_features(
    detector: EmbeddingDetector, images: Iterable[LabelledImage], size: tuple[int, int]
) -> tuple[Floats, list[str]]:
    """Features pooled for every true box, (n, channels), and the `class/condition` of each."""
    vectors, groups = [], []
    for labelled in images:
        if not labelled.boxes:
            continue
        blob, fit = letterbox(labelled.image, *size)
        xyxy = np.asarray([box.xyxy for box in labelled.boxes], np.float32)
        vectors.append(roi_align(detector.features(blob), fit.to_input(xyxy), FEATURE_STRIDE))
        groups += [f"{box.class_name}/{labelled.condition.key}" for box in labelled.boxes]
    return np.concatenate(vectors), groups
