"""Interval of an average precision by resampling whole images. Pure numpy; no images, no models.

The boxes of one image are not independent, so that images are drawn, not boxes: with replacement, as many as
there are, those without boxes too (percentile bootstrap, Efron & Tibshirani 1993, section 13.3).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cloud.evaluation.detection_metrics import Bools
from edge.vision.detections import Floats

RESAMPLES = 400
SEED = 50
PERCENTILES = (2.5, 97.5)
LEAST_IMAGES = 2
_CELLS = 1_000_000  # weights held at a time: resamples x detections

Interval = tuple[float, float]


def average_precision_intervals(
    confidence: Sequence[Floats], hits: Sequence[Bools], truths: Sequence[int]
) -> tuple[Interval, Interval] | None:
    """95 % intervals of the average precision of one class; the same for the same images in the same order.

    Args:
        confidence: of the detections of each image, one array (n,) an image.
        hits: whether these are hits at each of k IoU, one array (n, k) an image.
        truths: number of true boxes of each image.

    Returns:
        Low and high at the first IoU, and of the mean over all k, whose resamples are the same. None with
        fewer than two images that have true boxes. Resamples without a true box have no average precision and
        are left out.
    """
    boxes = np.asarray(truths, np.int64)
    if np.count_nonzero(boxes) < LEAST_IMAGES:
        return None
    images = len(boxes)
    drawn = np.random.default_rng(SEED).multinomial(images, np.full(images, 1 / images), size=RESAMPLES)
    image = np.repeat(np.arange(images), [len(one) for one in confidence])
    order = np.argsort(-np.concatenate(confidence), kind="stable")
    image, hit = image[order], np.concatenate(hits)[order]
    drawn = drawn[drawn @ boxes > 0]
    rows = max(_CELLS // max(len(order), 1), 1)
    areas = np.concatenate(
        [
            _average_precisions(block[:, image], hit, block @ boxes)
            for block in np.split(drawn, range(rows, len(drawn), rows))
        ]
    )
    return _percentiles(areas[:, 0]), _percentiles(areas.mean(axis=1))


def _percentiles(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values, PERCENTILES)
    return float(low), float(high)


def mean_interval(
    means: Sequence[float], intervals: Sequence[Interval], weights: Sequence[float]
) -> Interval:
    """Interval of a weighted mean of independent values of which each has an interval.

    The distances to the limits are added in squares (Zou & Donner 2008); within 0 to 1.
    """
    shares = np.asarray(weights, np.float64) / sum(weights)
    mean = float(np.dot(shares, means))
    rows = list(zip(shares, means, intervals, strict=True))
    below = math.hypot(*(share * max(value - low, 0.0) for share, value, (low, _) in rows))
    above = math.hypot(*(share * max(high - value, 0.0) for share, value, (_, high) in rows))
    return max(mean - below, 0.0), min(mean + above, 1.0)


def _average_precisions(
    weights: npt.NDArray[np.int64], hits: Bools, truths: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Average precision of each resample at each IoU (r, k), as `average_precision` of repeated detections.

    `weights` (r, n): how often each resample has a detection, most confident first; `hits` (n, k); `truths`
    (r,): boxes.
    """
    reported = np.maximum(np.cumsum(weights, axis=1), 1)
    areas = np.empty((len(weights), hits.shape[1]))
    for column, hit in enumerate(hits.T):
        caught = weights * hit
        precision = np.cumsum(caught, axis=1) / reported
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        areas[:, column] = (best_from_here * caught).sum(axis=1) / truths
    return areas
