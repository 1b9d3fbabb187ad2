"""The detector interface (images -> detections), the detector-bundle contract, and its pure functions.

Letterboxing, decoding the head's output and pooling embeddings are here, independent of any runtime, so that
evaluation in the cloud computes exactly what the edge computes. Runtimes implement `Detector`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from edge.errors import BundleRefused
from edge.vision.detections import Detections, Floats, non_maximum_suppression
from edge.vision.providers import GrantedProvider
from messaging.releases import METADATA_KEY, BundleDescription

Image = npt.NDArray[np.uint8]
GREY = 114
POOL_BINS = 3
BUNDLE_REMEDY = "take model.onnx of a release from the cloud's folder models/DIGEST"


class Detector(Protocol):
    """A detector. Images are (h, w, 3) uint8 BGR of any size."""

    @property
    def description(self) -> BundleDescription:
        """The bundle's own description."""

    @property
    def digest(self) -> str:
        """sha256 hex of the bundle file."""

    @property
    def provider(self) -> GrantedProvider:
        """The execution provider that it runs on."""

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        """One `Detections` per image, in its own pixels, with embeddings.

        With `floor`, boxes of every class above that confidence; otherwise above the bundle's
        threshold of their class. Raises `DetectorError` if inference failed.
        """

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        """Embeddings (n, d) pooled at given boxes (n, 4) in pixels, e.g. of a missed object."""


@dataclass(frozen=True)
class Letterbox:
    """How an image was fitted into the network's input: scaled, then shifted (pixels).

    The scales of both axes differ a little where a side was rounded to whole pixels.
    """

    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float
    width: int
    height: int

    def to_input(self, xyxy: Floats) -> Floats:
        """Image pixels -> input pixels."""
        return np.asarray(xyxy * self._scale() + self._shift(), np.float32)

    def to_image(self, xyxy: Floats) -> Floats:
        """Input pixels -> image pixels, clipped to the image."""
        boxes = (xyxy - self._shift()) / self._scale()
        limit = np.asarray([self.width, self.height] * 2, np.float32)
        return np.asarray(np.clip(boxes, 0, limit), np.float32)

    def _scale(self) -> Floats:
        return np.asarray([self.scale_x, self.scale_y] * 2, np.float32)

    def _shift(self) -> Floats:
        return np.asarray([self.shift_x, self.shift_y] * 2, np.float32)


def letterbox(image: Image, width: int, height: int) -> tuple[Floats, Letterbox]:
    """Fit an image into the input: (3, height, width) float32 RGB 0-1, grey borders, aspect kept."""
    canvas, fit = letterboxed(image, width, height)
    blob = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1), np.float32) / np.float32(255)
    return blob, fit


def letterboxed(image: Image, width: int, height: int) -> tuple[Image, Letterbox]:
    """The same as an image, (height, width, 3) uint8 BGR.

    A strip that would vanish at this scale keeps one row or column of the input.
    """
    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    new_w, new_h = max(round(w * scale), 1), max(round(h * scale), 1)
    left, top = (width - new_w) // 2, (height - new_h) // 2
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + new_h, left : left + new_w] = cv2.resize(
        image, (new_w, new_h), interpolation=cv2.INTER_LINEAR
    )
    return canvas, Letterbox(new_w / w, new_h / h, left, top, w, h)


def decode(raw: Floats, fit: Letterbox, bundle: BundleDescription, floor: float | None) -> Detections:
    """Head output (4 + classes, anchors) of one image -> `Detections` without embeddings, after NMS.

    NMS compares whole boxes; they are clipped to the image afterwards, and those outside it are left out.
    """
    scores = raw[4:]
    class_id = scores.argmax(axis=0)
    confidence = scores.max(axis=0)
    limits = thresholds_of(bundle)
    chosen = np.flatnonzero(confidence >= (limits[class_id] if floor is None else floor))
    centre, size = raw[:2, chosen].T, raw[2:4, chosen].T
    whole = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    kept = non_maximum_suppression(whole, confidence[chosen], class_id[chosen], bundle.nms_iou)
    xyxy = fit.to_image(whole[kept])
    real = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    rows = chosen[kept][real]
    second = np.sort(scores[:, rows], axis=0)[-2] if len(scores) > 1 else np.zeros(len(rows), np.float32)
    return Detections.of(xyxy[real], confidence[rows], class_id[rows], runner_up=second)


def thresholds_of(description: BundleDescription) -> Floats:
    """(classes,) thresholds in the order of the class names."""
    return np.asarray([description.thresholds[name] for name in description.class_names], np.float32)


def roi_align(features: Floats, xyxy: Floats, stride: int, bins: int = POOL_BINS) -> Floats:
    """Mean of bilinear samples of a feature map over each box: RoIAlign (He et al. 2017), then averaged.

    Args:
        features: (d, h, w) feature map of one image.
        xyxy: (n, 4) boxes in network-input pixels.
        stride: input pixels a feature cell.
        bins: samples a side, 2 x 2 points each.

    Returns:
        (n, d) float32.
    """
    d, h, w = features.shape
    if not len(xyxy):
        return np.zeros((0, d), np.float32)
    steps = (np.arange(2 * bins, dtype=np.float32) + 0.5) / (2 * bins)
    cells = xyxy / np.float32(stride) - 0.5
    xs = np.clip(cells[:, 0:1] + steps * (cells[:, 2:3] - cells[:, 0:1]), 0, w - 1)
    ys = np.clip(cells[:, 1:2] + steps * (cells[:, 3:4] - cells[:, 1:2]), 0, h - 1)
    x0, y0 = np.floor(xs).astype(int), np.floor(ys).astype(int)
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    fx, fy = (xs - x0)[:, None, :], (ys - y0)[:, :, None]

    def at(rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_]) -> Floats:
        return features[:, rows[:, :, None], columns[:, None, :]]

    top = at(y0, x0) * (1 - fx) + at(y0, x1) * fx
    bottom = at(y1, x0) * (1 - fx) + at(y1, x1) * fx
    pooled: Floats = (top * (1 - fy) + bottom * fy).mean(axis=(2, 3)).T.astype(np.float32)
    return pooled


def describe(metadata: dict[str, str], origin: str) -> BundleDescription:
    """Read the description out of a model's metadata. Raises `BundleRefused` naming `origin`."""
    try:
        return BundleDescription.model_validate_json(metadata[METADATA_KEY])
    except KeyError:
        raise BundleRefused(
            f"{origin} has no {METADATA_KEY!r} metadata, so it is not a detector bundle; {BUNDLE_REMEDY}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleRefused(
            f"{origin}: its description breaks the bundle contract ({f'{where}: ' if where else ''}"
            f"{first['msg']}); {BUNDLE_REMEDY}"
        ) from None
