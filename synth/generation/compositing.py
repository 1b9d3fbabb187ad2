"""Putting painted patches back into the full picture, so that nothing but the hazard gives them away.

A painting is blended in at full resolution through a feathered cover; where the background has already
passed a camera, the painting is given that camera's noise first. Afterwards the whole picture passes the
camera model. Images are BGR uint8; nothing here knows of models or labels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.planning.backgrounds import Background
from synth.planning.patches import Image, PatchWindow
from synth.sensor import SensorModel

Plane = NDArray[np.float32]

_NOISE_JITTER = (0.75, 1.35)
_BLUR_JITTER = (0.6, 1.5)
_QUALITY_JITTER = 6
_LEAST_NOISE = 1.6
_SECOND_PASS = 0.5
_SHARPENING = 0.8


@dataclass(frozen=True, eq=False)
class Pasting:
    """One painting to be put back: where, what (p, p, 3), and how much of it, cover (p, p) float32 0-1."""

    window: PatchWindow
    image: Image
    cover: Plane


def cut(background: Background, window: PatchWindow, patch_px: int) -> Image:
    """The square of the background resized to the generator's patch, (patch_px, patch_px, 3)."""
    return _resized(window.cut(background.image), patch_px)


def paste(background: Background, pastings: list[Pasting], rng: np.random.Generator) -> Image:
    """The background with the paintings in it, same shape; the background is left as it was."""
    picture = background.image.copy()
    for pasting in pastings:
        painted = _enlarged(pasting.image, pasting.window.side)
        if background.from_camera:
            painted += _camera_noise(painted.shape, background.sensor.noise_sigma, rng)
        cover = cv2.resize(pasting.cover, (pasting.window.side,) * 2, interpolation=cv2.INTER_LINEAR)[
            ..., None
        ]
        target = pasting.window.cut(picture)
        target[:] = np.clip(target + cover * (painted - target) + 0.5, 0, 255).astype(np.uint8)
    return picture


def apply_camera(picture: Image, background: Background, rng: np.random.Generator) -> Image:
    """The whole picture through a camera like the background's, varied a little from picture to picture.

    A background that has passed a camera already gets a weaker second pass, never less than what hides the
    smoothness of a painting.
    """
    return camera_for(background, rng).apply(picture, rng)


def camera_for(background: Background, rng: np.random.Generator) -> SensorModel:
    """The camera model of one picture."""
    sensor = background.sensor
    share = _SECOND_PASS if background.from_camera else 1.0
    noise = max(sensor.noise_sigma * share * float(rng.uniform(*_NOISE_JITTER)), _LEAST_NOISE)
    blur = min(sensor.blur_px, 0.8) * share * float(rng.uniform(*_BLUR_JITTER))
    quality = sensor.jpeg_quality + int(rng.integers(-_QUALITY_JITTER, _QUALITY_JITTER + 1))
    return replace(sensor, noise_sigma=noise, blur_px=blur, jpeg_quality=min(max(quality, 60), 95))


def _camera_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Plane:
    return (rng.standard_normal((*shape[:2], 1)) * sigma).astype(np.float32)


def _enlarged(image: Image, side: int) -> Plane:
    """The painting at the size of its window, float32; what was stretched is sharpened by as much."""
    stretched = _resized(image, side).astype(np.float32)
    scale = side / image.shape[0]
    if scale <= 1:
        return stretched
    soft = cv2.GaussianBlur(stretched, (0, 0), 0.6 * scale)
    return np.asarray(stretched + _SHARPENING * (stretched - soft), np.float32)


def _resized(image: Image, side: int) -> Image:
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)
