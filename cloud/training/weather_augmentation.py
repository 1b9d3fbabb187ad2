"""The same picture with less light, behind a veil, wet, unsharp or noisy: each by chance.

Domain randomisation (Tobin et al. 2017) by photometry alone: boxes stay where they are. It teaches a
detector that a hazard stays what it is under conditions that nobody photographed; it cannot show what a
lamp, a wet road or a head light looks like at night, which is what hazard-free streets are for.
"""

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

DARK, VEILED, WET, UNSHARP = 0.6, 0.5, 0.5, 0.4
MOST_NOISE = 0.03


def weathered(image: Bytes, rng: np.random.Generator) -> Bytes:
    """One such view of an RGB image (h, w, 3)."""
    plane = np.asarray(image, np.float32) / np.float32(255)
    if rng.random() < DARK:
        plane = _darkened(plane, rng)
    if rng.random() < VEILED:
        plane = _veiled(plane, rng)
    if rng.random() < WET:
        plane = _wet(plane, rng)
    if rng.random() < UNSHARP:
        plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.4, 1.0)), np.float32)
    noise = rng.normal(0, rng.uniform(0, MOST_NOISE), plane.shape)
    return np.asarray((plane + noise).clip(0, 1) * 255, np.uint8)


def _darkened(plane: Floats, rng: np.random.Generator) -> Floats:
    tint = 1 + rng.uniform(-0.15, 0.15, 3)
    return np.asarray(plane ** rng.uniform(1.0, 2.0) * rng.uniform(0.12, 0.7) * tint, np.float32)


def _veiled(plane: Floats, rng: np.random.Generator) -> Floats:
    """Fog: a grey veil, thinner in the foreground."""
    far = np.linspace(1, rng.uniform(0.2, 0.8), len(plane))[:, None, None]
    veil = rng.uniform(0.2, 0.85) * far
    tone = plane.mean() * rng.uniform(0.8, 1.6)
    return np.asarray(plane * (1 - veil) + tone * veil, np.float32)


def _wet(plane: Floats, rng: np.random.Generator) -> Floats:
    """Rain: streaks that lean alike, brighter than what is behind them."""
    drops = (rng.random(plane.shape[:2]) < rng.uniform(0.001, 0.006)).astype(np.float32)
    length = int(rng.integers(5, 15))
    lean = int(rng.integers(-length // 3, length // 3 + 1))
    streak = np.zeros((length, length), np.float32)
    cv2.line(streak, (length // 2 - lean, 0), (length // 2 + lean, length - 1), 1.0)
    rain = cv2.filter2D(drops, -1, streak).clip(0, 1)[..., None]
    return np.asarray(plane + rng.uniform(0.1, 0.4) * (0.3 + plane.mean()) * rain, np.float32)
