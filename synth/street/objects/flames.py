"""Fire and smoke as moving noise fields: tongues that flicker, plumes that rise, drift and grow."""

from dataclasses import dataclass

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
FIRE_EDGE = 0.18
SMOKE_EDGE = 0.15
_FOOT = 0.35


def _grid(width: int, height: int) -> tuple[Plane, Plane]:
    """u from -1 to 1 across, v from 0 at the foot to 1 at the head, each (height, width)."""
    u, v = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(1, 0, height, dtype=np.float32)
    )
    return u, v


def _resolution(width_px: float, height_px: float, most: int) -> tuple[int, int]:
    shrink = min(1.0, most / max(width_px, height_px, 1.0))
    return max(int(width_px * shrink), 8), max(int(height_px * shrink), 8)


@dataclass(frozen=True, eq=False)
class _Spot:
    """Position of a field: the middle of its foot, its width and height (pixels), its own coordinates."""

    foot: tuple[float, float]
    wide: float
    tall: float
    u: Plane
    v: Plane

    @property
    def aspect(self) -> float:
        return self.tall / self.wide

    def placed(
        self, fields: list[Plane], *, view: View, aside: float = 0.0
    ) -> tuple[int, int, list[Plane]] | None:
        """Fields at their size in pixels, `aside` of the foot and cut to the frame; None outside of it."""
        left, top = round(self.foot[0] - self.wide / 2 + aside), round(self.foot[1] - self.tall)
        wide, tall = max(round(self.wide), 4), max(round(self.tall), 4)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + wide, view.width), min(top + tall, view.height)
        if x1 <= x0 or y1 <= y0:
            return None
        cut = [
            cv2.resize(f, (wide, tall), interpolation=cv2.INTER_LINEAR)[
                y0 - top : y1 - top, x0 - left : x1 - left
            ]
            for f in fields
        ]
        return x0, y0, [np.asarray(c, np.float32) for c in cut]


def _spot(
    view: View,
    foot: tuple[float, float, float],
    size_m: tuple[float, float],
    *,
    grown: tuple[float, float],
    most_px: int,
) -> _Spot:
    """A foot at (x, y, z) metres; `grown` are the fractions of width and height reached so far."""
    x, y, z = foot
    per_m = view.pixels_per_m(z)
    wide, tall = size_m[0] * per_m * grown[0], size_m[1] * per_m * grown[1]
    return _Spot(view.point(x, y, z), wide, tall, *_grid(*_resolution(wide, tall, most_px)))


def draw_fire(
    shape: FlameShape,
    view: View,
    *,
    foot: tuple[float, float, float],
    size_m: tuple[float, float],
    seed: int,
    time_s: float,
    strength: float = 1.0,
) -> Sprite | None:
    """Flames with their foot at (x, y, z) metres; `strength` 0..1 is how far they have grown."""
    spot = _spot(view, foot, size_m, grown=(0.6 + 0.4 * strength, 0.35 + 0.65 * strength), most_px=96)
    field = _heat(shape, spot.u, v=spot.v, seed=seed, time_s=time_s, aspect=spot.aspect)
    cut = spot.placed([field], view=view)
    if cut is None:
        return None
    left, up, (heat,) = cut
    light = _LUT[(np.clip(heat * 1.15, 0, 1) * 255).astype(np.uint8)].astype(np.uint8)
    alpha = smoothstep(0.06, 0.34, heat)
    return Sprite(
        left, up, np.zeros_like(light), alpha, foot[2] - 0.05, x=foot[0], emission=light, solid=False
    )


