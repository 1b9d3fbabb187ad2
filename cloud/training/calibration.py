"""Chooses a detector's thresholds on labelled images: by best F1, or so that it is as precise as its parent.

Runs the edge's own detector code. The images must not be those of the holdout.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cloud.data.labelled_images import LabelledImage
from cloud.evaluation.detection_metrics import Bools, iou_rule, match
from cloud.evaluation.evaluate import detect_all, true_boxes
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Detector
from messaging.taxonomy import Taxonomy

PRECISION_FLOOR = 0.8
LOWEST, HIGHEST = 0.1, 0.7
FEWEST_TRUTHS = 5
FEWEST_REPORTED = 30
PRECISE_ENOUGH = 0.95


@dataclass(frozen=True, eq=False)
class Ranking:
    """All reported boxes of one class, the most confident first, and the number of true boxes.

    Attributes:
        confidence: (n,) in falling order.
        precision: (n,) fraction of hits among the boxes up to and including this one.
        caught: (n,) number of these hits.
        truths: number of true boxes.
    """

    confidence: Floats
    precision: Floats
    caught: Floats
    truths: int

    def reported(self, threshold: float) -> int:
        """Boxes at or above a threshold."""
        return int((self.confidence >= threshold).sum())

    def between(self, index: int) -> float:
        """The threshold half way between a box and the next less confident one."""
        following = self.confidence[index + 1] if index + 1 < len(self.confidence) else LOWEST
        return round(float(np.clip((self.confidence[index] + following) / 2, LOWEST, HIGHEST)), 3)


def rankings(detectors: Sequence[Detector], labelled: Iterable[LabelledImage]) -> list[dict[str, Ranking]]:
    """The ranking of each class of each detector, in the order of the detectors."""
    scans = [_Scan(detector.description.taxonomy) for detector in detectors]
    for image, results in detect_all(detectors, labelled):
        for scan, found in zip(scans, results, strict=True):
            scan.add(image, found)
    return [scan.rankings() for scan in scans]


def choose_thresholds(
    detector: Detector, labelled: Iterable[LabelledImage], *, precision_floor: float = PRECISION_FLOOR
) -> dict[str, float]:
    """A threshold for each class, between 0.1 and 0.7.

    It has the best F1 among thresholds whose precision reaches the floor, or among all if none does. A class
    with fewer than five true boxes keeps the bundle's threshold.
    """
    chosen = dict(detector.description.thresholds)
    for name, ranking in rankings([detector], labelled)[0].items():
        if ranking.truths >= FEWEST_TRUTHS:
            chosen[name] = best_threshold(ranking, precision_floor)
    return chosen


def thresholds_as_precise(
    detector: Detector, parent: Detector, labelled: Iterable[LabelledImage], *, margin: float, again: bool
) -> dict[str, float]:
    """The parent's thresholds, moved so that each class is more precise than in the parent by `margin`.

    A threshold rises until its class is that precise, or falls while it stays so, but not below a precision
    of 0.8. The margin (up to a precision of 0.95) allows for a lower precision on images other than those
    that thresholds were chosen on. With `again`, the parent's thresholds were chosen on these same images, so
    none has to rise for the margin. A class of which the parent reports fewer than 30 boxes keeps its
    threshold; one that the parent lacks gets the best threshold if there are enough true boxes of it.
    """
    own, before = rankings([detector, parent], labelled)
    chosen = {**detector.description.thresholds, **parent.description.thresholds}
    for name in own.keys() - before.keys():
        if own[name].truths >= FEWEST_TRUTHS:
            chosen[name] = best_threshold(own[name], PRECISION_FLOOR)
    for name, threshold in parent.description.thresholds.items():
        reported = before[name].reported(threshold)
        if reported >= FEWEST_REPORTED:
            precision = float(before[name].precision[reported - 1])
            wanted = max(precision, min(precision + margin, PRECISE_ENOUGH))
            needed = lowest_threshold(own[name], precision if again else wanted)
            allowed = lowest_threshold(own[name], max(wanted, PRECISION_FLOOR))
            chosen[name] = max(needed, min(threshold, allowed))
    return chosen


def best_threshold(ranking: Ranking, precision_floor: float) -> float:
    """The threshold of best F1 among those whose precision reaches the floor, else among all."""
    if not len(ranking.confidence):
        return LOWEST
    reported = np.arange(1, len(ranking.confidence) + 1)
    f1 = 2 * ranking.caught / (reported + ranking.truths)
    allowed = (ranking.precision >= precision_floor) & (ranking.confidence >= LOWEST)
    return ranking.between(int(np.where(allowed, f1, -1).argmax()) if allowed.any() else int(f1.argmax()))


def lowest_threshold(ranking: Ranking, precision: float) -> float:
    """The lowest threshold with at least this precision, 0.1 to 0.7; 0.7 if there is none."""
    last_of_equals = np.diff(ranking.confidence, append=-1.0) < 0
    allowed = np.flatnonzero((ranking.precision >= precision) & last_of_equals)
    return ranking.between(int(allowed[-1])) if len(allowed) else HIGHEST


class _Scan:
    """Collects one detector's boxes and the true boxes."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._names, self._taxonomy = taxonomy.names, taxonomy
        self._confidence: dict[str, list[Floats]] = {name: [] for name in self._names}
        self._hits: dict[str, list[Bools]] = {name: [] for name in self._names}
        self._truths = dict.fromkeys(self._names, 0)

    def add(self, image: LabelledImage, found: Detections) -> None:
        for index, name in enumerate(self._names):
            own, truth = found[found.class_id == index], true_boxes(image, name)
            self._confidence[name].append(own.confidence)
            self._hits[name].append(match(own, truth, iou_rule(self._taxonomy, name)))
            self._truths[name] += len(truth)

    def rankings(self) -> dict[str, Ranking]:
        return {name: self._ranking(name) for name in self._names}

    def _ranking(self, name: str) -> Ranking:
        confidence = np.concatenate([np.zeros(0, np.float32), *self._confidence[name]])
        hits = np.concatenate([np.zeros(0, np.bool_), *self._hits[name]])
        return ranked(confidence, hits, self._truths[name])


def ranked(confidence: Floats, hits: Bools, truths: int) -> Ranking:
    """The ranking of boxes in any order, with whether each is a hit."""
    order = np.argsort(-confidence, kind="stable")
    caught = np.cumsum(hits[order]).astype(np.float32)
    reported = np.arange(1, len(order) + 1, dtype=np.float32)
    return Ranking(confidence[order], caught / reported, caught, truths)
