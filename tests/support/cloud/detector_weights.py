"""The starting detector with a small input, for tests that export or train it, and its projection."""

from dataclasses import replace

import numpy as np

from cloud.detector.weights import DetectorWeights, EmbeddingBasis, Floats, read_weights
from cloud.starting_detector import STARTING_WEIGHTS


def small_weights() -> DetectorWeights:
    """The starting detector with an input of 96 x 64 pixels."""
    return read_weights(STARTING_WEIGHTS).with_card(input_width=96, input_height=64)


def scaled(weights: DetectorWeights, name: str) -> DetectorWeights:
    """The same weights with one tensor multiplied by 1.5."""
    return replace(weights, tensors={**weights.tensors, name: weights.tensors[name] * np.float32(1.5)})


def project(basis: EmbeddingBasis, vectors: Floats) -> Floats:
    """Pooled vectors (n, 256) -> embeddings (n, d)."""
    return vectors @ basis.matrix.T + basis.offset
