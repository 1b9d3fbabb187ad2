"""A model of what a city camera adds to an image: slight blur, sensor noise, compression.

An image into which patches were pasted must afterwards pass this model *as a whole*; otherwise a detector
learns the seam and not the hazard. Nothing here depends on what the image shows. Images are BGR uint8
(h, w, 3); randomness is an argument.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.errors import ConfigurationError

Image = NDArray[np.uint8]

_REBLUR_PX = 1.0
_SPARE_PX = 192
_MAD_TO_SIGMA = 1.4826
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_KERNEL_NORM = 6.0


@dataclass(frozen=True)
class SensorModel:
    """Blur (Gaussian sigma, pixels), noise (sigma in grey levels at gain 1), JPEG quality 1-100, gain.

    Gain is the amplification of a dark scene: the noise in the image is `noise_sigma * gain`.
    """

    blur_px: float
    noise_sigma: float
    jpeg_quality: int
    gain: float = 1.0

    def __post_init__(self) -> None:
        if self.blur_px < 0 or self.noise_sigma < 0 or self.gain <= 0 or not 1 <= self.jpeg_quality <= 100:
            raise ConfigurationError(
                f"a sensor model needs blur and noise >= 0, gain > 0 and JPEG quality 1-100; got {self}"
            )

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The image as this camera delivers it, same shape; `image` is not changed."""
        delivered: Image = image
        if self.blur_px > 0.15:
            delivered = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur_px), np.uint8)
        sigma = self.noise_sigma * self.gain
        if sigma > 0:
            delivered = _add_noise(delivered, sigma, rng)
        return _jpeg_round_trip(delivered, self.jpeg_quality)


def estimate(image: Image) -> SensorModel:
    """Estimate the camera model of an image (gain 1, because noise and gain cannot be separated).

    Noise: median absolute deviation of Immerkaer's Laplacian difference ("Fast noise variance
    estimation", 1996). Blur: how much the strongest edges soften when blurred once more. Quality: excess
    of the steps at the borders of the 8-pixel blocks. Blur and quality are rough, noise is within about a
    quarter as long as the quality is above 80.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return SensorModel(
        blur_px=_estimate_blur(grey), noise_sigma=_estimate_noise(grey), jpeg_quality=_estimate_quality(grey)
    )


def _add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Noise that grows a little with brightness (shot noise), grey for the most part, colour coarser."""
    height, width = image.shape[:2]
    tile = _noise_tile(height, width)
    top, left = int(rng.integers(_SPARE_PX)), int(rng.integers(_SPARE_PX))
    noise = cv2.flip(tile[top : top + height, left : left + width], int(rng.integers(-1, 2)))
    levels = np.arange(256, dtype=np.float32)
    strength = cv2.LUT(image, sigma * np.sqrt(0.6 + 0.8 * levels / 255.0))
    return np.asarray(cv2.add(image, cv2.multiply(noise, strength), dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=4)
def _noise_tile(height: int, width: int) -> NDArray[np.float32]:
    """Unit noise (h + 192, w + 192, 3): larger than the image, so that each image gets another part of it."""
    rng = np.random.default_rng(20_011)
    tall, wide = height + _SPARE_PX, width + _SPARE_PX
    grey = rng.standard_normal((tall, wide, 1), dtype=np.float32)
    coarse = rng.standard_normal((tall // 2 + 1, wide // 2 + 1, 3), dtype=np.float32)
    colour = cv2.resize(coarse, (wide, tall), interpolation=cv2.INTER_LINEAR)
    tile: NDArray[np.float32] = (grey + np.float32(0.45) * colour).astype(np.float32)
    tile.setflags(write=False)
    return tile


def _jpeg_round_trip(image: Image, quality: int) -> Image:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _estimate_noise(grey: NDArray[np.float32]) -> float:
    response = np.abs(cv2.filter2D(grey, -1, _NOISE_KERNEL)[1:-1, 1:-1])
    return float(np.median(response) * _MAD_TO_SIGMA / _NOISE_KERNEL_NORM)


def _gradient(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _estimate_blur(grey: NDArray[np.float32]) -> float:
    """Sigma s of the strongest edges: blurred again by r, their gradient falls by sqrt(s^2 + r^2) / s."""
    calm = np.asarray(cv2.medianBlur(grey, 3), np.float32)
    softened = np.asarray(cv2.GaussianBlur(calm, (0, 0), _REBLUR_PX), np.float32)
    sharp, soft = _gradient(calm), _gradient(softened)
    edges = sharp >= max(float(np.quantile(sharp, 0.99)), 1.0)
    if not edges.any():
        return 0.0
    ratio = float(np.median(sharp[edges] / np.maximum(soft[edges], 1e-3)))
    return float(min(_REBLUR_PX / np.sqrt(max(ratio * ratio - 1.0, 0.04)), 4.0))


def _estimate_quality(grey: NDArray[np.float32]) -> int:
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    at_border = steps[7::8].mean() if steps.size > 8 else 0.0
    inside = float(np.delete(steps, np.s_[7::8]).mean()) if steps.size > 8 else 1.0
    excess = at_border / max(inside, 1e-3) - 1.0
    return int(np.clip(92.0 - 90.0 * excess, 30, 95))
