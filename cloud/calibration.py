"""Choosing a detector's thresholds on labelled images: the best F1 among those precise enough.

Runs the edge's own detector code. The images must not be those the detector is later judged on.
"""

from collections.abc import Iterable

import numpy as np

from cloud.detection_metrics import Bools, iou_rule, match
from cloud.evaluation import SCORE_FLOOR, true_boxes
from cloud.labelled_images import LabelledImage
from edge.detections import Floats
from edge.detector import Detector
from messaging.taxonomy import taxonomy_of

PRECISION_FLOOR = 0.8
LOWEST, HIGHEST = 0.1, 0.7
FEWEST_TRUTHS = 5


def choose_thresholds(
    detector: Detector, labelled: Iterable[LabelledImage], *, precision_floor: float = PRECISION_FLOOR
) -> dict[str, float]:
    """A threshold for each class, between 0.1 and 0.7.

    The best F1 where precision reaches the floor; the best F1 at all where it never does. A class with
    fewer than five true boxes keeps the threshold of the bundle.
    """
    bundle = detector.description
    taxonomy = taxonomy_of(bundle.class_names)
    confidence: dict[str, list[Floats]] = {name: [] for name in bundle.class_names}
    hits: dict[str, list[Bools]] = {name: [] for name in bundle.class_names}
    truths = dict.fromkeys(bundle.class_names, 0)
    for image in labelled:
        found = detector.detect([image.image], floor=SCORE_FLOOR)[0]
        for index, name in enumerate(bundle.class_names):
            own, truth = found[found.class_id == index], true_boxes(image, name)
            confidence[name].append(own.confidence)
            hits[name].append(match(own, truth, iou_rule(taxonomy, name)))
            truths[name] += len(truth)
    chosen = dict(bundle.thresholds)
    for name in bundle.class_names:
        if truths[name] >= FEWEST_TRUTHS:
            scores, flags = np.concatenate(confidence[name]), np.concatenate(hits[name])
            chosen[name] = best_threshold(scores, flags, truths[name], precision_floor)
    return chosen


def best_threshold(confidence: Floats, hits: Bools, truths: int, precision_floor: float) -> float:
    """The threshold of best F1 among those whose precision reaches the floor, if any does."""
    if not len(confidence):
        return LOWEST
    order = np.argsort(-confidence, kind="stable")
    scores, caught = confidence[order], np.cumsum(hits[order])
    reported = np.arange(1, len(order) + 1)
    f1 = 2 * caught / (reported + truths)
    allowed = (caught / reported >= precision_floor) & (scores >= LOWEST)
    pick = int(np.where(allowed, f1, -1).argmax()) if allowed.any() else int(f1.argmax())
    following = scores[pick + 1] if pick + 1 < len(scores) else LOWEST
    return round(float(np.clip((scores[pick] + following) / 2, LOWEST, HIGHEST)), 3)