def _heat(shape: FlameShape, u: Plane, *, v: Plane, seed: int, time_s: float, aspect: float) -> Plane:
    """0..1: a noise that rises and narrows into tongues, hottest at the foot, ragged at rim and tips."""
    noise, slow = fractal_noise(seed % 7, 4, 0.6), fractal_noise(50 + seed % 5, 2)
    offset = float(seed % 997)
    sway = (sample(slow, u * 10 + offset, v * 60 + time_s * 70) - 0.5) * shape.sway * 2.4 * v
    across = np.asarray(u + sway, np.float32)
    tips = sample(slow, across * 15 * shape.tongues + offset, v * 9 + time_s * 75 + 13)
    tips = smoothstep(0.15, 0.85, tips)
    swirl = sample(noise, across * 12 * shape.tongues + offset, v * aspect * 42 + time_s * 150 + offset)
    round_foot = np.sqrt(np.clip(1 - (across * 1.04) ** 2, 0, 1))
    reach = round_foot * (1 - 0.85 * shape.tip * (1 - tips) * (0.45 + 0.55 * np.abs(across)))
    rise = (reach - v) / (0.5 + 0.45 * reach)
    hot = 0.86 * rise + (swirl - 0.5) * (0.75 + 0.55 * v) + 0.25 * (tips - 0.25)
    foot = np.clip(v / 0.08, 0, 1) * 0.5 + 0.5
    return np.asarray(np.clip(hot * foot * np.clip(round_foot * 2.2, 0, 1), 0, 1), np.float32)


def draw_smoke(
    shape: SmokeShape,
    view: View,
    *,
    foot: tuple[float, float, float],
    size_m: tuple[float, float],
    seed: int,
    time_s: float,
    strength: float = 1.0,
    tone: float = 90.0,
) -> Sprite | None:
    """A plume from (x, y, z) metres upward; the seed decides to which side it drifts; `tone` is its grey."""
    spot = _spot(view, foot, size_m, grown=(0.55 + 0.45 * strength, 0.4 + 0.6 * strength), most_px=80)
    side = 1.0 if seed % 2 else -1.0
    alpha, grey = _plume(shape, spot.u * side, v=spot.v, seed=seed, time_s=time_s, aspect=spot.aspect)
    cut = spot.placed([alpha, grey * tone], view=view, aside=side * _FOOT * spot.wide / 2)
    if cut is None:
        return None
    left, up, (cover, levels) = cut
    g = np.clip(levels, 0, 255).astype(np.uint8)
    bgr = cv2.merge([g, g, np.clip(levels * 0.985, 0, 255).astype(np.uint8)])
    return Sprite(left, up, np.asarray(bgr, np.uint8), cover, foot[2] - 0.02, x=foot[0], solid=False)


def _plume(
    shape: SmokeShape, u: Plane, *, v: Plane, seed: int, time_s: float, aspect: float
) -> tuple[Plane, Plane]:
    """Opacity 0..0.92 and brightness about 1: billows that rise, widen and lean towards positive u."""
    noise, soft = fractal_noise(100 + seed % 7, 4, 0.6), fractal_noise(120 + seed % 5, 2, 0.5)
    offset, k = float(seed % 991), 19.0 * shape.billows
    up = v * aspect * 2
    warp = sample(soft, u * k * 0.6 + offset, up * k * 0.5 + time_s * 24) - 0.5
    middle = -_FOOT + (shape.drift + _FOOT) * np.power(v, 1.2) + 0.4 * warp * (0.25 + v)
    spread = shape.foot + (shape.head - shape.foot) * np.power(v, 0.7)
    billow = sample(noise, u * k + offset + 24 * warp, up * k * 0.8 + time_s * 36 + offset)
    away = np.abs(u - middle) / spread
    body = np.clip(1.1 - away * away + (billow - 0.5) * 1.7, 0, 1.5)
    head = np.clip((0.98 - v + (warp + billow - 0.6) * 0.4) / 0.25, 0, 1)
    rim = np.clip((1 - np.abs(u)) / 0.3, 0, 1)
    thick = body * (0.5 + 1.1 * billow) * head * rim * (1.35 - 0.5 * v)
    shading = np.clip(0.5 + 0.95 * billow - 0.25 * (u - middle) / spread, 0.35, 1.5)
    return np.asarray((1 - np.exp(-thick * 1.9)) * 0.92, np.float32), np.asarray(shading, np.float32)
