"""The hazards of a drawn street: where each may be, how large, and its sprites at a moment of its life."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Light, Weather
from synth.street.objects.flames import FIRE_EDGE, SMOKE_EDGE, draw_fire, draw_smoke
from synth.street.objects.litter import draw_garbage, draw_pothole
from synth.street.objects.people import draw_person, fallen, make_person
from synth.street.paint import Sprite
from synth.street.setting import Setting
from synth.street.view import View
from synth.street.worlds import World

SHORTEST_SIDE_PX = 14.0


@dataclass(frozen=True)
class Hazard:
    """One hazard: foot at x, y, z metres, width and height (pothole: length) in metres, life in seconds."""

    class_name: str
    track: int
    seed: int
    x: float
    y: float
    z: float
    size_m: tuple[float, float]
    born_s: float
    life_s: float

    def alive(self, time_s: float) -> bool:
        """Whether it is in the street at this time."""
        return self.born_s <= time_s < self.born_s + self.life_s


@dataclass(frozen=True, eq=False)
class HazardSprites:
    """What to paint for a hazard: the labelled sprite, its mask's alpha threshold, unlabelled marks below."""

    main: Sprite
    edge: float
    under: Sprite | None = None


def edge_of(class_name: str) -> float:
    """Alpha above which a pixel belongs to the hazard."""
    return {"fire": FIRE_EDGE, "smoke": SMOKE_EDGE}.get(class_name, 0.5)


def hazard_sprites(hazard: Hazard, setting: Setting, *, time_s: float) -> HazardSprites | None:
    """The hazard at a moment, or None when nothing of it is in the frame."""
    world, view, condition = setting.world, setting.view, setting.condition
    age = time_s - hazard.born_s
    strength = float(np.clip(0.45 + age * 0.35, 0.45, 1.0))
    rng = np.random.default_rng([hazard.seed, 41])
    under: Sprite | None = None
    foot = (hazard.x, hazard.y, hazard.z)
    seed, size = hazard.seed, hazard.size_m
    if hazard.class_name == "fire":
        main = draw_fire(world.flame, view, foot=foot, size_m=size, seed=seed, time_s=age, strength=strength)
    elif hazard.class_name == "smoke":
        tone = world.pick(rng, 30, 72) if rng.random() < 0.55 else world.pick(rng, 165, 228)
        tone = max(tone, 165.0) if condition.light is Light.NIGHT else tone
        main = draw_smoke(
            world.smoke, view, foot=foot, size_m=size, seed=seed, time_s=age, strength=strength, tone=tone
        )
    elif hazard.class_name == "pothole":
        water = (135.0, 130.0, 126.0) if condition.weather is Weather.RAIN and rng.random() < 0.5 else None
        at = (hazard.x, hazard.z)
        under, main = draw_pothole(world, view, at=at, size_m=size, seed=seed, water=water)
    elif hazard.class_name == "garbage":
        main = draw_garbage(world, view, at=(hazard.x, hazard.z), size_m=size, seed=seed)
    else:
        person = make_person(world, rng)
        heading = float(rng.choice([0.0, np.pi]) + world.pick(rng, -1.15, 1.15))
        joints = fallen(person, rng, heading=heading, stir=0.05 * float(np.sin(age * 1.7)))
        main = draw_person(person, joints, view=view, x=hazard.x, z=hazard.z)
    return None if main is None else HazardSprites(main, edge_of(hazard.class_name), under)


def expected_box(hazard: Hazard, view: View) -> tuple[float, float, float, float]:
    """The approximate box of the hazard in pixels; used to keep hazards apart."""
    per_m = view.pixels_per_m(hazard.z)
    x, y = view.point(hazard.x, hazard.y, hazard.z)
    wide = hazard.size_m[0] * per_m
    if hazard.class_name == "pothole":
        _, far = view.point(hazard.x, 0, hazard.z + hazard.size_m[1] / 2)
        _, near = view.point(hazard.x, 0, hazard.z - hazard.size_m[1] / 2)
        return x - wide / 2, far, x + wide / 2, near
    return x - wide / 2, y - hazard.size_m[1] * per_m, x + wide / 2, y + 0.1 * wide


