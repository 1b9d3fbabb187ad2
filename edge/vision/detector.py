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


def letterbox(
    image: Image, width: int, height: int, *, out: Floats | None = None
) -> tuple[Floats, Letterbox]:
    """Fit an image into the input: (3, height, width) float32 RGB 0-1, grey borders, aspect kept.

    `out` is filled and returned, if given: a frame's place in a batch.
    """
    blob = np.empty((3, height, width), np.float32) if out is None else out
    scaled, place, fit = _scaled(image, width, height)
    rows, columns = place
    for border in (
        blob[:, : rows.start],
        blob[:, rows.stop :],
        blob[:, :, : columns.start],
        blob[:, :, columns.stop :],
    ):
        border.fill(np.float32(GREY) / np.float32(255))
    for plane, channel in zip(blob[::-1], cv2.split(scaled), strict=True):
        np.divide(channel, np.float32(255), out=plane[place])
    return blob, fit


def letterboxed(image: Image, width: int, height: int) -> tuple[Image, Letterbox]:
    """The same as an image, (height, width, 3) uint8 BGR."""
    scaled, place, fit = _scaled(image, width, height)
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[place] = scaled
    return canvas, fit


def _scaled(image: Image, width: int, height: int) -> tuple[Image, tuple[slice, slice], Letterbox]:
    """An image at its size in the input, and its place there.

    A strip that would vanish at this scale keeps one row or column.
    """
    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    new_w, new_h = max(round(w * scale), 1), max(round(h * scale), 1)
    left, top = (width - new_w) // 2, (height - new_h) // 2
    scaled = np.asarray(cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR), np.uint8)
    place = slice(top, top + new_h), slice(left, left + new_w)
    return scaled, place, Letterbox(new_w / w, new_h / h, left, top, w, h)


def decode(raw: Floats, fit: Letterbox, bundle: BundleDescription, floor: float | None) -> Detections:
    """Head output (4 + classes, anchors) of one image -> `Detections` without embeddings, after NMS.

    NMS compares whole boxes; they are clipped to the image afterwards, and those outside it are left out.
    """
    limits = thresholds_of(bundle)
    best = raw[4:].max(axis=0)
    chosen = raw[:, best >= (limits.min() if floor is None else floor)]
    class_id = chosen[4:].argmax(axis=0)
    if floor is None:
        above = chosen[4:].max(axis=0) >= limits[class_id]
        chosen, class_id = chosen[:, above], class_id[above]
    ranked = np.sort(chosen[4:], axis=0)
    half = chosen[2:4] / 2
    whole = np.concatenate([chosen[:2] - half, chosen[:2] + half]).T
    kept = non_maximum_suppression(whole, ranked[-1], class_id, bundle.nms_iou)
    xyxy = fit.to_image(whole[kept])
    real = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    rows = kept[real]
    second = ranked[-2, rows] if len(ranked) > 1 else np.zeros(len(rows), np.float32)
    return Detections.of(xyxy[real], ranked[-1, rows], class_id[rows], runner_up=second)


def thresholds_of(description: BundleDescription) -> Floats:
    """(classes,) thresholds in the order of the class names."""
    return np.asarray([description.thresholds[name] for name in description.class_names], np.float32)


def roi_align(features: Floats, xyxy: Floats, stride: int, bins: int = POOL_BINS) -> Floats:
    """Mean of bilinear samples of a feature map over each box: RoIAlign (He et al. 2017), then averaged.

    The samples are a grid, so their mean is a product of weights of columns and of rows.

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
    low, high = (xyxy / np.float32(stride) - 0.5).reshape(-1, 2, 2, 1).swapaxes(0, 1)
    last = np.asarray([[w - 1], [h - 1]], np.float32)
    samples = np.minimum(np.maximum(low + steps * (high - low), 0), last)  # (n, axis, samples) in cells
    distance = np.abs(samples[..., None] - np.arange(max(w, h), dtype=np.float32))
    weights = np.maximum(1 - distance, 0).mean(axis=2)  # (n, axis, cells)
    first, end = samples.min(axis=2).astype(int), samples.max(axis=2).astype(int) + 2
    pooled = np.empty((len(xyxy), d), np.float32)
    for place, ((x, y), (left, top), (right, bottom)) in enumerate(zip(weights, first, end, strict=True)):
        part = features[:, top:bottom, left:right]
        pooled[place] = (part @ x[left : left + part.shape[2]]) @ y[top : top + part.shape[1]]
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
