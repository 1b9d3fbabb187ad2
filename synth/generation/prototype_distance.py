"""Cosine distance of an image region to the order's prototype, in the embedding of the prototype's detector.

Used to choose the best of several inpaintings and to refuse hazards that are too far from the prototype.
Measures only; `synth.selection.filters` decides.
"""

import numpy as np

from edge.vision.detections import Floats
from edge.vision.detector import Detector
from edge.vision.prototypes import cosine_distance
from synth.errors import OrderRefused
from synth.order import PrototypeToMatch
from synth.planning.patches import Box, Image


class PrototypeDistance:
    """Cosine distance of image regions to one prototype, measured with the detector of its embedding space.

    Raises `OrderRefused` when the detector has another embedding than the prototype.
    """

    def __init__(self, detector: Detector, prototype: PrototypeToMatch) -> None:
        own = detector.description.embedding_digest
        if own != prototype.embedding_digest:
            raise OrderRefused(
                f"the prototype was made with embedding {prototype.embedding_digest[:12]} but this "
                f"detector has {own[:12]}; vectors of different embeddings cannot be compared, so give the "
                "detector that the prototype comes from"
            )
        if len(prototype.vector) != detector.description.embedding_width:
            raise OrderRefused(
                f"the prototype has {len(prototype.vector)} numbers but its embedding has "
                f"{detector.description.embedding_width}; the order was damaged"
            )
        self._detector = detector
        self._target = np.asarray([prototype.vector], np.float32)

    def distances(self, image: Image, boxes: list[Box]) -> Floats:
        """Distance 0-2 of every box (xyxy pixels) of the image, (n,)."""
        vectors = self._detector.embed(image, np.asarray(boxes, np.float32).reshape(-1, 4))
        return cosine_distance(vectors, self._target)[:, 0]
