"""Recall and precision before and after, from the drawn ground truth; read once, after the loop has finished.

Both detectors process the same footage with the edge's own code. Nothing here goes back into the loop.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloud.demo.result import Score
from cloud.errors import DataRefused
from cloud.evaluation.detection_metrics import iou_rule, match
from edge.errors import SourceError
from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import Detector, Image
from edge.vision.video_files import VideoFile
from synth.street import FootageBox, Truth

Key = tuple[str, str]
TRACK_IOU = 0.3
MIN_TRACK_FRAMES = 3
BATCH = 8


@dataclass(frozen=True)
class TrueMetrics:
    """Box counts by class and condition, and detected and all true tracks.

    A track is detected when a box of its class overlaps it (IoU 0.3) in at least half of its processed
    frames, as in the edge's recall counter. A track in fewer than `MIN_TRACK_FRAMES` frames is not counted.
    """

    boxes: Mapping[Key, Score]
    tracks: Mapping[Key, tuple[int, int]]

    def track_recall(self, key: Key) -> float | None:
        """Detected tracks over true tracks; None without true tracks."""
        detected, count = self.tracks.get(key, (0, 0))
        return detected / count if count else None


def true_metrics(
    detectors: Sequence[Detector], footage: Iterable[tuple[Path, Truth]], *, every: int = 3
) -> list[TrueMetrics]:
    """Run every detector on every n-th frame of the footage and compare with its ground truth.

    The footage is decoded once for all detectors; results are in their order. Raises `DataRefused` when a
    video cannot be opened or has no frame.
    """
    counts = [_Count(detector) for detector in detectors]
    for path, truth in footage:
        for batch in _batches(_frames(path, every)):
            for count in counts:
                count.add(batch, truth, path.parent.name)
    return [count.metrics() for count in counts]


class _Count:
    """One detector's running counts."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._names = detector.description.class_names
        self._taxonomy = detector.description.taxonomy
        self._boxes: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._tracks: dict[tuple[str, str, str, int], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, batch: Sequence[tuple[int, Image]], truth: Truth, camera: str) -> None:
        """Frames of one segment of a camera, with their indices in it."""
        detections = self._detector.detect([image for _, image in batch])
        for (index, _), found in zip(batch, detections, strict=True):
            for class_id, name in enumerate(self._names):
                boxes = [box for box in truth.frames[index] if box.class_name == name]
                self._compare(found[found.class_id == class_id], boxes, (name, truth.condition.key), camera)

    def _compare(self, found: Detections, boxes: Sequence[FootageBox], key: Key, camera: str) -> None:
        true_xyxy = _stacked([box.xyxy for box in boxes])
        hits = int(match(found, true_xyxy, iou_rule(self._taxonomy, key[0])).sum())
        tally = self._boxes[key]
        tally[0] += len(boxes)
        tally[1] += hits
        tally[2] += len(found) - hits
        near = iou_matrix(true_xyxy, found.xyxy).max(axis=1, initial=0.0) >= TRACK_IOU
        for box, covered in zip(boxes, near, strict=True):
            frames = self._tracks[*key, camera, box.track]
            frames[0] += 1
            frames[1] += int(covered)

    def metrics(self) -> TrueMetrics:
        """The counts so far."""
        tracks: dict[Key, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for (name, condition, _, _), (frames, covered) in self._tracks.items():
            if frames >= MIN_TRACK_FRAMES:
                detected, count = tracks[name, condition]
                tracks[name, condition] = (detected + int(2 * covered >= frames), count + 1)
        return TrueMetrics({key: Score(*tally) for key, tally in self._boxes.items()}, dict(tracks))


def _frames(path: Path, every: int) -> Iterator[tuple[int, Image]]:
    try:
        with VideoFile(path) as video:
            index = 0
            while (read := video.read()) is not None:
                if index % every == 0:
                    yield index, read.image
                index += 1
    except SourceError as error:
        raise DataRefused(
            f"video {path} has no frame: it is damaged or was removed; run the demo again ({error})"
        ) from None


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
