"""Other views of one frame for the detector in service: mirrored, and with stretched contrast.

A detector that reports an object with confidence in one view and not at all in another errs in one of them.
Boxes are in the pixels of the frame. If inference on a view fails, `DetectorError` is raised; that is no
result.
"""

import cv2
import numpy as np

from edge.vision.detections import Detections
from edge.vision.detector import Detector, Image

_CLAHE_LIMIT = 3.0
_CLAHE_TILES = (4, 4)
_DARK = 90.0


def second_views(detector: Detector, image: Image, floor: float) -> list[Detections]:
    """Detections in the mirrored and in the contrast-stretched view, boxes above `floor`.

    Raises:
        DetectorError: inference failed.
    """
    mirrored = np.ascontiguousarray(image[:, ::-1])
    plain, stretched = detector.detect([mirrored, stretch_contrast(image)], floor=floor)
    return [mirror_back(plain, image.shape[1]), stretched]


def stretch_contrast(image: Image) -> Image:
    """Local contrast equalised (CLAHE on lightness, Zuiderveld 1994), dark frames brightened by gamma."""
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
    lightness = lab[:, :, 0]
    mean = float(lightness.mean())
    if mean < _DARK:
        gamma = np.log(_DARK / 255) / np.log(max(mean, 8.0) / 255)
        table = np.rint(255 * (np.arange(256) / 255) ** gamma)
        lightness = cv2.LUT(lightness, np.asarray(table, np.uint8))
    lab[:, :, 0] = cv2.createCLAHE(_CLAHE_LIMIT, _CLAHE_TILES).apply(lightness)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)


def mirror_back(seen: Detections, width: int) -> Detections:
    """Boxes of a mirrored image of this width, in the pixels of the original image."""
    xyxy = seen.xyxy.copy()
    xyxy[:, 0], xyxy[:, 2] = width - seen.xyxy[:, 2], width - seen.xyxy[:, 0]
    return Detections(xyxy, seen.confidence, seen.class_id, seen.runner_up, seen.embedding)
