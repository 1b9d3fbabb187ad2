"""Cars, vans, buses: prisms in the camera's perspective, with glass, wheels and lights."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.street.paint import Colour, Sketch, Sprite, hsv, tone
from synth.street.view import View
from synth.street.worlds import BodyShape, World

_GLASS = (74.0, 62.0, 50.0)
_TYRE = (26.0, 26.0, 28.0)
_RIM = (120.0, 120.0, 122.0)
Profile = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Vehicle:
    """One vehicle: profile points (fraction of length, height m) of body and cabin; `away` shows its rear."""

    length_m: float
    width_m: float
    colour: Colour
    lower: Profile
    cabin: Profile
    away: bool
    boxy: bool


def make_vehicle(world: World, rng: np.random.Generator, *, away: bool) -> Vehicle:
    """A random vehicle of this world; the profile runs from the rear (0) to the front (1)."""
    colour = _paintwork(world, rng)
    kind = rng.random()
    if kind < 0.72:
        return _car(
            world, world.bodies[int(rng.integers(len(world.bodies)))], rng=rng, colour=colour, away=away
        )
    bus = kind > 0.9
    length = world.pick(rng, 9.0, 11.5) if bus else world.pick(rng, 4.8, 6.2)
    tall = world.pick(rng, 2.8, 3.2) if bus else world.pick(rng, 2.0, 2.5)
    slope = 0.02 if bus else world.pick(rng, 0.1, 0.2)
    lower = ((0.0, 0.35), (0.0, 1.2), (1.0, 1.2), (1.0, 0.35))
    cabin = ((0.0, 1.2), (0.0, tall), (1.0 - slope, tall), (1.0, 1.2))
    return Vehicle(length, 2.4 if bus else 1.95, colour, lower, cabin, away, boxy=True)


def _car(world: World, body: BodyShape, *, rng: np.random.Generator, colour: Colour, away: bool) -> Vehicle:
    belt = world.pick(rng, 0.82, 0.95)
    back, front = body.boot, 1.0 - body.bonnet
    lower = ((0.0, 0.3), (0.0, belt * 0.92), (0.06, belt), (front, belt), (0.98, belt * 0.78), (1.0, 0.3))
    roof = body.roof_m
    cabin = ((back, belt), (back + 0.06, roof), (front - body.rake - 0.05, roof), (front, belt))
    length, width = world.pick(rng, 3.8, 4.7), world.pick(rng, 1.7, 1.85)
    return Vehicle(length, width, colour, lower, cabin, away, boxy=False)


def _paintwork(world: World, rng: np.random.Generator) -> Colour:
    vivid = rng.random() < 0.4
    hue = world.pick(rng, 0, 179)
    saturation = world.pick(rng, 90, 210) if vivid else world.pick(rng, 0, 25)
    value = world.pick(rng, 70, 200) if vivid else world.pick(rng, 35, 235)
    return hsv(hue, saturation, value)


class _Face(NamedTuple):
    """A polygon in vehicle coordinates (fraction of length, height m, fraction of half width)."""

    corners: list[tuple[float, float, float]]
    colour: Colour
    light: Colour | None = None


@lru_cache(maxsize=512)
def _mesh(vehicle: Vehicle, side: float) -> tuple[NDArray[np.float32], tuple[_Face, ...]]:
    """All corners (n, 3) in metres about the middle of the nearest end, and the faces they belong to."""
    half = 1.0 if vehicle.boxy else 0.9
    faces = [
        *_wheels(vehicle, -side),
        *_prism(vehicle, vehicle.lower, half=1.0, side=side),
        *_wheels(vehicle, side),
        *_prism(vehicle, vehicle.cabin, half=half, side=side),
        *_windows(vehicle, side, half=half),
        *_lights(vehicle),
    ]
    p = np.asarray([corner for face in faces for corner in face.corners], np.float32)
    sign = 1.0 if vehicle.away else -1.0
    along = (p[:, 0] - 0.5) * vehicle.length_m * sign + vehicle.length_m / 2
    corners = np.stack([p[:, 2] * vehicle.width_m / 2, p[:, 1], along], axis=1).astype(np.float32)
    return corners, tuple(faces)


def draw_vehicle(vehicle: Vehicle, view: View, *, x: float, z: float, lights: bool) -> Sprite | None:
    """The vehicle with its nearest end at depth `z` and its middle at `x` metres."""
    corners, faces = _mesh(vehicle, 1.0 if x < 0 else -1.0)
    pixels = view.project(corners + np.asarray((x, 0, z), np.float32))
    sketch, at = Sketch(), 0
    for face in faces:
        part = pixels[at : at + len(face.corners)]
        at += len(face.corners)
        sketch.polygon(part, face.colour, face.light if lights else None)
    return sketch.render((view.width, view.height), z, x=x)


def _prism(vehicle: Vehicle, profile: Profile, *, half: float, side: float) -> list[_Face]:
    """Side face, then the strips over the profile that face the camera, far to near."""
    faces = [_Face([(u, y, side * half) for u, y in profile], tone(vehicle.colour, 0.82))]
    strips = list(pairwise(profile))
    for (u0, y0), (u1, y1) in reversed(strips) if vehicle.away else strips:
        level = abs(u1 - u0) * vehicle.length_m > abs(y1 - y0)
        rear = (u0 + u1) / 2 < 0.5
        if level or rear == vehicle.away:
            quad = [(u0, y0, -half), (u1, y1, -half), (u1, y1, half), (u0, y0, half)]
            faces.append(_Face(quad, tone(vehicle.colour, 1.08 if level else 0.7)))
    return faces


def _wheels(vehicle: Vehicle, side: float) -> list[_Face]:
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False).tolist()
    reach, faces = 0.34 / vehicle.length_m, []
    for at in (0.19, 0.81):
        for size, colour in ((1.0, _TYRE), (0.55, _RIM)):
            rim = [
                (at + reach * size * float(np.cos(a)), 0.33 + 0.33 * size * float(np.sin(a)), side * 1.01)
                for a in turn
            ]
            faces.append(_Face(rim, colour))
    return faces


def _windows(vehicle: Vehicle, side: float, *, half: float) -> list[_Face]:
    """Glass at the end that faces the camera and along the visible side; a van's rear has none."""
    (u0, y0), (u1, y1), (u2, y2), (u3, y3) = vehicle.cabin
    (eu0, ey0), (eu1, ey1) = ((u0, y0), (u1, y1)) if vehicle.away else ((u3, y3), (u2, y2))
    van = vehicle.boxy and vehicle.length_m < 7
    faces = []
    if not (van and vehicle.away):
        mix = ((0.12, -0.86), (0.86, -0.82), (0.86, 0.82), (0.12, 0.86))
        glass = [(eu0 + (eu1 - eu0) * t, ey0 + (ey1 - ey0) * t, w * half) for t, w in mix]
        faces.append(_Face(glass, _GLASS))
    count, start = max(int(vehicle.length_m / 1.7), 2), 0.55 if van else 0.0
    low, high = y0 + 0.12 * (y1 - y0), y0 + 0.86 * (y1 - y0)
    for i in range(count):
        a, b = start + (1 - start) * (i + 0.08) / count, start + (1 - start) * (i + 0.94) / count
        pane = [_on_side(vehicle, t, y) for t, y in ((a, low), (a, high), (b, high), (b, low))]
        faces.append(_Face([(u, y, side * half * 1.005) for u, y in pane], tone(_GLASS, 0.85)))
    return faces


