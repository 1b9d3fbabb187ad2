"""Metrics on the labels of the split `val`, read once, after the real loop has ended.

Detectors run with the edge's own code at their bundles' thresholds. Nothing here goes back into the loop.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloud.data.labelled_images import LabelledImage, read_image
from cloud.demo.photographs.roles import LONGER_SIDE_PX, POTHOLE, SMALL_PX, Photograph
from cloud.demo.result import Score
from cloud.errors import DataRefused
from cloud.evaluation.detection_metrics import matched_rows
from cloud.evaluation.evaluate import Evaluation, evaluate
from edge.errors import SourceError
from edge.vision.detections import Detections, Floats
from edge.vision.detector import Detector
from edge.vision.video_files import VideoFile
from messaging.taxonomy import Condition, Light

FULL_IOU, LOOSE_IOU = 0.5, 0.3
FIRE = "fire"
EVERY_FRAME = 3


@dataclass(frozen=True)
class RoadMetrics:
    """Detections of the potholes on the val roads by one detector, at one IoU.

    Attributes:
        small, large: of every true pothole under 32 px, and of the others, whether it was found; in a
            fixed order, so that two detectors can be compared pair by pair.
        false_small, false_large: false detections, by their own size.
        empty_photographs: photographs without any pothole; `false_on_empty` the potholes reported there.
    """

    small: tuple[bool, ...]
    large: tuple[bool, ...]
    false_small: int
    false_large: int
    empty_photographs: int
    false_on_empty: int

    @property
    def small_score(self) -> Score:
        """Potholes under 32 px."""
        return Score(len(self.small), sum(self.small), self.false_small)

    @property
    def large_score(self) -> Score:
        """Potholes of 32 px and more."""
        return Score(len(self.large), sum(self.large), self.false_large)


def road_metrics(detector: Detector, photographs: Iterable[Photograph], iou: float = FULL_IOU) -> RoadMetrics:
    """Run the detector on every photograph; a hit overlaps its pothole with at least `iou`."""
    found: dict[bool, list[bool]] = {True: [], False: []}
    wrong = {True: 0, False: 0}
    empty = on_empty = 0
    pothole = detector.description.class_names.index(POTHOLE)
    for photograph in photographs:
        labelled = _opened(photograph)
        found_boxes = detector.detect([labelled.image])[0]
        found_boxes = found_boxes[found_boxes.class_id == pothole]
        truth = _stacked([box.xyxy for box in labelled.boxes if box.class_name == POTHOLE])
        scale = LONGER_SIDE_PX / max(labelled.image.shape[:2])
        rows = matched_rows(found_boxes, truth, iou)
        hit = set(rows[rows >= 0].tolist())
        for index, is_small in enumerate(_small(truth, scale)):
            found[is_small].append(index in hit)
        for is_small in _small(found_boxes.xyxy[rows < 0], scale):
            wrong[is_small] += 1
        empty += not len(truth)
        on_empty += 0 if len(truth) else len(found_boxes)
    return RoadMetrics(tuple(found[True]), tuple(found[False]), wrong[True], wrong[False], empty, on_empty)


def road_ap50(detector: Detector, photographs: Iterable[Photograph]) -> float | None:
    """Average precision at IoU 0.5 of potholes of every size, independent of thresholds."""
    tally = evaluate(detector, (_opened(photograph) for photograph in photographs)).of_class(POTHOLE)
    return None if tally is None else tally.ap50


def other_evaluation(detector: Detector, photographs: Iterable[Photograph]) -> Evaluation:
    """The rest of `val`: fire, smoke, near potholes, garbage, by light."""
    return evaluate(detector, (_opened(photograph) for photograph in photographs))


def scores_of(evaluation: Evaluation) -> dict[tuple[str, str], Score]:
    """Counts by class and light."""
    scores: dict[tuple[str, str], Score] = defaultdict(lambda: Score(0, 0, 0))
    for tally in evaluation.tallies:
        scores[tally.class_name, tally.condition] = Score(
            tally.truths, tally.true_positives, tally.false_positives
        )
    return dict(scores)


def frames_with_fire(detector: Detector, clip: Path) -> tuple[int, int]:
    """Frames of a video with a fire detection, and processed frames (every third). There is no ground truth.

    Raises `DataRefused` when the video cannot be opened or has no frame.
    """
    index = frames = burning = 0
    fire = detector.description.class_names.index(FIRE)
    try:
        with VideoFile(clip) as video:
            while (read := video.read()) is not None:
                if index % EVERY_FRAME == 0:
                    found_boxes: Detections = detector.detect([read.image])[0]
                    burning += bool((found_boxes.class_id == fire).any())
                    frames += 1
                index += 1
    except SourceError as error:
        raise DataRefused(f"video {clip} has no frame; give one that OpenCV decodes ({error})") from None
    return burning, frames


def _opened(photograph: Photograph) -> LabelledImage:
    image = read_image(photograph.path)
    height, width = image.shape[:2]
    light = photograph.condition if photograph.condition in set(Light) else Light.UNKNOWN
    boxes = tuple(box.pixels(width, height) for box in photograph.boxes)
    return LabelledImage(photograph.path.stem, image, boxes, Condition(light=Light(light)))


def _small(xyxy: Floats, scale: float) -> Sequence[bool]:
    sides = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1, initial=np.inf) * scale
    return [bool(side < SMALL_PX) for side in sides]


def _stacked(boxes: Sequence[tuple[float, float, float, float]]) -> Floats:
    return np.asarray(boxes, np.float32).reshape(-1, 4)
