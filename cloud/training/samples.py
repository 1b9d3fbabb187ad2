"""The images of a training, listed once; pixels are read when a batch needs them.

Samples are letterboxed by the edge's own function, so that training sees what the edge sees.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.data.labelled_images import LabelledFile
from cloud.detector.weights import WeightsCard
from cloud.errors import DataRefused
from edge.vision.detector import letterboxed

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """A letterboxed image with its boxes.

    Attributes:
        image: RGB uint8 (h, w, 3).
        boxes: (n, 5): class index, xyxy in pixels of the letterboxed image.
        keeps_weather: whether weather augmentation leaves it out, since it shows its condition already.
    """

    image: Bytes
    boxes: Floats
    keeps_weather: bool = False


class TrainingImages:
    """The labelled files of a training, by index: the real ones first, then those made for it.

    Raises `DataRefused` for a label of a class that the detector lacks.
    """

    def __init__(
        self, real: Sequence[LabelledFile], synthetic: Sequence[LabelledFile], card: WeightsCard
    ) -> None:
        self.real, self.synthetic = len(real), len(synthetic)
        self._files = (*real, *synthetic)
        self._card = card
        for file in self._files:
            for box in file.boxes:
                if box.class_name not in card.class_names:
                    raise DataRefused(
                        f"image {file.path} is labelled {box.class_name!r}; "
                        f"the detector has the classes {', '.join(card.class_names)}"
                    )

    def __len__(self) -> int:
        return len(self._files)

    @property
    def digest(self) -> str:
        """sha256 hex over the paths and boxes, in order."""
        digest = hashlib.sha256(f"{self.real}".encode())
        for file in self._files:
            boxes = [(box.class_name, box.cxcywh) for box in file.boxes]
            digest.update(f"{file.path}\n{boxes}\n".encode())
        return digest.hexdigest()

    def read(self, index: int) -> Sample:
        """One image with its boxes. Raises `DataRefused` for a file that is not an image."""
        opened = self._files[index].open()
        names = self._card.class_names
        canvas, fit = letterboxed(opened.image, self._card.input_width, self._card.input_height)
        boxes = np.zeros((len(opened.boxes), 5), np.float32)
        for row, box in zip(boxes, opened.boxes, strict=True):
            row[0] = names.index(box.class_name)
            row[1:] = fit.to_input(np.asarray(box.xyxy, np.float32)[None])[0]
        return Sample(np.ascontiguousarray(canvas[:, :, ::-1]), boxes, keeps_weather=index >= self.real)