def _on_side(vehicle: Vehicle, fraction: float, y: float) -> tuple[float, float]:
    """A point of the cabin's side: `fraction` runs between its slanting ends at height y."""
    (u0, y0), (u1, y1), (u2, _), (u3, _) = vehicle.cabin
    t = (y - y0) / (y1 - y0)
    left, right = u0 + (u1 - u0) * t, u3 + (u2 - u3) * t
    return left + (right - left) * fraction, y


def _lights(vehicle: Vehicle) -> list[_Face]:
    u, high = 0.0 if vehicle.away else 1.0, 0.95 if vehicle.boxy else 0.78
    off: Colour = (40.0, 40.0, 150.0) if vehicle.away else (215.0, 220.0, 220.0)
    on: Colour = (30.0, 40.0, 235.0) if vehicle.away else (225.0, 245.0, 255.0)
    faces = []
    for edge in (-0.95, 0.62):
        quad = [(u, high, edge), (u, high - 0.2, edge), (u, high - 0.2, edge + 0.33), (u, high, edge + 0.33)]
        faces.append(_Face(quad, off, on))
    plate = [(u, 0.62, -0.26), (u, 0.5, -0.26), (u, 0.5, 0.26), (u, 0.62, 0.26)]
    return [*faces, _Face(plate, (200.0, 205.0, 205.0))]


def lamp_points(vehicle: Vehicle, view: View, *, x: float, z: float) -> NDArray[np.float32]:
    """Pixels (2, 2) of the two lights at the end that faces the camera."""
    half = 0.8 * vehicle.width_m / 2
    return view.project(np.asarray([(x - half, 0.72, z), (x + half, 0.72, z)], np.float32))


def vehicle_box(vehicle: Vehicle, view: View, *, x: float, z: float) -> tuple[float, float, float, float]:
    """Pixels that the vehicle covers: left, top, right, bottom, not cut to the frame."""
    corners, _ = _mesh(vehicle, 1.0 if x < 0 else -1.0)
    pixels = view.project(corners + np.asarray((x, 0, z), np.float32))
    (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    return left, top, right, bottom
