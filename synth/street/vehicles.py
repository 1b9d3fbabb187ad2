"""Cars, vans, buses: prisms in the camera's perspective, with glass, wheels and lights."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.street.paint import Colour, Sketch, Sprite
from synth.street.view import View
from synth.street.worlds import BodyShape, World

_GLASS = (74.0, 62.0, 50.0)
_TYRE = (26.0, 26.0, 28.0)


@dataclass(frozen=True)
class Vehicle:
    """One vehicle: profile points (length share, height m) of body and cabin; `away` shows its rear."""

    length_m: float
    width_m: float
    colour: Colour
    lower: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]
    away: bool
    boxy: bool

    @property
    def height_m(self) -> float:
        """Roof above the road."""
        return max(y for _, y in (*self.lower, *self.cabin))


def make_vehicle(world: World, rng: np.random.Generator, *, away: bool) -> Vehicle:
    """A random vehicle of this world; the profile runs from the rear (0) to the front (1)."""
    colour = _paintwork(world, rng)
    kind = rng.random()
    if kind < 0.72:
        return _car(world, world.bodies[int(rng.integers(len(world.bodies)))], rng, colour, away)
    bus = kind > 0.9
    length = world.pick(rng, 9.0, 11.5) if bus else world.pick(rng, 4.8, 6.2)
    tall = world.pick(rng, 2.8, 3.2) if bus else world.pick(rng, 2.0, 2.5)
    slope = 0.02 if bus else world.pick(rng, 0.1, 0.2)
    lower = ((0.0, 0.35), (0.0, 1.2), (1.0, 1.2), (1.0, 0.35))
    cabin = ((0.0, 1.2), (0.0, tall), (1.0 - slope, tall), (1.0, 1.2))
    return Vehicle(length, 2.4 if bus else 1.95, colour, lower, cabin, away, boxy=True)


def _car(world: World, body: BodyShape, rng: np.random.Generator, colour: Colour, away: bool) -> Vehicle:
    belt = world.pick(rng, 0.82, 0.95)
    lower = ((0.0, 0.3), (0.0, belt * 0.92), (0.06, belt), (1 - body.bonnet, belt), (0.98, belt * 0.78), (1.0, 0.3))
    back, front = body.boot, 1.0 - body.bonnet
    cabin = ((back, belt), (back + 0.06, body.roof_m), (front - body.rake - 0.05, body.roof_m), (front, belt))
    return Vehicle(world.pick(rng, 3.8, 4.7), world.pick(rng, 1.7, 1.85), colour, lower, cabin, away, boxy=False)


def _paintwork(world: World, rng: np.random.Generator) -> Colour:
    vivid = rng.random() < 0.4
    hsv = (
        world.pick(rng, 0, 179),
        world.pick(rng, 90, 210) if vivid else world.pick(rng, 0, 25),
        world.pick(rng, 70, 200) if vivid else world.pick(rng, 35, 235),
    )
    b, g, r = cv2.cvtColor(np.array([[hsv]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return float(b), float(g), float(r)


class _Frame:
    """Vehicle coordinates (share of length, height, share of half width) to street metres and pixels."""

    def __init__(self, vehicle: Vehicle, view: View, x: float, z: float) -> None:
        self.vehicle, self.view, self.x, self.z = vehicle, view, x, z
        self.sign = 1.0 if vehicle.away else -1.0

    def pixels(self, points: list[tuple[float, float, float]]) -> NDArray[np.float32]:
        p = np.asarray(points, np.float32)
        along = (p[:, 0] - 0.5) * self.vehicle.length_m * self.sign + self.z + self.vehicle.length_m / 2
        across = p[:, 2] * self.vehicle.width_m / 2 + self.x
        return self.view.project(np.stack([across, p[:, 1], along], axis=1))


def draw_vehicle(vehicle: Vehicle, view: View, x: float, z: float, *, lights: bool) -> Sprite | None:
    """The vehicle with its nearest end at depth `z` and its middle at `x` metres."""
    place = _Frame(vehicle, view, x, z)
    sketch = Sketch()
    side = 1.0 if x < 0 else -1.0
    _wheels(sketch, place, -side)
    _prism(sketch, place, vehicle.lower, 1.0, side, vehicle.colour)
    _wheels(sketch, place, side)
    _prism(sketch, place, vehicle.cabin, 0.9 if not vehicle.boxy else 1.0, side, vehicle.colour)
    _windows(sketch, place, side)
    _lights(sketch, place, lights)
    return sketch.render((view.width, view.height), z, x=x)


def _tone(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _prism(
    sketch: Sketch,
    place: _Frame,
    profile: tuple[tuple[float, float], ...],
    half: float,
    side: float,
    colour: Colour,
) -> None:
    """Side face, then the strips over the profile that face the camera, far to near."""
    sketch.polygon(place.pixels([(u, y, side * half) for u, y in profile]), _tone(colour, 0.82))
    strips = list(zip(profile, profile[1:], strict=False))
    near_is_rear = place.vehicle.away
    for (u0, y0), (u1, y1) in strips if not near_is_rear else reversed(strips):
        quad = place.pixels([(u0, y0, -half), (u1, y1, -half), (u1, y1, half), (u0, y0, half)])
        level = abs(u1 - u0) * place.vehicle.length_m > abs(y1 - y0)
        rear = (u0 + u1) / 2 < 0.5
        if not level and rear != near_is_rear:
            continue
        sketch.polygon(quad, _tone(colour, 1.08 if level else 0.7))


def _wheels(sketch: Sketch, place: _Frame, side: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = 0.34 / place.vehicle.length_m
    for at in (0.19, 0.81):
        for size, colour in ((1.0, _TYRE), (0.55, (120.0, 120.0, 122.0))):
            ring = [
                (at + reach * size * float(np.cos(a)), 0.33 + 0.33 * size * float(np.sin(a)), side * 1.01)
                for a in turn
            ]
            sketch.polygon(place.pixels(ring), colour)


def _windows(sketch: Sketch, place: _Frame, side: float) -> None:
    """Glass at the end that faces the camera and along the visible side."""
    (u0, y0), (u1, y1), (u2, y2), (u3, y3) = place.vehicle.cabin
    half = 0.9 if not place.vehicle.boxy else 1.0
    end = ((u0, y0), (u1, y1)) if place.vehicle.away else ((u3, y3), (u2, y2))
    (eu0, ey0), (eu1, ey1) = end
    mix = [(0.12, -0.86), (0.86, -0.82), (0.86, 0.82), (0.12, 0.86)]
    if not (place.vehicle.boxy and place.vehicle.away and place.vehicle.length_m < 7):
        glass = [(eu0 + (eu1 - eu0) * t, ey0 + (ey1 - ey0) * t, w * half) for t, w in mix]
        sketch.polygon(place.pixels(glass), _GLASS)
    count = max(int(place.vehicle.length_m / 1.7), 2)
    start = 0.55 if place.vehicle.boxy and place.vehicle.length_m < 7 else 0.0
    for i in range(count):
        a, b = start + (1 - start) * (i + 0.08) / count, start + (1 - start) * (i + 0.94) / count
        low, high = y0 + 0.12 * (y1 - y0), y0 + 0.86 * (y1 - y0)
        pane = [_on_side(place, t, y) for t, y in ((a, low), (a, high), (b, high), (b, low))]
        sketch.polygon(place.pixels([(u, y, side * half * 1.005) for u, y in pane]), _tone(_GLASS, 0.85))


def _on_side(place: _Frame, share: float, y: float) -> tuple[float, float]:
    """A point of the cabin's side: `share` runs between its slanting ends at height y."""
    (u0, y0), (u1, y1), (u2, _), (u3, _) = place.vehicle.cabin
    t = (y - y0) / (y1 - y0)
    left, right = u0 + (u1 - u0) * t, u3 + (u2 - u3) * t
    return left + (right - left) * share, y


