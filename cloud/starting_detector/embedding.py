"""The public embedding basis: fitted once on boxes of drawn scenes of worlds BASE and REFERENCE.

All conditions of both worlds are used, since the basis must separate conditions that the starting detector
cannot. It depends on the embedding layers and these scenes only, on no training.
"""

from dataclasses import replace

import numpy as np

from cloud.detector.box_features import box_features
from cloud.detector.embedding_basis import fit_basis
from cloud.detector.ultralytics.network import EmbeddingDetector
from cloud.detector.weights import DetectorWeights
from cloud.starting_detector.scenes import SceneSet, drawn
from synth.street import DRAWN_CONDITIONS, WorldName

WIDTH = 64
BASIS_SCENES = (
    SceneSet(WorldName.BASE, DRAWN_CONDITIONS, 360, 200_000),
    SceneSet(WorldName.REFERENCE, DRAWN_CONDITIONS, 360, 200_000),
)


def with_public_basis(weights: DetectorWeights) -> DetectorWeights:
    """The same network with the basis fitted to its embedding layers."""
    detector, size = EmbeddingDetector(weights), (weights.card.input_width, weights.card.input_height)
    parts = [box_features(detector, drawn(scenes), size) for scenes in BASIS_SCENES]
    groups = [group for _, some in parts for group in some]
    return replace(weights, basis=fit_basis(np.concatenate([v for v, _ in parts]), groups, width=WIDTH))
