"""Independent opinions on a painted hazard: reference detector, perceptual hash.

Judges measure and never decide (`synth.selection.filters` does). They may assume pictures as the camera
model left them, BGR uint8 (h, w, 3); the reference detector must not be the one under training.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import Detector
from synth.planning.patches import Box, Image
from synth.selection.filters import Confirmation

_LOOK_FLOOR = 0.03
_HASH_SIDE = 16
_COVERS = 0.3


class ReferenceJudge:
    """Asks a detector that is not under training whether the hazard is where the label says."""

    def __init__(self, detector: Detector, class_name: str) -> None:
        self._detector = detector
        names = detector.description.class_names
        self._names = names
        self._wanted = names.index(class_name) if class_name in names else None

    def confirm(self, picture: Image, boxes: list[Box]) -> list[Confirmation | None]:
        """One opinion a label (pixels); None where the detector does not know the class."""
        if self._wanted is None or not boxes:
            return [None] * len(boxes)
        seen = self._detector.detect([picture], floor=_LOOK_FLOOR)[0]
        overlaps = iou_matrix(np.asarray(boxes, np.float32), seen.xyxy)
        return [self._opinion(seen, row, self._wanted) for row in overlaps]

    def _opinion(self, seen: Detections, overlap: Floats, wanted: int) -> Confirmation:
        own = np.flatnonzero((seen.class_id == wanted) & (overlap > 0.05))
        rivals = np.flatnonzero((seen.class_id != wanted) & (overlap >= _COVERS))
        best = own[np.argmax(seen.confidence[own] * overlap[own])] if own.size else None
        rival = rivals[np.argmax(seen.confidence[rivals])] if rivals.size else None
        return Confirmation(
            score=0.0 if best is None else float(seen.confidence[best]),
            iou=0.0 if best is None else float(overlap[best]),
            rival=None if rival is None else self._names[int(seen.class_id[rival])],
            rival_score=0.0 if rival is None else float(seen.confidence[rival]),
        )


def fingerprint(picture: Image, box: Box) -> NDArray[np.bool_]:
    """Difference hash (256 bits) of what stands in a box: brighter than its left neighbour or not."""
    left, top, right, bottom = (round(v) for v in box)
    crop = picture[max(top, 0) : max(bottom, top + 1), max(left, 0) : max(right, left + 1)]
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small[:, 1:] > small[:, :-1], np.bool_).reshape(-1)
