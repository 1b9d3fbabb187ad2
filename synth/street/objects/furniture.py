"""Objects on the pavement: lamps, trees, signs, bins, closed boxes, benches. None of it is a hazard."""

from collections.abc import Callable

import numpy as np

from messaging.taxonomy import Weather
from synth.street.lighting import Lamp
from synth.street.paint import Colour, Sketch, Sprite, hsv
from synth.street.setting import Road, Setting
from synth.street.view import View
from synth.street.worlds import World

Spot = tuple[float, float]
Piece = Callable[[Setting, Spot, np.random.Generator], Sprite | None]


def place_lamps(world: World, road: Road, *, rng: np.random.Generator) -> tuple[Lamp, ...]:
    """Lamps along one or both kerbs, sodium or white; some beyond the second are dead."""
    tone = (0.42, 0.74, 1.0) if rng.random() < 0.5 else (0.92, 0.98, 1.0)
    step, tall = world.pick(rng, 17, 27), world.pick(rng, 5.5, 7.5)
    first, both = world.pick(rng, 7, 18), rng.random() < 0.5
    lamps = []
    for i in range(6):
        right = i % 2 == 0 if both else True
        kerb = road.kerb_right + 0.5 if right else road.kerb_left - 0.5
        arm = -1.3 if right else 1.3
        power = world.pick(rng, 0.75, 1.15) if i < 2 or rng.random() > 0.2 else 0.0
        lamps.append(Lamp(kerb + arm, tall, first + i * step, power, tone))
    return tuple(lamps)


def draw_lamp(lamp: Lamp, setting: Setting, *, burning: bool) -> Sprite | None:
    """Pole on the kerb, arm over the road, head."""
    view, road = setting.view, setting.road
    pole = lamp.x + 1.3 if lamp.x > road.middle else lamp.x - 1.3
    sketch = Sketch()
    per_m = view.pixels_per_m(lamp.z)
    points = [(pole, 0, lamp.z), (pole, lamp.y, lamp.z), (lamp.x, lamp.y + 0.2, lamp.z)]
    sketch.line(view.project(np.asarray(points, np.float32)), 0.07 * per_m, colour=(70, 70, 70))
    head = [(lamp.x - 0.35, lamp.y + 0.15, lamp.z), (lamp.x + 0.35, lamp.y + 0.15, lamp.z)]
    tone = tuple(min(c * 255, 255) for c in lamp.colour)
    light = (tone[0], tone[1], tone[2]) if burning and lamp.power > 0 else None
    sketch.line(
        view.project(np.asarray(head, np.float32)), 0.12 * per_m, colour=(150, 150, 150), emission=light
    )
    return sketch.render((view.width, view.height), lamp.z, x=pole)


