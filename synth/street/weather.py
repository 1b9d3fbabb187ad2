"""What falls between street and lens: rain streaks, snow flakes, drops on the glass."""

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Condition, Weather
from synth.street.lighting import Lighting
from synth.street.texture import thrice

Plane = NDArray[np.float32]


def draw_weather(image: Plane, condition: Condition, *, lighting: Lighting, rng: np.random.Generator) -> None:
    """Draw falling rain or snow into the image, in place."""
    if condition.weather is Weather.RAIN:
        _rain(image, lighting, rng=rng)
    elif condition.weather is Weather.SNOW:
        _snow(image, lighting, rng=rng)


def _rain(image: Plane, lighting: Lighting, *, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    veil = np.zeros((height, width), np.uint8)
    slant = float(rng.normal(0, 0.08))
    count = int(width * height / 1100)
    x, y = rng.uniform(0, width, count), rng.uniform(-20, height, count)
    reach = rng.uniform(0.02, 0.075, count) * height
    bright = rng.integers(60, 150, count)
    start = np.stack([x, y], axis=1)
    end = np.stack([x + slant * reach, y + reach], axis=1)
    for a, b, v in zip(start.astype(int).tolist(), end.astype(int).tolist(), bright.tolist(), strict=True):
        cv2.line(veil, a, b, v, 1)
    soft = cv2.blur(veil, (1, 3)).astype(np.float32)
    strength = 0.14 + 0.22 * (1 - lighting.darkness)
    image *= 0.94
    image += thrice(soft * strength)


def _snow(image: Plane, lighting: Lighting, *, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    veil = np.zeros((height, width), np.uint8)
    count = int(width * height / 900)
    centres = np.stack([rng.uniform(0, width, count), rng.uniform(0, height, count)], axis=1).astype(int)
    sizes = rng.choice([1, 1, 1, 2, 3], count)
    for centre, size, v in zip(
        centres.tolist(), sizes.tolist(), rng.integers(90, 255, count).tolist(), strict=True
    ):
        cv2.circle(veil, centre, size, v, -1)
    cover = thrice(cv2.GaussianBlur(veil, (3, 3), 0).astype(np.float32) * np.float32(0.75 / 255.0))
    white = np.float32(238 * (1 - 0.55 * lighting.darkness))
    image += cover * (white - image)


def wet_lens(image: Plane, rng: np.random.Generator) -> None:
    """Now and then a few drops on the glass: small discs that show the street blurred and upside down."""
    if rng.random() < 0.45:
        return
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        r = int(rng.uniform(0.012, 0.03) * width)
        x, y = int(rng.integers(r, width - r)), int(rng.integers(r, height - r))
        roi = image[y - r : y + r, x - r : x + r]
        seen = cv2.GaussianBlur(cv2.flip(roi, 0), (0, 0), r / 3.0)
        axis = np.linspace(-1, 1, 2 * r, dtype=np.float32)
        inside = np.clip((1 - (axis[None] ** 2 + axis[:, None] ** 2)) * 2.5, 0, 0.8)[..., None]
        roi += inside * (seen * 1.05 + 4 - roi)