def place_hazard(
    class_name: str,
    setting: Setting,
    *,
    track: int,
    rng: np.random.Generator,
    when: tuple[float, float],
) -> Hazard:
    """A hazard at a plausible place, shorter side about 14 px or more at 640 px; `when` is birth and life."""
    view = setting.view
    rise = float(rng.uniform(0.16, 0.86)) ** 0.8
    ground_y = view.horizon_y + (view.height - view.horizon_y) * (0.14 + 0.82 * rise)
    z = view.focal_px * view.mounted_m / (ground_y - view.horizon_y)
    least = SHORTEST_SIDE_PX * view.width / 640
    size = _size(class_name, setting.world, rng=rng)
    size = _at_least(class_name, size, z=z, view=view, least=least)
    if class_name == "fallen_person":
        z = min(z, view.focal_px * 0.5 / least)
    x, y, z = _spot(class_name, setting, z=z, size=size, rng=rng)
    return Hazard(class_name, track, int(rng.integers(1 << 30)), x, y, z, size, when[0], when[1])


def _size(class_name: str, world: World, *, rng: np.random.Generator) -> tuple[float, float]:
    low_high = {
        "fire": ((0.8, 2.0), (1.0, 1.9)),
        "smoke": ((1.8, 4.2), (1.0, 1.7)),
        "pothole": ((0.8, 1.9), (0.8, 1.5)),
        "garbage": ((1.3, 2.5), (0.45, 0.6)),
        "fallen_person": ((1.75, 1.76), (0.25, 0.26)),
    }[class_name]
    wide = world.pick(rng, *low_high[0])
    return wide, wide * world.pick(rng, *low_high[1])


def _at_least(
    class_name: str, size: tuple[float, float], *, z: float, view: View, least: float
) -> tuple[float, float]:
    """Grow a far hazard until its shorter side is wide enough to be seen."""
    per_m = view.pixels_per_m(z)
    foreshortened = view.mounted_m / z if class_name == "pothole" else 1.0
    if class_name == "fallen_person":
        return size
    grow = max(1.0, 1.25 * least / (size[0] * per_m), 1.25 * least / (size[1] * per_m * foreshortened))
    if class_name == "pothole":
        return size[0] * min(grow, 1.5), min(size[1] * grow, 4.5)
    return size[0] * min(grow, 2.0), size[1] * min(grow, 2.0)


def _spot(
    class_name: str, setting: Setting, *, z: float, size: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Metres: in the road, on the pavement, or (fire, smoke) at a window or above the ground."""
    view, road = setting.view, setting.road
    left, right = view.x_range_at(z)
    half = size[0] * 0.4
    low, high = max(left + half, road.wall_left + 0.8), min(right - half, road.wall_right - 0.8)
    if class_name == "pothole":
        low, high = max(low, road.kerb_left + 0.3 + half), min(high, road.kerb_right - 0.3 - half)
    x = float(rng.uniform(low, high)) if high > low else (low + high) / 2
    if class_name not in ("fire", "smoke"):
        return x, 0.0, z
    kind = rng.random()
    if kind < 0.25:
        wall = road.wall_left if rng.random() < 0.5 else road.wall_right
        far = max(z, view.focal_px * abs(wall) / (0.46 * view.width))
        return wall - float(np.sign(wall)) * (0.4 + half * 0.3), float(rng.uniform(1.2, 5.0)), far
    return x, float(rng.uniform(0.7, 1.3)) if kind < 0.4 else 0.0, z


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection as a fraction of the smaller box."""
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    tall = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return wide * tall / max(smaller, 1e-6)


def in_sight(hazard: Hazard, view: View, *, depth: NDArray[np.float32]) -> bool:
    """Whether most of the hazard's expected box is in the frame and in front of the objects there."""
    x0, y0, x1, y1 = expected_box(hazard, view)
    cx0, cy0 = max(int(x0), 0), max(int(y0), 0)
    cx1, cy1 = min(int(x1) + 1, view.width), min(int(y1) + 1, view.height)
    if cx1 <= cx0 or cy1 <= cy0 or (cx1 - cx0) * (cy1 - cy0) < 0.7 * (x1 - x0) * (y1 - y0):
        return False
    near = hazard.z - (hazard.size_m[1] / 2 if hazard.class_name == "pothole" else 0.6)
    return float((depth[cy0:cy1, cx0:cx1] >= near).mean()) > 0.75
