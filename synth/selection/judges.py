"""Independent measurements of a generated hazard: a reference detector, and a perceptual hash.

Judges measure; `synth.selection.filters` decides. Images are BGR uint8 (h, w, 3). The reference detector must
not be the one under training.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import Detector
from synth.planning.patches import Box, Image
from synth.selection.filters import Confirmation

_MIN_CONFIDENCE = 0.03
_HASH_SIDE = 16
_COVERING_IOU = 0.3


class ReferenceJudge:
    """Runs a detector that is not under training and compares its detections with the labels."""

    def __init__(self, detector: Detector, class_name: str) -> None:
        self._detector = detector
        names = detector.description.class_names
        self._names = names
        self._wanted = names.index(class_name) if class_name in names else None

    def confirm(self, image: Image, boxes: list[Box]) -> list[Confirmation | None]:
        """One confirmation per box (xyxy pixels); None where the detector does not have the class."""
        if self._wanted is None or not boxes:
            return [None] * len(boxes)
        found = self._detector.detect([image], floor=_MIN_CONFIDENCE)[0]
        overlaps = iou_matrix(np.asarray(boxes, np.float32), found.xyxy)
        return [self._confirmation(found, row, self._wanted) for row in overlaps]

    def _confirmation(self, found: Detections, overlap: Floats, wanted: int) -> Confirmation:
        own = np.flatnonzero((found.class_id == wanted) & (overlap > 0.05))
        rivals = np.flatnonzero((found.class_id != wanted) & (overlap >= _COVERING_IOU))
        best = own[np.argmax(found.confidence[own] * overlap[own])] if own.size else None
        rival = rivals[np.argmax(found.confidence[rivals])] if rivals.size else None
        return Confirmation(
            score=0.0 if best is None else float(found.confidence[best]),
            iou=0.0 if best is None else float(overlap[best]),
            rival=None if rival is None else self._names[int(found.class_id[rival])],
            rival_score=0.0 if rival is None else float(found.confidence[rival]),
        )


def fingerprint(image: Image, box: Box) -> NDArray[np.bool_]:
    """Difference hash, bool (256,), of a box (xyxy pixels): is a cell brighter than its left neighbour?"""
    left, top, right, bottom = (round(v) for v in box)
    crop = image[max(top, 0) : max(bottom, top + 1), max(left, 0) : max(right, left + 1)]
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small[:, 1:] > small[:, :-1], np.bool_).reshape(-1)
