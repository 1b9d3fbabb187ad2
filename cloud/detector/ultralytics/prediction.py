"""Ultralytics' own `predict` on a network: what an exported bundle is compared with."""

import numpy as np
from torch import nn
from ultralytics.models.yolo.detect import DetectionPredictor

from cloud.detector.ultralytics.network import network_of
from cloud.detector.weights import DetectorWeights
from edge.vision.detections import Detections
from edge.vision.detector import Image

MOST_BOXES = 3000


class UltralyticsPredictor:
    """Ultralytics' predictor at a fixed input size. Writes nothing; runs on the CPU, as sites do."""

    def __init__(self, weights: DetectorWeights, *, floor: float, nms_iou: float) -> None:
        card = weights.card
        network: nn.Module = network_of(weights).module.eval()
        network.names = dict(enumerate(card.class_names))  # type: ignore[assignment]  # as ultralytics has it
        self._predictor = DetectionPredictor(
            overrides={
                "imgsz": [card.input_height, card.input_width],
                "rect": False,
                "conf": floor,
                "iou": nms_iou,
                "max_det": MOST_BOXES,
                "device": "cpu",
                "save": False,
                "verbose": False,
            }
        )
        self._predictor.setup_model(model=network, verbose=False)

    def detect(self, image: Image) -> Detections:
        """Its detections on a BGR image, in pixels of the image; boxes that clipping emptied are left out."""
        boxes = self._predictor(source=[image])[0].boxes
        xyxy = boxes.xyxy.numpy()
        real = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
        class_id = boxes.cls.numpy().astype(np.int64)
        return Detections.of(xyxy[real], boxes.conf.numpy()[real], class_id[real])
