"""The public embedding basis: fitted once on boxes of drawn scenes of worlds BASE and REFERENCE.

All conditions of both worlds are used, since the basis must separate conditions that the starting detector
cannot. It depends on the embedding layers and these scenes only, on no training.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cloud.data.labelled_images import LabelledImage
from cloud.detector.embedding_basis import fit_basis
from cloud.detector.ultralytics.network import EmbeddingDetector
from cloud.detector.weights import FEATURE_STRIDE, DetectorWeights
from cloud.starting_detector.scenes import SceneSet, drawn
from edge.vision.detector import letterbox, roi_align
from synth.street import DRAWN_CONDITIONS, WorldName

Floats = npt.NDArray[np.float32]
WIDTH = 64
BASIS_SCENES = (
    SceneSet(WorldName.BASE, DRAWN_CONDITIONS, 360, 200_000),
    SceneSet(WorldName.REFERENCE, DRAWN_CONDITIONS, 360, 200_000),
)


def with_public_basis(weights: DetectorWeights) -> DetectorWeights:
    """The same network with the basis fitted to its embedding layers."""
    detector, size = EmbeddingDetector(weights), (weights.card.input_width, weights.card.input_height)
    parts = [box_vectors(detector, drawn(scenes), size) for scenes in BASIS_SCENES]
    groups = [group for _, some in parts for group in some]
    return replace(weights, basis=fit_basis(np.concatenate([v for v, _ in parts]), groups, width=WIDTH))


def box_vectors(
    detector: EmbeddingDetector, images: Iterable[LabelledImage], size: tuple[int, int]
) -> tuple[Floats, list[str]]:
    """Features pooled for every true box, (n, 256), and the `class/condition` of each."""
    vectors, groups = [], []
    for labelled in images:
        if not labelled.boxes:
            continue
        blob, fit = letterbox(labelled.image, *size)
        xyxy = np.asarray([box.xyxy for box in labelled.boxes], np.float32)
        vectors.append(roi_align(detector.features(blob), fit.to_input(xyxy), FEATURE_STRIDE))
        groups += [f"{box.class_name}/{labelled.condition.key}" for box in labelled.boxes]
    return np.concatenate(vectors), groups
