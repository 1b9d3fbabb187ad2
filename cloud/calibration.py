"""Choosing a detector's thresholds on labelled images: the best F1 among those precise enough.

Runs the edge's own detector code. The images must not be those the detector is later judged on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
PRIOR_BOXES = 20
PRECISION_DROP = 0.05


@dataclass(frozen=True, eq=False)
class ClassOutcome:
    """What a detector said of one class on labelled images.

    Attributes:
        confidence: (n,) float32 of all its boxes, most confident first.
        hits: (n,) bool, whether each was right.
        truths: true boxes there were.
    """

    confidence: Floats
    hits: Bools
    truths: int

    def precision(self, threshold: float) -> float | None:
        """Right share of the boxes from this confidence up; None where there are fewer than five."""
        said = self.confidence >= threshold
        return float(self.hits[said].mean()) if said.sum() >= FEWEST_TRUTHS else None


def outcomes(detector: Detector, labelled: Iterable[LabelledImage]) -> dict[str, ClassOutcome]:
    """What a detector says on labelled images, class by class, down to `SCORE_FLOOR`."""
    bundle = detector.description
    taxonomy = taxonomy_of(bundle.class_names)
    confidence: dict[str, list[Floats]] = {name: [np.zeros(0, np.float32)] for name in bundle.class_names}
    hits: dict[str, list[Bools]] = {name: [np.zeros(0, np.bool_)] for name in bundle.class_names}
    truths = dict.fromkeys(bundle.class_names, 0)
    for image in labelled:
        found = detector.detect([image.image], floor=SCORE_FLOOR)[0]
        for index, name in enumerate(bundle.class_names):
            own, truth = found[found.class_id == index], true_boxes(image, name)
            confidence[name].append(own.confidence)
            hits[name].append(match(own, truth, iou_rule(taxonomy, name)))
            truths[name] += len(truth)
    return {name: _sorted(confidence[name], hits[name], truths[name]) for name in bundle.class_names}


def _sorted(confidence: Sequence[Floats], hits: Sequence[Bools], truths: int) -> ClassOutcome:
    scores = np.concatenate(confidence)
    order = np.argsort(-scores, kind="stable")
    return ClassOutcome(scores[order], np.concatenate(hits)[order], truths)


def choose_thresholds(
    detector: Detector, labelled: Iterable[LabelledImage], *, precision_floor: float = PRECISION_FLOOR
) -> dict[str, float]:
    """A threshold for each class, between 0.1 and 0.7.

    The best F1 where precision reaches the floor; the best F1 at all where it never does. A class with
    fewer than five true boxes keeps the threshold of the bundle.
    """
    chosen = dict(detector.description.thresholds)
    for name, seen in outcomes(detector, labelled).items():
        if seen.truths >= FEWEST_TRUTHS:
            chosen[name] = best_threshold(seen.confidence, seen.hits, seen.truths, precision_floor)
    return chosen


def thresholds_as_precise(
    detector: Detector, parent: Detector, labelled: Sequence[LabelledImage], class_names: Iterable[str]
) -> dict[str, float]:
    """Thresholds with which some classes are as precise as the parent's are on the same images.

    The lowest such threshold from the class's own up to 0.7, for each of `class_names`; as precise means at
    most five points less. The images are few, and few are a weak reason: a threshold only rises, and the
    parent's precision counts as much as 20 boxes. A class keeps its threshold where there are fewer than
    five true boxes or parent's boxes to compare with.
    """
    chosen = dict(detector.description.thresholds)
    own, before = outcomes(detector, labelled), outcomes(parent, labelled)
    for name in class_names:
        wanted = before[name].precision(parent.description.thresholds[name])
        if wanted is not None and own[name].truths >= FEWEST_TRUTHS:
            chosen[name] = lowest_threshold(own[name], wanted, chosen[name])
    return chosen


def lowest_threshold(seen: ClassOutcome, precision: float, own: float) -> float:
    """The lowest threshold from `own` up that reaches a precision (see `thresholds_as_precise`), else 0.7."""
    for threshold in (own, *sorted(float(score) for score in seen.confidence if own < score <= HIGHEST)):
        said = seen.confidence >= threshold
        likely = (seen.hits[said].sum() + PRIOR_BOXES * precision) / (said.sum() + PRIOR_BOXES)
        if likely >= precision - PRECISION_DROP:
            return round(threshold, 3)
    return max(own, HIGHEST)


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
