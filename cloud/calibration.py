"""Choosing a detector's thresholds on labelled images: by itself, or so that it is as precise as its parent.

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
FEWEST_REPORTED = 30
PRECISE_ENOUGH = 0.95


@dataclass(frozen=True, eq=False)
class Ranking:
    """All boxes of one class, the most confident first, and how many true ones there are.

    Attributes:
        confidence: (n,) falling.
        precision: (n,) share of true boxes among the first ones, this one included.
        caught: (n,) number of them.
        truths: labelled boxes.
    """

    confidence: Floats
    precision: Floats
    caught: Floats
    truths: int

    def reported(self, threshold: float) -> int:
        """Boxes at or above a threshold."""
        return int((self.confidence >= threshold).sum())

    def between(self, index: int) -> float:
        """The threshold half way below a box."""
        following = self.confidence[index + 1] if index + 1 < len(self.confidence) else LOWEST
        return round(float(np.clip((self.confidence[index] + following) / 2, LOWEST, HIGHEST)), 3)


def rankings(detectors: Sequence[Detector], labelled: Iterable[LabelledImage]) -> list[dict[str, Ranking]]:
    """What each detector reports of each of its classes; every image is opened once."""
    scans = [_Scan(detector) for detector in detectors]
    for image in labelled:
        for scan in scans:
            scan.look(image)
    return [scan.rankings() for scan in scans]


def choose_thresholds(
    detector: Detector, labelled: Iterable[LabelledImage], *, precision_floor: float = PRECISION_FLOOR
) -> dict[str, float]:
    """A threshold for each class, between 0.1 and 0.7.

    The best F1 where precision reaches the floor; the best F1 at all where it never does. A class with
    fewer than five true boxes keeps the threshold of the bundle.
    """
    chosen = dict(detector.description.thresholds)
    for name, ranking in rankings([detector], labelled)[0].items():
        if ranking.truths >= FEWEST_TRUTHS:
            chosen[name] = best_threshold(ranking, precision_floor)
    return chosen


def thresholds_as_precise(
    detector: Detector, parent: Detector, labelled: Iterable[LabelledImage], *, margin: float
) -> dict[str, float]:
    """The parent's thresholds, raised until every class is more precise than the parent's by `margin`.

    A threshold chosen on some images looks better there than it is elsewhere: the margin is for that. It
    ends at a precision of 0.95. A class of which the parent reports fewer than 30 boxes keeps its threshold:
    so few say nothing.
    """
    own, before = rankings([detector, parent], labelled)
    chosen = dict(parent.description.thresholds)
    for name, threshold in parent.description.thresholds.items():
        reported = before[name].reported(threshold)
        if reported >= FEWEST_REPORTED:
            precision = float(before[name].precision[reported - 1])
            wanted = max(precision, min(precision + margin, PRECISE_ENOUGH))
            chosen[name] = _raised(own[name], threshold, wanted)
    return chosen


def best_threshold(ranking: Ranking, precision_floor: float) -> float:
    """The threshold of best F1 among those whose precision reaches the floor, if any does."""
    if not len(ranking.confidence):
        return LOWEST
    reported = np.arange(1, len(ranking.confidence) + 1)
    f1 = 2 * ranking.caught / (reported + ranking.truths)
    allowed = (ranking.precision >= precision_floor) & (ranking.confidence >= LOWEST)
    return ranking.between(int(np.where(allowed, f1, -1).argmax()) if allowed.any() else int(f1.argmax()))


def _raised(ranking: Ranking, threshold: float, precision: float) -> float:
    """The lowest threshold, not below the given one, of so much precision; the highest there is, if none."""
    reported = ranking.reported(threshold)
    if not reported or ranking.precision[reported - 1] >= precision:
        return threshold
    last_of_equals = np.diff(ranking.confidence[: reported + 1], append=-1.0)[:reported] < 0
    allowed = np.flatnonzero((ranking.precision[:reported] >= precision) & last_of_equals)
    return max(threshold, ranking.between(int(allowed[-1]))) if len(allowed) else max(threshold, HIGHEST)


class _Scan:
    """One detector's boxes so far."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._names = detector.description.class_names
        self._taxonomy = taxonomy_of(self._names)
        self._confidence: dict[str, list[Floats]] = {name: [] for name in self._names}
        self._hits: dict[str, list[Bools]] = {name: [] for name in self._names}
        self._truths = dict.fromkeys(self._names, 0)

    def look(self, image: LabelledImage) -> None:
        found = self._detector.detect([image.image], floor=SCORE_FLOOR)[0]
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
    """Boxes in any order, with whether each is a true one."""
    order = np.argsort(-confidence, kind="stable")
    caught = np.cumsum(hits[order]).astype(np.float32)
    reported = np.arange(1, len(order) + 1, dtype=np.float32)
    return Ranking(confidence[order], caught / reported, caught, truths)
