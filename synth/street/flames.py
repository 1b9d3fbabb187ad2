"""Fire and smoke as moving noise fields: tongues that flicker, plumes that rise, drift and grow."""

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.street.paint import Sprite
from synth.street.texture import fractal_noise, sample, smoothstep
from synth.street.view import View
from synth.street.worlds import FlameShape, SmokeShape

Plane = NDArray[np.float32]

_STOPS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_HEAT = np.array([(8, 20, 130), (5, 70, 225), (15, 140, 255), (70, 205, 255), (205, 245, 255)], np.float32)
_LUT = np.stack([np.interp(np.linspace(0, 1, 256), _STOPS, _HEAT[:, c]) for c in range(3)], axis=1)
FIRE_EDGE = 0.3
SMOKE_EDGE = 0.15


def _grid(width: int, height: int) -> tuple[Plane, Plane]:
    """u from -1 to 1 across, v from 0 at the foot to 1 at the head, each (height, width)."""
    u, v = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(1, 0, height, dtype=np.float32)
    )
    return u, v


def _resolution(width_px: float, height_px: float, most: int) -> tuple[int, int]:
    shrink = min(1.0, most / max(width_px, height_px, 1.0))
    return max(int(width_px * shrink), 8), max(int(height_px * shrink), 8)


def _place(
    fields: list[NDArray[np.float32]], box: tuple[float, float, float, float], view: View
) -> tuple[int, int, list[NDArray[np.float32]]] | None:
    """Resize fields to the box (left, top, width, height; pixels) and cut them to the frame."""
    left, top = round(box[0]), round(box[1])
    wide, tall = max(round(box[2]), 4), max(round(box[3]), 4)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + wide, view.width), min(top + tall, view.height)
    if x1 <= x0 or y1 <= y0:
        return None
    cut = [
        cv2.resize(f, (wide, tall), interpolation=cv2.INTER_LINEAR)[y0 - top : y1 - top, x0 - left : x1 - left]
        for f in fields
    ]
    return x0, y0, [np.asarray(c, np.float32) for c in cut]


def draw_fire(
    shape: FlameShape, view: View, foot: tuple[float, float, float], size_m: tuple[float, float], *,
    seed: int, time_s: float, strength: float = 1.0,
) -> Sprite | None:
    """Flames with their foot at (x, y, z) metres; `strength` 0..1 is how far they have grown."""
    x, y, z = foot
    per_m = view.pixels_per_m(z)
    wide, tall = size_m[0] * per_m * (0.6 + 0.4 * strength), size_m[1] * per_m * (0.35 + 0.65 * strength)
    base_x, base_y = view.point(x, y, z)
    u, v = _grid(*_resolution(wide, tall, 96))
    noise, slow = fractal_noise(seed % 7), fractal_noise(50 + seed % 5, 2)
    offset = float(seed % 997)
    sway = (sample(slow, u * 12 + offset, v * 50 + time_s * 70) - 0.5) * shape.sway * 2.0 * v
    across = u + sway
    tips = sample(slow, across * 16 * shape.tongues + offset, np.full_like(u, time_s * 60 + 13))
    dome = np.power(np.clip(1 - across * across, 0, 1), 0.6)
    top = dome * (1 - shape.tip * 0.75 * (1 - smoothstep(0.1, 0.9, tips))) + 1e-3
    swirl = sample(noise, u * 40 + offset, v * 60 + time_s * 150 + offset)
    heat = np.clip((top - v) / (0.45 * top + 0.18), 0, 1) * (0.45 + 0.9 * swirl)
    heat *= np.clip(0.3 + dome * 1.6, 0, 1)
    cut = _place([np.clip(heat, 0, 1)], (base_x - wide / 2, base_y - tall, wide, tall), view)
    if cut is None:
        return None
    left, up, (field,) = cut
    light = _LUT[(np.clip(field * 1.1, 0, 1) * 255).astype(np.uint8)].astype(np.uint8)
    alpha = smoothstep(0.06, 0.36, field)
    return Sprite(left, up, np.zeros_like(light), alpha, z - 0.05, x=x, emission=light, solid=False)


def draw_smoke(
    shape: SmokeShape, view: View, foot: tuple[float, float, float], size_m: tuple[float, float], *,
    seed: int, time_s: float, strength: float = 1.0, tone: float = 90.0,
) -> Sprite | None:
    """A plume from (x, y, z) metres upward; it drifts to the side that the seed says; `tone` is its grey."""
    x, y, z = foot
    per_m = view.pixels_per_m(z)
    wide, tall = size_m[0] * per_m * (0.55 + 0.45 * strength), size_m[1] * per_m * (0.4 + 0.6 * strength)
    base_x, base_y = view.point(x, y, z)
    u, v = _grid(*_resolution(wide, tall, 72))
    noise = fractal_noise(100 + seed % 7, 4, 0.6)
    offset, side = float(seed % 991), 1.0 if seed % 2 else -1.0
    k = 34.0 * shape.billows
    warp = sample(noise, u * k * 0.4 + offset, v * k * 0.6 + time_s * 22) - 0.5
    lean = side * shape.drift * np.power(v, 1.4)
    middle = lean + 0.22 * warp * (0.3 + v) + 0.06 * np.sin(v * 7 + time_s * 1.3 + offset)
    spread = shape.foot + (shape.head - shape.foot) * np.power(v, 0.7)
    billow = sample(noise, u * k + offset, v * k + time_s * 34 + offset)
    body = np.clip(1.25 - ((u - middle) / spread) ** 2 * 1.5, 0, 1)
    thick = body * (0.35 + 1.25 * smoothstep(0.12, 0.85, billow)) * np.clip((1.06 - v) / 0.35, 0, 1)
    thick *= np.clip((1.02 - np.abs(u)) / 0.15, 0, 1)
    alpha = (1 - np.exp(-thick * 2.1)) * 0.93
    shaded = np.clip(0.72 + 0.5 * billow + 0.22 * (u - middle) * -1.0, 0.5, 1.35) * tone
    cut = _place([alpha.astype(np.float32), shaded.astype(np.float32)],
                 (base_x - wide / 2 - lean_px(side, shape, wide), base_y - tall, wide, tall), view)
    if cut is None:
        return None
    left, up, (cover, grey) = cut
    g = np.clip(grey, 0, 255).astype(np.uint8)
    bgr = cv2.merge([g, g, g])
    return Sprite(left, up, np.asarray(bgr, np.uint8), cover, z - 0.02, x=x, solid=False)


def lean_px(side: float, shape: SmokeShape, wide: float) -> float:
    """How far the plume's rectangle is moved so that the foot stays over its source."""
    return -side * shape.drift * wide * 0.0
