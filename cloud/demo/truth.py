"""Opens the drawn ground truth, once, after the loop has finished: recall and precision before and after.

The same footage is given to both detectors with the edge's own code. Nothing computed here flows back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cloud.demo.result import Score
from cloud.detection_metrics import iou_rule, match
from edge.detections import Floats, iou_matrix
from edge.detector import Detector, Image
from messaging.taxonomy import taxonomy_of
from synth.street import Truth

Key = tuple[str, str]
TRACK_IOU = 0.3
BATCH = 8


@dataclass(frozen=True)
class TrueFigures:
    """Boxes by class and condition, and the share of true tracks that were detected.

    A track is detected when a box of its class overlaps it (IoU 0.3) in at least half of the frames
    looked at in which it stands: the rule of the edge's own recall counter.
    """

    boxes: Mapping[Key, Score]
    tracks: Mapping[Key, tuple[int, int]]

    def track_recall(self, key: Key) -> float | None:
        """Detected share of the true tracks; None without any."""
        detected, count = self.tracks.get(key, (0, 0))
        return detected / count if count else None


def true_figures(detector: Detector, footage: Iterable[tuple[Path, Truth]], *, every: int = 2) -> TrueFigures:
    """Look at every n-th frame of the footage and count against its truth."""
    names = detector.description.class_names
    taxonomy = taxonomy_of(names)
    counts: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
    stood: dict[tuple[str, str, str, int], list[int]] = defaultdict(lambda: [0, 0])
    for path, truth in footage:
        for batch in _batches(_frames(path, every)):
            seen = detector.detect([image for _, image in batch])
            for (index, _), found in zip(batch, seen, strict=True):
                for class_id, name in enumerate(names):
                    own = found[found.class_id == class_id]
                    boxes = [box for box in truth.frames[index] if box.class_name == name]
                    true_xyxy = _stacked([box.xyxy for box in boxes])
                    hits = int(match(own, true_xyxy, iou_rule(taxonomy, name)).sum())
                    tally = counts[name, truth.scene.key]
                    tally[0] += len(boxes)
                    tally[1] += hits
                    tally[2] += len(own) - hits
                    near = iou_matrix(true_xyxy, own.xyxy).max(axis=1, initial=0.0) >= TRACK_IOU
                    for box, covered in zip(boxes, near, strict=True):
                        frames = stood[name, truth.scene.key, path.parent.name, box.track]
                        frames[0] += 1
                        frames[1] += int(covered)
    tracks: dict[Key, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for (name, scene, _, _), (looked, covered_frames) in stood.items():
        detected, count = tracks[name, scene]
        tracks[name, scene] = (detected + int(2 * covered_frames >= looked), count + 1)
    return TrueFigures({key: Score(*tally) for key, tally in counts.items()}, dict(tracks))


def _frames(path: Path, every: int) -> Iterator[tuple[int, Image]]:
    capture = cv2.VideoCapture(str(path))
    try:
        index = 0
        while True:
            good, image = capture.read()
            if not good:
                return
            if index % every == 0:
                yield index, np.asarray(image, np.uint8)
            index += 1
    finally:
        capture.release()


def _batches(frames: Iterator[tuple[int, Image]]) -> Iterator[list[tuple[int, Image]]]:
    batch: list[tuple[int, Image]] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _stacked(boxes: Sequence[tuple[float, float, float, float]]) -> Floats:
    return np.asarray(boxes, np.float32).reshape(-1, 4)
