"""Tileable noise and smooth masks, from which surfaces, flames and clouds are made: pure functions."""

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

SIZE = 256


@lru_cache(maxsize=96)
def fractal_noise(seed: int, coarsest: int = 4, persistence: float = 0.55) -> Plane:
    """Tileable value noise, float32 (256, 256) in 0..1; `coarsest` cells across in the first octave."""
    rng = np.random.default_rng([seed, 7919])
    total = np.zeros((SIZE, SIZE), np.float32)
    cells, weight = coarsest, 1.0
    while cells <= SIZE // 2:
        step = SIZE // cells
        grid = np.pad(rng.random((cells, cells), dtype=np.float32), 2, mode="wrap")
        side = (cells + 4) * step
        big = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        total += weight * big[2 * step : 2 * step + SIZE, 2 * step : 2 * step + SIZE]
        cells, weight = cells * 2, weight * persistence
    low, high = np.percentile(total, [1, 99])
    noise: Plane = np.clip((total - low) / (high - low), 0, 1).astype(np.float32)
    noise.setflags(write=False)
    return noise


def sample(noise: Plane, x: NDArray[np.floating], y: NDArray[np.floating]) -> Plane:
    """Noise at texture coordinates (wrapping), same shape as `x`."""
    wrapped = cv2.remap(
        noise,
        np.asarray(x, np.float32),
        np.asarray(y, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(wrapped, np.float32)


def smoothstep(low: float, high: float, value: NDArray[np.floating]) -> Plane:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def thrice(plane: NDArray[np.floating]) -> Plane:
    """A plane (h, w) as three equal channels (h, w, 3): much faster than broadcasting over channels."""
    return np.asarray(cv2.merge([plane, plane, plane]), np.float32)


def scalar(colour: Iterable[float], factor: float = 1.0) -> NDArray[np.float64]:
    """A colour times a factor in the form that OpenCV's arithmetic takes for one value a channel."""
    return np.asarray([*(float(c) * factor for c in colour), 0.0], np.float64)


@lru_cache(maxsize=1)
def disc() -> Plane:
    """A round Gaussian blot, float32 (64, 64), 1 in the middle and 0 at the rim."""
    axis = np.linspace(-1, 1, 64, dtype=np.float32)
    radius = axis[None, :] ** 2 + axis[:, None] ** 2
    blot: Plane = np.clip(np.exp(-4.0 * radius) - np.exp(np.float32(-4.0)), 0, None).astype(np.float32)
    blot.setflags(write=False)
    return blot
