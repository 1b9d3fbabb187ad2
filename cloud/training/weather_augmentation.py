"""Weather augmentation: darkness, fog, rain, blur and noise, each added to an image at random.

Domain randomisation (Tobin et al. 2017) of pixel values alone: boxes stay valid. It makes a detector robust
to conditions that are missing from the labelled images; it cannot show lamps, wet roads or headlights at
night, which hazard-free streets are for.
"""

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

P_DARK, P_FOG, P_RAIN, P_BLUR = 0.6, 0.5, 0.5, 0.4
MAX_NOISE = 0.03


def weathered(image: Bytes, rng: np.random.Generator) -> Bytes:
    """A randomly augmented copy of an RGB uint8 image (h, w, 3)."""
    plane = np.asarray(image, np.float32) / np.float32(255)
    if rng.random() < P_DARK:
        plane = _darkened(plane, rng)
    if rng.random() < P_FOG:
        plane = _fogged(plane, rng)
    if rng.random() < P_RAIN:
        plane = _rained(plane, rng)
    if rng.random() < P_BLUR:
        plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.4, 1.0)), np.float32)
    noise = rng.normal(0, rng.uniform(0, MAX_NOISE), plane.shape)
    return np.asarray((plane + noise).clip(0, 1) * 255, np.uint8)


def _darkened(plane: Floats, rng: np.random.Generator) -> Floats:
    tint = 1 + rng.uniform(-0.15, 0.15, 3)
    return np.asarray(plane ** rng.uniform(1.0, 2.0) * rng.uniform(0.12, 0.7) * tint, np.float32)


def _fogged(plane: Floats, rng: np.random.Generator) -> Floats:
    """Fog: a grey veil, thinner in the foreground."""
    far = np.linspace(1, rng.uniform(0.2, 0.8), len(plane))[:, None, None]
    veil = rng.uniform(0.2, 0.85) * far
    tone = plane.mean() * rng.uniform(0.8, 1.6)
    return np.asarray(plane * (1 - veil) + tone * veil, np.float32)


def _rained(plane: Floats, rng: np.random.Generator) -> Floats:
    """Rain: bright parallel streaks."""
    drops = (rng.random(plane.shape[:2]) < rng.uniform(0.001, 0.006)).astype(np.float32)
    length = int(rng.integers(5, 15))
    lean = int(rng.integers(-length // 3, length // 3 + 1))
    streak = np.zeros((length, length), np.float32)
    cv2.line(streak, (length // 2 - lean, 0), (length // 2 + lean, length - 1), 1.0)
    rain = cv2.filter2D(drops, -1, streak).clip(0, 1)[..., None]
    return np.asarray(plane + rng.uniform(0.1, 0.4) * (0.3 + plane.mean()) * rain, np.float32)
