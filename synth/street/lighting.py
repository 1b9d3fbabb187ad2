"""Light at a point of the street, and its transmission through the air to the camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Condition, Light, Weather
from synth.street.paint import Colour
from synth.street.worlds import World

Plane = NDArray[np.float32]
_POOL = 15.0
_BREADTH = 1.3
_BRIGHTEST = 0.9


@dataclass(frozen=True)
class Lamp:
    """A street lamp's head in metres, its power (1 is usual) and its colour (BGR, 1 is white)."""

    x: float
    y: float
    z: float
    power: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    """Ambient light (BGR multipliers), lamps that burn, and haze (fraction lost per metre, colour)."""

    ambient: tuple[float, float, float]
    lamps: tuple[Lamp, ...]
    haze_per_m: float
    haze_colour: Colour
    darkness: float

    def shade(self, x: float, z: float) -> Plane:
        """Light (3,) on an object at x, z."""
        blue, green, red = self.ambient
        for lamp in self.lamps:
            pool = (
                lamp.power * _POOL * _falloff((x - lamp.x) ** 2 + (z - lamp.z) ** 2, max(lamp.y - 1.0, 0.6))
            )
            pool = min(pool, _BRIGHTEST)
            blue, green, red = (c + pool * t for c, t in zip((blue, green, red), lamp.colour, strict=True))
        return np.asarray((blue, green, red), np.float32)

    def shade_map(self, x: Plane, y: Plane, z: Plane) -> Plane:
        """Light (h, w, 3) at the points (h, w) in metres: ambient, and lamps by the inverse square."""
        total = np.empty((*x.shape, 3), np.float32)
        total[:] = self.ambient
        for lamp in self.lamps:
            if lamp.power <= 0:
                continue
            drop = np.maximum(lamp.y - y, 0.6)
            away = (x - lamp.x) ** 2 + (z - lamp.z) ** 2 + _BREADTH * (drop * drop + 2.0)
            pool = np.minimum(lamp.power * _POOL * drop / (away * np.sqrt(np.sqrt(away))), _BRIGHTEST)
            total += pool[..., None] * np.asarray(lamp.colour, np.float32)
        return total

    def haze(self, z: float) -> tuple[float, Colour]:
        """Transmission 0..1 at depth z and the colour that replaces the rest."""
        return float(np.exp(-self.haze_per_m * z)), self.haze_colour


def _falloff(distance2: float, drop: float) -> float:
    away = distance2 + _BREADTH * (drop * drop + 2.0)
    return float(drop / (away * away**0.25))


_AMBIENT = {Light.DAY: 1.0, Light.DUSK: 0.5, Light.NIGHT: 0.18, Light.UNKNOWN: 1.0}
_HUE = {
    Light.DAY: (1.0, 1.0, 1.0),
    Light.DUSK: (1.08, 0.94, 1.04),
    Light.NIGHT: (1.25, 1.0, 0.85),
    Light.UNKNOWN: (1.0, 1.0, 1.0),
}
_WEATHER_DIM = {Weather.RAIN: 0.8, Weather.FOG: 0.92, Weather.SNOW: 0.95}
_HAZE_PER_M = {Weather.FOG: 0.034, Weather.RAIN: 0.007, Weather.SNOW: 0.011}


def light_scene(
    condition: Condition, world: World, *, lamps: tuple[Lamp, ...], rng: np.random.Generator
) -> Lighting:
    """The lighting of a condition; lamps burn at dusk (weakly) and at night."""
    level = _AMBIENT[condition.light] * _WEATHER_DIM.get(condition.weather, 1.0) * world.pick(rng, 0.9, 1.1)
    hue = _HUE[condition.light]
    ambient = tuple(level * h * t for h, t in zip(hue, world.tint, strict=True))
    power = {Light.NIGHT: 1.0, Light.DUSK: 0.35}.get(condition.light, 0.0)
    lit = tuple(Lamp(lm.x, lm.y, lm.z, lm.power * power, lm.colour) for lm in lamps if power > 0)
    bright = {Light.NIGHT: 52.0, Light.DUSK: 120.0}.get(condition.light, 205.0)
    fog = tuple(bright * h for h in hue)
    per_m = _HAZE_PER_M.get(condition.weather, 0.0012) * world.pick(rng, 0.8, 1.25)
    return Lighting(
        (ambient[0], ambient[1], ambient[2]), lit, per_m, (fog[0], fog[1], fog[2]), max(0.0, 1.0 - level)
    )
