"""New outputs for a detector: its head gets one for each added class, the old ones stay as they are.

An old class's rows of the head are copied, so that its scores are the same before any training. A new class
begins with a score of 1 % everywhere, from zero weights: nothing is detected as it before it is trained.
"""

import math
from collections.abc import Sequence

import numpy as np

from cloud.detector.ultralytics.network import YoloNetwork
from cloud.detector.weights import DetectorWeights, Floats
from cloud.errors import WeightsRefused
from messaging.hazard_classes import HazardClass

FIRST_THRESHOLD = 0.25
_FIRST_SCORE = 0.01


def grown(weights: DetectorWeights, classes: Sequence[HazardClass]) -> DetectorWeights:
    """The detector with these classes, of which the first are its own in the same order.

    Raises `WeightsRefused` for other classes, and for an architecture whose other layers would change.
    """
    old, names = weights.card.class_names, tuple(one.name for one in classes)
    if names[: len(old)] != old:
        raise WeightsRefused(
            f"the detector has the classes {', '.join(old)}, which must come first and in this order; got "
            f"{', '.join(names)}"
        )
    thresholds = {name: weights.card.thresholds.get(name, FIRST_THRESHOLD) for name in names}
    described = weights.with_card(class_names=names, classes=tuple(classes), thresholds=thresholds)
    if names == old:
        return described
    wanted = YoloNetwork(weights.card.architecture, len(names)).tensors()
    tensors = {
        name: _with_rows(name, value, wanted[name].shape, old=len(old), new=len(names))
        for name, value in weights.tensors.items()
    }
    return DetectorWeights(tensors, weights.basis, described.card, weights.embedder)


def _with_rows(name: str, value: Floats, shape: tuple[int, ...], *, old: int, new: int) -> Floats:
    if value.shape == shape:
        return value
    if not shape or shape[0] != new or value.shape != (old, *shape[1:]):
        raise WeightsRefused(
            f"the head cannot grow from {old} to {new} classes: tensor {name} would change from "
            f"{value.shape} to {shape}; train a detector that has all classes"
        )
    rows = np.zeros((new - old, *shape[1:]), np.float32)
    if value.ndim == 1:
        rows += math.log(_FIRST_SCORE / (1 - _FIRST_SCORE))
    return np.concatenate([value, rows])
