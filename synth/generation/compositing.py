"""Paste inpainted patches into the full image so that a detector cannot learn the seams.

A patch is blended in at full resolution through a feathered cover; where the background comes from a
camera, the patch first gets that camera's noise. Afterwards the camera model is applied to the whole image.
Images are BGR uint8; nothing here depends on generators or labels.
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
_MIN_NOISE = 1.6
_SECOND_PASS = 0.5
_SHARPENING = 0.8


@dataclass(frozen=True, eq=False)
class Pasting:
    """One patch to paste: its window, its image (p, p, 3), and its cover (p, p), float32 weights 0-1."""

    window: PatchWindow
    image: Image
    cover: Plane


def cut(background: Background, window: PatchWindow, patch_px: int) -> Image:
    """The window of the background, resized to (patch_px, patch_px, 3)."""
    return _resized(window.cut(background.image), patch_px)


def paste(background: Background, pastings: list[Pasting], rng: np.random.Generator) -> Image:
    """A copy of the background with the patches blended in."""
    image = background.image.copy()
    for pasting in pastings:
        patch = _enlarged(pasting.image, pasting.window.side)
        if background.from_camera:
            patch += _camera_noise(patch.shape, background.sensor.noise_sigma, rng)
        cover = cv2.resize(pasting.cover, (pasting.window.side,) * 2, interpolation=cv2.INTER_LINEAR)[
            ..., None
        ]
        target = pasting.window.cut(image)
        target[:] = np.clip(target + cover * (patch - target) + 0.5, 0, 255).astype(np.uint8)
    return image


def apply_camera(image: Image, background: Background, rng: np.random.Generator) -> Image:
    """Apply a camera model like the background's to the whole image, varied a little per image.

    A background from a camera gets a weaker second pass, but never less noise than hides how smooth an
    inpainted patch is.
    """
    return camera_for(background, rng).apply(image, rng)


def camera_for(background: Background, rng: np.random.Generator) -> SensorModel:
    """The camera model of one image."""
    sensor = background.sensor
    strength = _SECOND_PASS if background.from_camera else 1.0
    noise = max(sensor.noise_sigma * strength * float(rng.uniform(*_NOISE_JITTER)), _MIN_NOISE)
    blur = min(sensor.blur_px, 0.8) * strength * float(rng.uniform(*_BLUR_JITTER))
    quality = sensor.jpeg_quality + int(rng.integers(-_QUALITY_JITTER, _QUALITY_JITTER + 1))
    return replace(sensor, noise_sigma=noise, blur_px=blur, jpeg_quality=min(max(quality, 60), 95))


def _camera_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Plane:
    return (rng.standard_normal((*shape[:2], 1)) * sigma).astype(np.float32)


def _enlarged(image: Image, side: int) -> Plane:
    """The patch at the size of its window, float32; an enlarged patch is sharpened accordingly."""
    stretched = _resized(image, side).astype(np.float32)
    scale = side / image.shape[0]
    if scale <= 1:
        return stretched
    soft = cv2.GaussianBlur(stretched, (0, 0), 0.6 * scale)
    return np.asarray(stretched + _SHARPENING * (stretched - soft), np.float32)


def _resized(image: Image, side: int) -> Image:
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)
