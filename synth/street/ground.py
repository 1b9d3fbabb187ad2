"""Road and pavements: asphalt, lane marks, kerbs, and look-alikes of potholes (manholes, patches)."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Weather
from synth.street.setting import Road, Setting
from synth.street.texture import SIZE, fractal_noise, sample, thrice
from synth.street.view import FARTHEST_M, View

Plane = NDArray[np.float32]


def ground_points(view: View) -> tuple[int, Plane, Plane]:
    """First row of the road, and X and Z in metres under every pixel from there down."""
    first = max(int(np.ceil(view.horizon_y)), 0)
    y = np.arange(first, view.height, dtype=np.float32) + 0.5
    drop = np.maximum(y - view.horizon_y, view.focal_px * view.mounted_m / FARTHEST_M)
    z = (view.focal_px * view.mounted_m / drop).astype(np.float32)[:, None]
    x = (np.arange(view.width, dtype=np.float32) + 0.5 - view.vanish_x)[None, :] * (z / view.focal_px)
    return first, x.astype(np.float32), np.repeat(z, view.width, axis=1)


@lru_cache(maxsize=12)
def _surfaces(number: int) -> Plane:
    """Grain of asphalt and of paving (with seams), both about 0, for 6.4 m of ground: (256, 256, 2)."""
    grain = fractal_noise(200 + number, 64, 0.8) - 0.5
    axis = np.arange(SIZE) % 32
    seams = (axis[None, :] < 2) | (axis[:, None] < 2)
    surfaces: Plane = np.dstack([grain * 46, grain * 30 - 26 * seams]).astype(np.float32)
    surfaces.setflags(write=False)
    return surfaces


def paint_ground(
    image: NDArray[np.uint8], setting: Setting, *, rng: np.random.Generator
) -> tuple[Plane, Plane]:
    """Fill the image below the horizon; returns the depth of the ground and how wet it is (0..1)."""
    world, view, road = setting.world, setting.view, setting.road
    first, x, z = ground_points(view)
    grain = np.asarray(
        cv2.remap(_surfaces(world.number), x * 40, z * 40, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP),
        np.float32,
    )
    coarse = sample(fractal_noise(210 + world.number, 4), x[::2, ::2] * 9 + 60, z[::2, ::2] * 5)
    stains = np.asarray(
        cv2.resize(coarse, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32
    )
    crisp = np.clip(9.0 / z[:, :1], 0.1, 1.0)
    grey, flags = world.pick(rng, 84, 122), world.pick(rng, 130, 168)
    on_road = (x > road.kerb_left) & (x < road.kerb_right)
    base = np.where(
        on_road,
        stains * (0.3 * grey) + (0.84 * grey + grain[..., 0] * crisp),
        stains * (0.16 * flags) + (0.9 * flags + grain[..., 1] * crisp),
    )
    base[(np.abs(x - road.kerb_left) < 0.14) | (np.abs(x - road.kerb_right) < 0.14)] = flags * 1.12
    warm = world.pick(rng, 0.96, 1.05)
    colour = cv2.merge([base * (2.02 - warm), base, base * warm])
    _marks(colour, setting, first=first, rng=rng)
    _lookalikes(colour, setting, first=first, rng=rng)
    wet = np.where(on_road, 0.35 + 0.65 * (stains > 0.62), 0.3).astype(np.float32)
    if setting.condition.weather is Weather.SNOW:
        _snow(colour, x, road=road, stains=stains)
    if setting.condition.weather is Weather.RAIN:
        colour *= thrice(1 - 0.32 * wet)
    image[first:] = cv2.convertScaleAbs(np.maximum(colour, 0))
    depth = np.full(image.shape[:2], FARTHEST_M * 6, np.float32)
    depth[first:] = z
    moist = np.zeros(image.shape[:2], np.float32)
    moist[first:] = wet
    return depth, moist


def _quad(view: View, x0: float, *, x1: float, z0: float, z1: float) -> NDArray[np.int32]:
    corners = np.asarray([[x0, 0, z0], [x1, 0, z0], [x1, 0, z1], [x0, 0, z1]], np.float32)
    return (view.project(corners) * 16).round().astype(np.int32)


def _fill(
    image: Plane, quad: NDArray[np.int32], *, colour: tuple[float, float, float], opacity: float, first: int
) -> None:
    """Blend a polygon (1/16 pixels) into the image, whose first row is row `first` of the frame."""
    quad = quad - np.asarray([0, first * 16], np.int32)
    low, high = quad.min(axis=0) // 16 - 1, quad.max(axis=0) // 16 + 2
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), image.shape[1]), min(int(high[1]), image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [quad - np.asarray([x0, y0]) * 16], 255, cv2.LINE_AA, 4)
    cover = mask.astype(np.float32)[..., None] * (opacity / 255.0)
    roi = image[y0:y1, x0:x1]
    roi += cover * (np.asarray(colour, np.float32) - roi)


def _marks(image: Plane, setting: Setting, *, first: int, rng: np.random.Generator) -> None:
    """Dashes in the middle, edge lines, perhaps a crossing."""
    world, view, road = setting.world, setting.view, setting.road
    white = world.pick(rng, 185, 225)
    paint = (white, white, white)
    phase, dash = world.pick(rng, 0, 4), world.pick(rng, 1.8, 3.2)
    for z in np.arange(view.ground_starts_m - 6 + phase, 90, dash * 2.4):
        _fill(
            image,
            _quad(view, road.middle - 0.07, x1=road.middle + 0.07, z0=max(z, 3), z1=max(z + dash, 3.1)),
            colour=paint,
            opacity=0.75,
            first=first,
        )
    if rng.random() < 0.5:
        for kerb, inward in ((road.kerb_left, 1), (road.kerb_right, -1)):
            edge = kerb + inward * 2.0
            _fill(
                image,
                _quad(view, edge - 0.05, x1=edge + 0.05, z0=3.0, z1=110),
                colour=paint,
                opacity=0.6,
                first=first,
            )
    if rng.random() < 0.5:
        near = view.ground_starts_m + world.pick(rng, 5, 22)
        for x in np.arange(road.kerb_left + 0.5, road.kerb_right - 0.5, 1.0):
            _fill(
                image,
                _quad(view, x, x1=x + 0.5, z0=near, z1=near + 3.0),
                colour=paint,
                opacity=0.8,
                first=first,
            )


def _lookalikes(image: Plane, setting: Setting, *, first: int, rng: np.random.Generator) -> None:
    """Manhole covers, asphalt patches and oil stains: dark things in the road that are no potholes."""
    world, view, road = setting.world, setting.view, setting.road
    for _ in range(int(rng.integers(1, 5))):
        x, z = rng.uniform(road.kerb_left + 1, road.kerb_right - 1), view.ground_starts_m + rng.uniform(2, 26)
        wide, long = world.pick(rng, 0.8, 2.4), world.pick(rng, 0.8, 4.0)
        tone = world.pick(rng, 58, 88)
        _fill(
            image,
            _quad(view, x - wide / 2, x1=x + wide / 2, z0=z, z1=z + long),
            colour=(tone, tone, tone),
            opacity=0.7,
            first=first,
        )
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for _ in range(int(rng.integers(1, 4))):
        x, z = rng.uniform(road.kerb_left + 1, road.kerb_right - 1), view.ground_starts_m + rng.uniform(1, 18)
        for radius, tone in ((0.36, 62.0), (0.30, 92.0), (0.24, 70.0), (0.12, 95.0)):
            ring = np.stack([x + radius * np.cos(turn), 0 * turn, z + radius * np.sin(turn)], axis=1)
            points = (view.project(ring.astype(np.float32)) * 16).round().astype(np.int32)
            _fill(image, points, colour=(tone, tone, tone * 1.02), opacity=0.9, first=first)


def _snow(image: Plane, x: Plane, *, road: Road, stains: Plane) -> None:
    """White ground; wheels have opened darker tracks in the lanes."""
    cover = np.clip(0.72 + 0.5 * stains, 0, 0.96)
    for lane in (road.lane_in, road.lane_out):
        for wheel in (-0.75, 0.75):
            cover -= 0.62 * cv2.exp(-(((x - lane - wheel) / 0.28) ** 2))
    white = cv2.subtract(np.full_like(image, 231), image)
    image += thrice(np.clip(cover, 0.12, 0.95)) * white
