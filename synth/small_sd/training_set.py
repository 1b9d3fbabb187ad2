"""Frames and photographs -> the crops to train on, with a detector's embeddings where one is given.

The embedding of a crop is pooled from the full image at the hazard's box, exactly as on an edge node. Nothing
here imports torch.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.vision.detector import Detector
from synth.generation.generator import PROTOTYPE_WIDTH
from synth.planning.patches import Box, Image
from synth.sensor import SensorModel
from synth.small_sd.crops import Crop, CropSet, crops_of_pair, stack
from synth.small_sd.frames import read_frames
from synth.small_sd.photographs import crops_of_photograph, read_photographs

logger = logging.getLogger(__name__)

_CUTS_PER_PAIR = 2
_CROPS_PER_PHOTOGRAPHED_BOX = 4


def drawn_crops(frames: Path, detector: Detector | None, seed: int) -> CropSet:
    """Crops of every drawn pair in a folder; embeddings are of the image with a random camera's noise."""
    rng = np.random.default_rng([seed, 2])
    crops: list[Crop] = []
    for hazard, empty in read_frames(frames):
        sensor = SensorModel(rng.uniform(0.2, 0.8), rng.uniform(1, 7), int(rng.integers(75, 96)))
        seen = sensor.apply(hazard.image, rng) if detector else hazard.image
        vectors = _embed(detector, seen, [box.xyxy for box in hazard.boxes])
        for _ in range(_CUTS_PER_PAIR):
            crops += crops_of_pair(hazard, empty, vectors, rng)
    logger.info("%d crops cut from %s", len(crops), frames)
    return stack(crops)


def photographed_crops(folder: Path, detector: Detector | None, seed: int) -> CropSet:
    """Crops of the photographs whose licence is certain."""
    rng = np.random.default_rng([seed, 3])
    crops: list[Crop] = []
    for photograph in read_photographs(folder):
        vectors = _embed(detector, photograph.image, [xyxy for _, xyxy in photograph.boxes])
        crops += crops_of_photograph(photograph, vectors, rng, per_box=_CROPS_PER_PHOTOGRAPHED_BOX)
    logger.info("%d crops cut from photographs in %s", len(crops), folder)
    return stack(crops)


def _embed(detector: Detector | None, image: Image, boxes: Sequence[Box]) -> NDArray[np.float32]:
    """Unit vectors (n, 64) at the boxes, zeros without a detector."""
    if detector is None or not boxes:
        return np.zeros((len(boxes), PROTOTYPE_WIDTH), np.float32)
    vectors = detector.embed(image, np.asarray(boxes, np.float32))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)
