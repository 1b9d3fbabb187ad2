"""Whether an exported bundle detects what ultralytics' own `predict` detects, on the same images."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from cloud.data.labelled_images import LabelledImage
from cloud.detector.ultralytics.prediction import UltralyticsPredictor
from cloud.detector.weights import DetectorWeights
from cloud.errors import WeightsRefused
from cloud.evaluation.detection_metrics import IOU_STEPS, Bools, average_precision, match
from cloud.evaluation.evaluate import SCORE_FLOOR, true_boxes
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Detector

COMPARED_FROM = 0.1
MOST_SHIFT_PX = 0.5
MOST_CONFIDENCE_DIFFERENCE = 1e-3
MOST_MAP_DIFFERENCE = 1e-3
# Two boxes may overlap by what non-maximum suppression just allows; then the last digit decides.
MOST_UNMATCHED = 1e-3


@dataclass(frozen=True)
class Parity:
    """How a bundle and ultralytics' `predict` differ on some images.

    Attributes:
        images: how many were compared.
        boxes: detections of both, of confidence 0.1 or more.
        unmatched: detections without a box of the other within 0.5 px and 0.001 of confidence.
        shift_px: the largest difference of a coordinate among the matched ones.
        confidence_difference: their largest difference of confidence.
        bundle_map: mean average precision at IoU 0.5 to 0.95 of the bundle; 0 without true boxes.
        ultralytics_map: that of ultralytics' `predict`.
        example: name of the first image with an unmatched detection.
    """

    images: int
    boxes: int
    unmatched: int
    shift_px: float
    confidence_difference: float
    bundle_map: float
    ultralytics_map: float
    example: str

    @property
    def holds(self) -> bool:
        """Whether the bundle may be released."""
        close = abs(self.bundle_map - self.ultralytics_map) <= MOST_MAP_DIFFERENCE
        return close and self.unmatched <= MOST_UNMATCHED * self.boxes

    def __str__(self) -> str:
        return (
            f"{self.boxes} boxes on {self.images} images, {self.unmatched} of them unmatched"
            f"{f' (first on {self.example})' if self.unmatched else ''}, the others within "
            f"{self.shift_px:.3f} px and {self.confidence_difference:.6f} of confidence; mAP50-95 "
            f"{self.bundle_map:.4f} and {self.ultralytics_map:.4f}"
        )


def refuse_difference(parity: Parity, origin: str) -> None:
    """Raise `WeightsRefused` if a bundle detects something else than ultralytics, or both detect nothing."""
    if not parity.boxes:
        raise WeightsRefused(
            f"{origin} detects nothing of confidence {COMPARED_FROM} or more on {parity.images} images of "
            "role calibration, so that nothing can be compared; train it longer, or add images that show "
            "its classes"
        )
    if not parity.holds:
        raise WeightsRefused(
            f"the bundle of {origin} does not detect what ultralytics' predict does: {parity}; kernels are "
            "kept in half precision, use a checkpoint as the end of a training writes it (best.pt)"
        )


def compare(bundle: Detector, weights: DetectorWeights, images: Iterable[LabelledImage]) -> Parity:
    """Run the bundle and ultralytics' `predict` with these weights on the same images."""
    reference = UltralyticsPredictor(weights, floor=SCORE_FLOOR, nms_iou=bundle.description.nms_iou)
    found = _Differences()
    own, other = _Precision(), _Precision()
    names = bundle.description.class_names
    for labelled in images:
        ours = bundle.detect([labelled.image], floor=SCORE_FLOOR)[0]
        theirs = reference.detect(labelled.image)
        found.add(labelled.name, ours, theirs)
        own.add(labelled, ours, names)
        other.add(labelled, theirs, names)
    return Parity(
        images=found.images,
        boxes=found.boxes,
        unmatched=found.unmatched,
        shift_px=round(found.shift_px, 4),
        confidence_difference=round(found.confidence_difference, 7),
        bundle_map=round(own.mean(), 5),
        ultralytics_map=round(other.mean(), 5),
        example=found.example,
    )


@dataclass
class _Differences:
    """Differences of detections on the images so far."""

    images: int = 0
    boxes: int = 0
    unmatched: int = 0
    shift_px: float = 0.0
    confidence_difference: float = 0.0
    example: str = ""

    def add(self, name: str, ours: Detections, theirs: Detections) -> None:
        self.images += 1
        unmatched = self._add_one_way(ours, theirs) + self._add_one_way(theirs, ours)
        self.unmatched += unmatched
        self.example = self.example or (name if unmatched else "")

    def _add_one_way(self, some: Detections, others: Detections) -> int:
        """Look for a partner of each of some confident boxes; returns how many have none."""
        confident = some[some.confidence >= COMPARED_FROM]
        self.boxes += len(confident)
        unmatched = 0
        for row in range(len(confident)):
            shift = np.abs(others.xyxy - confident.xyxy[row]).max(axis=1, initial=0.0)
            change = np.abs(others.confidence - confident.confidence[row])
            partners = (
                (others.class_id == confident.class_id[row])
                & (shift <= MOST_SHIFT_PX)
                & (change <= MOST_CONFIDENCE_DIFFERENCE)
            )
            if not partners.any():
                unmatched += 1
                continue
            best = int(np.where(partners, shift, np.inf).argmin())
            self.shift_px = max(self.shift_px, float(shift[best]))
            self.confidence_difference = max(self.confidence_difference, float(change[best]))
        return unmatched


@dataclass
class _Precision:
    """Scores and hits of one detector on the images so far, by class."""

    confidence: dict[str, list[Floats]] = field(default_factory=lambda: defaultdict(list))
    hits: dict[str, list[Bools]] = field(default_factory=lambda: defaultdict(list))
    truths: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, labelled: LabelledImage, found: Detections, names: tuple[str, ...]) -> None:
        for index, name in enumerate(names):
            own, truth = found[found.class_id == index], true_boxes(labelled, name)
            self.confidence[name].append(own.confidence)
            self.hits[name].append(np.stack([match(own, truth, iou) for iou in IOU_STEPS], axis=1))
            self.truths[name] += len(truth)

    def mean(self) -> float:
        """The mean of average precision over IoU steps and classes with true boxes."""
        values = [
            average_precision(np.concatenate(self.confidence[name]), hits, truths)
            for name, truths in self.truths.items()
            if truths
            for hits in np.concatenate(self.hits[name]).T
        ]
        return float(np.mean(values)) if values else 0.0