def _lights(sketch: Sketch, place: _Frame, lit: bool) -> None:
    vehicle = place.vehicle
    u = 0.0 if vehicle.away else 1.0
    high = 0.95 if vehicle.boxy else 0.78
    off: Colour = (40.0, 40.0, 150.0) if vehicle.away else (215.0, 220.0, 220.0)
    on: Colour | None = ((30.0, 40.0, 235.0) if vehicle.away else (225.0, 245.0, 255.0)) if lit else None
    for edge in (-0.95, 0.62):
        quad = [(u, high, edge), (u, high - 0.2, edge), (u, high - 0.2, edge + 0.33), (u, high, edge + 0.33)]
        sketch.polygon(place.pixels(quad), off, on)
    plate = [(u, 0.62, -0.26), (u, 0.5, -0.26), (u, 0.5, 0.26), (u, 0.62, 0.26)]
    sketch.polygon(place.pixels(plate), (200.0, 205.0, 205.0))


def lamp_points(vehicle: Vehicle, view: View, x: float, z: float) -> NDArray[np.float32]:
    """Pixels (2, 2) of the two lights at the end that faces the camera."""
    u = 0.0 if vehicle.away else 1.0
    return _Frame(vehicle, view, x, z).pixels([(u, 0.72, -0.8), (u, 0.72, 0.8)])
