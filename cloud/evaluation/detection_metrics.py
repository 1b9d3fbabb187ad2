"""Detections compared with true boxes: greedy matching, average precision. Pure numpy; no images, no models.

Boxes are compared in pixels of one image and within one class. A detection that overlaps a true box enough is
a hit; each true box is hit once, by the most confident detection that overlaps it.
"""

import numpy as np
import numpy.typing as npt

from edge.vision.detections import Detections, Floats, Ints, iou_matrix
from messaging.taxonomy import Taxonomy

Bools = npt.NDArray[np.bool_]
IOU_RULE, IOU_RULE_AMORPHOUS = 0.5, 0.3
IOU_STEPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


def iou_rule(taxonomy: Taxonomy, class_name: str) -> float:
    """The IoU that makes a hit: 0.5, for amorphous classes 0.3."""
    amorphous = taxonomy.hazard(class_name).amorphous
    return IOU_RULE_AMORPHOUS if amorphous else IOU_RULE


def match(found: Detections, truth: Floats, iou: float) -> Bools:
    """Which detections of one class are hits.

    Args:
        found: detections of one class on one image.
        truth: (m, 4) true boxes of that class on that image, pixels.
        iou: least overlap of a hit.

    Returns:
        (n,) bool in the order of `found`.
    """
    hits: Bools = matched_rows(found, truth, iou) >= 0
    return hits


def matched_rows(found: Detections, truth: Floats, iou: float) -> Ints:
    """Match as `match` does and return the row of `truth` that each detection hits: (n,), -1 for none."""
    rows = np.full(len(found), -1, np.int64)
    overlaps = iou_matrix(found.xyxy, truth)
    free = np.ones(len(truth), np.bool_)
    for row in np.argsort(-found.confidence, kind="stable"):
        candidates = np.where(free, overlaps[row], 0.0)
        if len(truth) and candidates.max() >= iou:
            rows[row] = candidates.argmax()
            free[rows[row]] = False
    return rows


def average_precision(confidence: Floats, hits: Bools, truths: int) -> float:
    """Area under the precision-recall curve, precision made monotone (Everingham et al. 2010, all points).

    Args:
        confidence: (n,) of all detections of a class.
        hits: (n,) bool.
        truths: number of true boxes; 0 gives 0.
    """
    if truths == 0 or len(hits) == 0:
        return 0.0
    ordered = hits[np.argsort(-confidence, kind="stable")]
    caught = np.cumsum(ordered)
    precision = caught / np.arange(1, len(ordered) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_from_here * ordered).sum() / truths)