def draw_tree(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """Trunk and a crown of blots."""
    world, view, (x, z) = setting.world, setting.view, at
    snow = setting.condition.weather is Weather.SNOW
    tall, per_m = world.pick(rng, 4.5, 8.0), view.pixels_per_m(z)
    sketch = Sketch()
    trunk = [(x, 0, z), (x + world.pick(rng, -0.2, 0.2), tall * 0.6, z)]
    sketch.line(view.project(np.asarray(trunk, np.float32)), 0.13 * per_m, colour=(40, 55, 70))
    hue, value = world.pick(rng, 30, 60), world.pick(rng, 50, 95)
    tones = [hsv(hue + 2 * i, 125, value * (0.6 + 0.12 * i)) for i in range(7)]
    if snow:
        tones[4:] = [(206.0 + 8 * i, 204.0 + 8 * i, 202.0 + 8 * i) for i in range(3)]
    leaves = max(min(int(per_m * 1.2), 70), 20)
    swarm = rng.normal(0, 1, (leaves, 3))
    crown = np.stack([x + 0.72 * swarm[:, 0], tall * (0.76 + 0.11 * swarm[:, 1]), np.full(leaves, z)], axis=1)
    level = np.arange(leaves) / leaves
    radii = (0.62 - 0.34 * level) * per_m * world.pick(rng, 0.8, 1.2)
    shades = np.clip(level * 6 + swarm[:, 2], 0, 6).astype(int).tolist()
    for point, radius, shade in zip(
        view.project(crown.astype(np.float32)), radii.tolist(), shades, strict=True
    ):
        sketch.line(point[None], radius, colour=tones[shade])
    return sketch.render((view.width, view.height), z, x=x)


def draw_sign(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """A traffic sign: red ring, warning triangle or blue plate."""
    world, view, (x, z) = setting.world, setting.view, at
    per_m, sketch = view.pixels_per_m(z), Sketch()
    post = np.asarray([(x, 0, z), (x, 2.6, z)], np.float32)
    sketch.line(view.project(post), 0.035 * per_m, colour=(120, 120, 120))
    centre = np.asarray([view.point(x, 2.45, z)], np.float32)
    kind, size = int(rng.integers(3)), world.pick(rng, 0.3, 0.42) * per_m
    if kind == 0:
        sketch.line(centre, size, colour=(40, 40, 195))
        sketch.line(centre, size * 0.7, colour=(235, 235, 235))
    elif kind == 1:
        turn = np.asarray([-np.pi / 2, np.pi / 6, np.pi * 5 / 6])
        corners = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
        sketch.polygon(centre + corners * size * 1.2, (40, 40, 200))
        sketch.polygon(centre + corners * size * 0.75, (230, 235, 235))
    else:
        square = np.asarray([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
        sketch.polygon(centre + square * size * 0.85, (165, 90, 30))
        sketch.polygon(centre + square * size * 0.4, (235, 235, 235))
    return sketch.render((view.width, view.height), z, x=x)


def _block(
    sketch: Sketch,
    view: View,
    *,
    at: tuple[float, float],
    size: tuple[float, float, float],
    colour: Colour,
    y: float = 0.0,
) -> None:
    """An upright box: side, front and top faces; size is wide, tall, deep."""
    x, z = at
    half, tall, deep = size[0] / 2, size[1], size[2]
    side = half if x < 0 else -half
    faces = (
        (
            [
                (x + side, y, z),
                (x + side, y, z + deep),
                (x + side, y + tall, z + deep),
                (x + side, y + tall, z),
            ],
            0.65,
        ),
        (
            [
                (x - half, y + tall, z),
                (x + half, y + tall, z),
                (x + half, y + tall, z + deep),
                (x - half, y + tall, z + deep),
            ],
            1.15,
        ),
        ([(x - half, y, z), (x + half, y, z), (x + half, y + tall, z), (x - half, y + tall, z)], 0.85),
    )
    for corners, tone in faces:
        face = view.project(np.asarray(corners, np.float32))
        sketch.polygon(
            face, (min(colour[0] * tone, 255), min(colour[1] * tone, 255), min(colour[2] * tone, 255))
        )


def draw_bin(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """A closed wheeled bin, upright: not garbage."""
    world, view, (x, z) = setting.world, setting.view, at
    colour = hsv(world.pick(rng, 20, 130), world.pick(rng, 40, 170), world.pick(rng, 50, 120))
    sketch = Sketch()
    tall = world.pick(rng, 0.95, 1.2)
    _block(sketch, view, at=at, size=(0.65, tall, 0.6), colour=colour)
    _block(
        sketch,
        view,
        at=(x, z),
        size=(0.72, 0.08, 0.65),
        colour=(colour[0] * 0.8, colour[1] * 0.8, colour[2] * 0.8),
        y=tall,
    )
    return sketch.render((view.width, view.height), z, x=x)


def draw_crates(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """One to three closed boxes stacked straight: goods, not garbage."""
    world, view, (x, z) = setting.world, setting.view, at
    sketch, side = Sketch(), world.pick(rng, 0.4, 0.6)
    tone = world.pick(rng, 0.8, 1.1)
    for i in range(int(rng.integers(1, 4))):
        _block(
            sketch,
            view,
            at=(x, z),
            size=(side, side * 0.8, side),
            colour=(100 * tone, 145 * tone, 180 * tone),
            y=i * side * 0.8,
        )
    return sketch.render((view.width, view.height), z, x=x)


def draw_post(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """A bollard, a red hydrant or a letter box."""
    world, view, (x, z) = setting.world, setting.view, at
    kind, sketch, per_m = int(rng.integers(3)), Sketch(), view.pixels_per_m(z)
    colour = ((70.0, 70.0, 72.0), (35.0, 40.0, 190.0), (30.0, 190.0, 225.0))[kind]
    tall = (0.9, 0.75, 1.2)[kind]
    if kind == 2:
        _block(sketch, view, at=at, size=(0.45, tall, 0.35), colour=colour)
    else:
        post = np.asarray([(x, 0.05, z), (x, tall, z)], np.float32)
        sketch.line(view.project(post), world.pick(rng, 0.09, 0.14) * per_m, colour=colour)
    return sketch.render((view.width, view.height), z, x=x)


def draw_bench(setting: Setting, at: Spot, rng: np.random.Generator) -> Sprite | None:
    """A bench along the pavement."""
    world, view, (x, z) = setting.world, setting.view, at
    sketch, tone = Sketch(), world.pick(rng, 0.7, 1.2)
    wood = (55 * tone, 85 * tone, 120 * tone)
    _block(sketch, view, at=at, size=(0.5, 0.08, 1.6), colour=wood, y=0.42)
    back = x + (0.24 if x > 0 else -0.24)
    _block(sketch, view, at=(back, z), size=(0.06, 0.42, 1.6), colour=wood, y=0.5)
    return sketch.render((view.width, view.height), z, x=x)


PIECES: tuple[Piece, ...] = (draw_sign, draw_bin, draw_bin, draw_crates, draw_post, draw_bench)


def furnish(setting: Setting, rng: np.random.Generator) -> list[Sprite]:
    """Trees and small things along both pavements."""
    world, view, road = setting.world, setting.view, setting.road
    sprites = []
    green = rng.random() < 0.7
    for kerb, wall in ((road.kerb_left, road.wall_left), (road.kerb_right, road.wall_right)):
        outward = float(np.sign(wall - kerb))
        for z in np.arange(world.pick(rng, 7, 16), 80, world.pick(rng, 9, 16)):
            if green and rng.random() < 0.6:
                sprites.append(draw_tree(setting, (kerb + outward * 0.8, float(z)), rng))
        for _ in range(int(rng.integers(2, 7))):
            piece = PIECES[int(rng.integers(len(PIECES)))]
            x = kerb + outward * rng.uniform(0.5, max(abs(wall - kerb) - 0.7, 0.6))
            sprites.append(
                piece(setting, (float(x), view.ground_starts_m + float(rng.uniform(1.5, 40))), rng)
            )
    return [s for s in sprites if s is not None]
