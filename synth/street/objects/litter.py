"""Potholes in the road and piles of garbage on it."""

import numpy as np
from numpy.typing import NDArray

from synth.street.paint import Colour, Sketch, Sprite, tone
from synth.street.view import View
from synth.street.worlds import World

_BAGS: tuple[Colour, ...] = (
    (38.0, 36.0, 36.0),
    (50.0, 46.0, 44.0),
    (225.0, 225.0, 220.0),
    (150.0, 95.0, 50.0),
    (70.0, 110.0, 60.0),
)
_CARDBOARD: Colour = (95.0, 140.0, 178.0)
_WOOD: Colour = (70.0, 105.0, 145.0)


def _ring(rng: np.random.Generator, corners: int, *, ragged: float) -> NDArray[np.float32]:
    """A wobbly circle of mean radius 1, (corners, 2)."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    bumps = sum(rng.uniform(-1, 1) * np.cos(turn * k + rng.uniform(0, 6.3)) / k for k in (2, 3, 5))
    radius = np.clip(1 + ragged * (bumps + 0.5 * rng.uniform(-1, 1, corners)), 0.5, 1.5)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1).astype(np.float32)


def _flat(
    view: View, ring: NDArray[np.float32], *, at: tuple[float, float], y: float = 0.0
) -> NDArray[np.float32]:
    points = np.stack([ring[:, 0] + at[0], np.full(len(ring), y, np.float32), ring[:, 1] + at[1]], axis=1)
    return view.project(points.astype(np.float32))


def draw_pothole(
    world: World,
    view: View,
    *,
    at: tuple[float, float],
    size_m: tuple[float, float],
    seed: int,
    water: Colour | None,
) -> tuple[Sprite | None, Sprite | None]:
    """Cracks around the hole (not labelled), and the hole itself; size is across and along the road."""
    rng = np.random.default_rng([seed, 31])
    shape = world.pothole
    half = np.asarray((size_m[0] / 2, size_m[1] / 2), np.float32)
    ring = (_ring(rng, shape.corners, ragged=shape.ragged) * half).astype(np.float32)
    nearest = at[1] + float(ring[:, 1].min())
    frame = (view.width, view.height)
    cracks = Sketch()
    for _ in range(int(rng.integers(3, 7))):
        turn = rng.uniform(0, 2 * np.pi)
        reach = np.cumsum(rng.uniform(0.03, 0.09, 3))
        wander = turn + np.cumsum(rng.uniform(-0.2, 0.2, 3))
        path = np.stack([np.cos(wander) * (0.9 + reach), np.sin(wander) * (0.9 + reach)], axis=1) * half
        radius = 0.012 * view.pixels_per_m(at[1])
        cracks.line(_flat(view, path.astype(np.float32), at=at), radius, colour=(62.0, 62.0, 64.0))
    hole = Sketch()
    rim = world.pick(rng, 118, 150)
    dark = world.pick(rng, 26, 44)
    hole.polygon(_flat(view, ring, at=at), (rim * 0.97, rim, rim * 1.02))
    inner = (ring * 0.93 + np.asarray([0, -0.015])).astype(np.float32)
    hole.polygon(_flat(view, inner, at=at), (dark * 1.35, dark * 1.55, dark * 1.8))
    floor = (ring * 0.82 - np.asarray([0, half[1] * 0.1])).astype(np.float32)
    hole.polygon(_flat(view, floor, at=at), water or (dark, dark * 1.03, dark * 1.08))
    if water is None:
        _gravel(hole, view, at=at, half=half, rng=rng, stones=int(26 * shape.gravel))
    return cracks.render(frame, nearest, x=at[0]), hole.render(frame, nearest, x=at[0])


def _gravel(
    sketch: Sketch,
    view: View,
    *,
    at: tuple[float, float],
    half: NDArray[np.float32],
    rng: np.random.Generator,
    stones: int,
) -> None:
    for _ in range(stones):
        spot = rng.uniform(-0.55, 0.55, (1, 2)).astype(np.float32) * half
        grey = float(rng.uniform(50, 105))
        sketch.line(
            _flat(view, spot, at=at),
            0.035 * view.pixels_per_m(at[1]),
            colour=(grey * 0.95, grey, grey * 1.03),
        )


def draw_garbage(
    world: World, view: View, *, at: tuple[float, float], size_m: tuple[float, float], seed: int
) -> Sprite | None:
    """A pile of the given width and height: bags, boxes, tyres, planks and papers, farthest first."""
    rng = np.random.default_rng([seed, 37])
    mix = world.litter
    kinds = ("bag", "box", "tyre", "plank", "paper")
    weights = np.asarray([mix.bags, mix.boxes, mix.tyres, mix.planks, mix.papers])
    count = int(rng.integers(6, 12))
    order = np.sort(rng.uniform(-0.45, 0.45, count))[::-1]
    sketch = Sketch()
    for i, dz in enumerate(order):
        kind = kinds[int(rng.choice(5, p=weights / weights.sum()))] if i < count - 1 else "bag"
        x = at[0] + float(np.clip(rng.normal(0, 0.24), -0.42, 0.42)) * size_m[0]
        tall = size_m[1] * float(rng.uniform(0.45, 1.0)) * (1 - 0.4 * abs(x - at[0]) / size_m[0])
        _ITEMS[kind](sketch, view, (x, at[1] + float(dz) * size_m[0] * 0.6), tall, rng, world)
    return sketch.render((view.width, view.height), at[1] - 0.35 * size_m[0], x=at[0])


def _bag(
    sketch: Sketch, view: View, at: tuple[float, float], tall: float, rng: np.random.Generator, world: World
) -> None:
    colour = _BAGS[int(rng.integers(len(_BAGS)))]
    tint = world.pick(rng, 0.85, 1.15)
    blob = _ring(rng, 14, ragged=0.18) * np.asarray([tall * 0.52, tall * 0.45], np.float32)
    points = np.stack([blob[:, 0] + at[0], blob[:, 1] + tall * 0.45, np.full(14, at[1])], axis=1)
    pixels = view.project(points.astype(np.float32))
    base = tuple(min(c * tint, 250.0) for c in colour)
    sketch.polygon(pixels, (base[0], base[1], base[2]))
    middle = pixels.mean(axis=0)
    lit = tuple(min(c * 1.25 + 22, 255.0) for c in base)
    sketch.polygon(
        middle + (pixels - middle) * 0.5 - _lift(view, at[1], metres=tall * 0.14), (lit[0], lit[1], lit[2])
    )
    knot = view.project(
        np.asarray([[at[0], tall * 0.93, at[1]], [at[0] + 0.05, tall * 1.02, at[1]]], np.float32)
    )
    sketch.line(knot, 0.045 * view.pixels_per_m(at[1]), colour=(base[0] * 0.8, base[1] * 0.8, base[2] * 0.8))


def _lift(view: View, z: float, *, metres: float) -> NDArray[np.float32]:
    return np.asarray([0, metres * view.pixels_per_m(z)], np.float32)


def _box(
    sketch: Sketch, view: View, at: tuple[float, float], tall: float, rng: np.random.Generator, world: World
) -> None:
    turn, side, tall = float(rng.uniform(0, 1.57)), tall * float(rng.uniform(0.5, 0.8)), tall * 0.75
    tint = world.pick(rng, 0.75, 1.15)
    corners = (
        np.asarray([[np.cos(turn + q), np.sin(turn + q)] for q in np.arange(4) * np.pi / 2]) * side * 0.62
    )
    order = np.argsort(-corners[:, 1])
    low = np.stack([corners[:, 0] + at[0], np.zeros(4), corners[:, 1] + at[1]], axis=1)
    high = low + np.asarray([float(rng.uniform(-0.08, 0.08)), tall, 0])
    for i in order[::-1][:2][::-1]:
        j = (i + 1) % 4
        for a, b, face in ((i, j, 0.85), (i, (i - 1) % 4, 0.68)):
            quad = np.stack([low[a], low[b], high[b], high[a]])
            sketch.polygon(view.project(quad.astype(np.float32)), tone(_CARDBOARD, tint * face))
    sketch.polygon(view.project(high.astype(np.float32)), tone(_CARDBOARD, tint * 0.5))
    flap = np.stack([high[order[0]], high[(order[0] + 1) % 4], high[(order[0] + 1) % 4] + [0.15, 0.12, 0.1]])
    sketch.polygon(view.project(flap.astype(np.float32)), tone(_CARDBOARD, tint * 1.1))


def _tyre(
    sketch: Sketch, view: View, at: tuple[float, float], tall: float, rng: np.random.Generator, world: World
) -> None:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    outer = world.pick(rng, 0.3, 0.4)
    for y in (0.0, 0.08, 0.16, 0.22):
        sketch.polygon(_flat(view, ring * outer, at=at, y=y), (30.0, 30.0, 32.0))
    sketch.polygon(_flat(view, ring * outer, at=at, y=0.22), (48.0, 48.0, 50.0))
    sketch.polygon(_flat(view, ring * outer * 0.5, at=at, y=0.2), (14.0, 14.0, 15.0))


def _plank(
    sketch: Sketch, view: View, at: tuple[float, float], tall: float, rng: np.random.Generator, world: World
) -> None:
    turn, half = float(rng.uniform(-0.6, 0.6)), world.pick(rng, 0.4, 0.75)
    reach = np.asarray([np.cos(turn), 0, np.sin(turn)]) * half
    middle = np.asarray([at[0], 0.08, at[1]])
    ends = np.stack([middle - reach, middle + reach + [0, tall * float(rng.uniform(0, 0.9)), 0]])
    sketch.line(
        view.project(ends.astype(np.float32)),
        0.06 * view.pixels_per_m(at[1]),
        colour=tone(_WOOD, world.pick(rng, 0.7, 1.2)),
    )


def _paper(
    sketch: Sketch, view: View, at: tuple[float, float], tall: float, rng: np.random.Generator, world: World
) -> None:
    ring = _ring(rng, 5, ragged=0.3) * 0.2
    grey = world.pick(rng, 150, 240)
    sketch.polygon(_flat(view, ring.astype(np.float32), at=at, y=0.03), (grey, grey * 0.99, grey * 0.96))


_ITEMS = {"bag": _bag, "box": _box, "tyre": _tyre, "plank": _plank, "paper": _paper}
