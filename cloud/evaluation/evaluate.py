"""Evaluation of detectors on labelled images: counts per class and condition, with intervals.

Uses the edge's own detector code, so that the evaluated code is the code that ships. Labels must use the
detector's class names. Nothing is decided here; that is `cloud.evaluation.promotion`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from pydantic import TypeAdapter

from cloud.data.labelled_images import LabelledImage
from cloud.evaluation.bootstrap import Interval, average_precision_intervals, mean_interval
from cloud.evaluation.detection_metrics import IOU_STEPS, average_precision, iou_rule, match
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Detector
from messaging.intervals import wilson
from messaging.taxonomy import Condition

SCORE_FLOOR = 0.02
BATCH = 8


@dataclass(frozen=True)
class Tally:
    """Counts of one class under one condition, at the bundle's thresholds.

    `true_positives` + `missed` are all true boxes. Average precisions use all scores above 0.02.
    `ap50_interval` and `ap50_95_interval`: 95 %, by a bootstrap over images; None with fewer than two images
    that have true boxes, and in evaluations of earlier versions.
    """

    class_name: str
    condition: str
    images: int
    true_positives: int
    false_positives: int
    missed: int
    ap50: float
    ap50_95: float
    ap50_interval: Interval | None = None
    ap50_95_interval: Interval | None = None

    def __post_init__(self) -> None:
        if min(self.images, self.true_positives, self.false_positives, self.missed) < 0:
            raise ValueError(f"counts must not be negative; got {self}")

    @property
    def truths(self) -> int:
        """True boxes."""
        return self.true_positives + self.missed

    @property
    def reported(self) -> int:
        """Boxes the detector reported."""
        return self.true_positives + self.false_positives

    @property
    def recall(self) -> float | None:
        """Fraction of true boxes found; None without true boxes."""
        return self.true_positives / self.truths if self.truths else None

    @property
    def precision(self) -> float | None:
        """Fraction of reported boxes that are true; None without reported boxes."""
        return self.true_positives / self.reported if self.reported else None

    @property
    def recall_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the recall."""
        return wilson(self.true_positives, self.truths)

    @property
    def precision_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the precision."""
        return wilson(self.true_positives, self.reported)


@dataclass(frozen=True)
class Evaluation:
    """Counts of one detector on one set of labelled images."""

    detector: str
    digest: str
    images: int
    tallies: tuple[Tally, ...]

    def tally(self, class_name: str, condition: str | Condition) -> Tally | None:
        """Counts of a class under a condition; None without true and reported boxes."""
        key = condition.key if isinstance(condition, Condition) else condition
        found = [t for t in self.tallies if (t.class_name, t.condition) == (class_name, key)]
        return found[0] if found else None

    def of_class(self, class_name: str) -> Tally | None:
        """Counts of a class over all conditions (average precisions are means weighted by truths)."""
        return _merged([t for t in self.tallies if t.class_name == class_name])

    def of_classes(self) -> list[Tally]:
        """Counts of each class over all conditions, by name."""
        names = sorted({tally.class_name for tally in self.tallies})
        return [tally for name in names if (tally := self.of_class(name)) is not None]

    def to_json(self) -> str:
        """The evaluation as JSON."""
        return _EVALUATIONS.dump_json(self).decode()


_EVALUATIONS = TypeAdapter(Evaluation)


@dataclass(eq=False)
class _Scores:
    """Scores and hits of one class under one condition, one array per image."""

    confidence: list[Floats] = field(default_factory=list)
    hits: list[np.ndarray] = field(default_factory=list)
    counted: list[np.ndarray] = field(default_factory=list)
    reported: list[np.ndarray] = field(default_factory=list)
    truths: list[int] = field(default_factory=list)


def evaluate(detector: Detector, holdout: Iterable[LabelledImage]) -> Evaluation:
    """Evaluate one detector on labelled images; see `evaluate_all`."""
    return evaluate_all([detector], holdout)[0]


def evaluate_all(detectors: Sequence[Detector], holdout: Iterable[LabelledImage]) -> list[Evaluation]:
    """Evaluate detectors on the same labelled images; results in the order of the detectors.

    A hit needs IoU 0.5 within the class, 0.3 for amorphous classes; AP50 and AP50-95 use their own IoU.
    Labels of classes that a detector lacks are left out. Raises `DetectorError` when inference fails on an
    image: a failure is never counted as an image without detections.
    """
    counts = [_Count(detector) for detector in detectors]
    for labelled, results in detect_all(detectors, holdout):
        for count, found in zip(counts, results, strict=True):
            count.add(labelled, found)
    return [count.evaluation() for count in counts]


def detect_all(
    detectors: Sequence[Detector], labelled_images: Iterable[LabelledImage]
) -> Iterator[tuple[LabelledImage, tuple[Detections, ...]]]:
    """Run all detectors side by side; yields each image, opened once, and the detections of each detector.

    Detections have a confidence of at least `SCORE_FLOOR`."""
    with ThreadPoolExecutor(len(detectors)) as pool:
        for batch in _batches(iter(labelled_images)):
            images = [labelled.image for labelled in batch]
            runs = [pool.submit(detector.detect, images, floor=SCORE_FLOOR) for detector in detectors]
            yield from zip(batch, zip(*(run.result() for run in runs), strict=True), strict=True)


class _Count:
    """Collects the counts of one detector."""

    def __init__(self, detector: Detector) -> None:
        self._bundle, self._digest = detector.description, detector.digest
        self._taxonomy = self._bundle.taxonomy
        self._scores: dict[tuple[str, str], _Scores] = defaultdict(_Scores)
        self._images: dict[str, int] = defaultdict(int)

    def add(self, labelled: LabelledImage, found: Detections) -> None:
        """Add one image and its detections."""
        self._images[labelled.condition.key] += 1
        for index, name in enumerate(self._bundle.class_names):
            _gather(
                self._scores[name, labelled.condition.key],
                found[found.class_id == index],
                true_boxes(labelled, name),
                threshold=self._bundle.thresholds[name],
                rule=iou_rule(self._taxonomy, name),
            )

    def evaluation(self) -> Evaluation:
        """The evaluation of the images added."""
        rows = sorted(self._scores.items())
        tallies = [_tally(key, scores, self._images[key[1]]) for key, scores in rows]
        real = tuple(t for t in tallies if t.truths or t.reported)
        return Evaluation(self._bundle.name, self._digest, sum(self._images.values()), real)


def true_boxes(labelled: LabelledImage, class_name: str) -> Floats:
    """The true boxes (m, 4) of one class, pixels."""
    rows = [box.xyxy for box in labelled.boxes if box.class_name == class_name]
    return np.asarray(rows, np.float32).reshape(-1, 4)


def _gather(into: _Scores, found: Detections, truth: Floats, *, threshold: float, rule: float) -> None:
    reported = found.confidence >= threshold
    counted = np.zeros(len(found), np.bool_)
    counted[reported] = match(found[reported], truth, rule)
    into.confidence.append(found.confidence)
    into.hits.append(np.stack([match(found, truth, iou) for iou in IOU_STEPS], axis=1))
    into.counted.append(counted)
    into.reported.append(reported)
    into.truths.append(len(truth))


def _tally(key: tuple[str, str], scores: _Scores, images: int) -> Tally:
    confidence, hits = np.concatenate(scores.confidence), np.concatenate(scores.hits)
    caught, truths = int(np.concatenate(scores.counted).sum()), sum(scores.truths)
    precisions = [average_precision(confidence, hits[:, i], truths) for i in range(len(IOU_STEPS))]
    at_50, over_steps = average_precision_intervals(scores.confidence, scores.hits, scores.truths) or (
        None,
        None,
    )
    return Tally(
        class_name=key[0],
        condition=key[1],
        images=images,
        true_positives=caught,
        false_positives=int(np.concatenate(scores.reported).sum()) - caught,
        missed=truths - caught,
        ap50=round(precisions[0], 4),
        ap50_95=round(float(np.mean(precisions)), 4),
        ap50_interval=_rounded(at_50),
        ap50_95_interval=_rounded(over_steps),
    )


def _merged(tallies: Sequence[Tally]) -> Tally | None:
    """Sum of the tallies of one class over conditions."""
    if not tallies:
        return None
    weights = [max(t.truths, 1e-9) for t in tallies]
    return Tally(
        class_name=tallies[0].class_name,
        condition="all",
        images=sum(t.images for t in tallies),
        true_positives=sum(t.true_positives for t in tallies),
        false_positives=sum(t.false_positives for t in tallies),
        missed=sum(t.missed for t in tallies),
        ap50=round(float(np.average([t.ap50 for t in tallies], weights=weights)), 4),
        ap50_95=round(float(np.average([t.ap50_95 for t in tallies], weights=weights)), 4),
        ap50_interval=_merged_interval([(t.truths, t.ap50, t.ap50_interval) for t in tallies]),
        ap50_95_interval=_merged_interval([(t.truths, t.ap50_95, t.ap50_95_interval) for t in tallies]),
    )


def _merged_interval(values: Iterable[tuple[int, float, Interval | None]]) -> Interval | None:
    """Interval of a mean over conditions, which share no image, of (truths, value, interval) of each.

    None if a condition with true boxes has no interval.
    """
    counted = [one for one in values if one[0]]
    intervals = [interval for _, _, interval in counted if interval is not None]
    if not counted or len(intervals) < len(counted):
        return None
    return _rounded(mean_interval([mean for _, mean, _ in counted], intervals, [n for n, _, _ in counted]))


def _rounded(interval: Interval | None) -> Interval | None:
    return None if interval is None else (round(interval[0], 4), round(interval[1], 4))


def _batches(images: Iterator[LabelledImage]) -> Iterator[list[LabelledImage]]:
    while batch := list(islice(images, BATCH)):
        yield batch
