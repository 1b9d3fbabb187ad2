"""Sky and buildings: facades with windows, doors, shops and awnings, warped into the street's perspective."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Light, Weather
from synth.street.paint import hsv
from synth.street.setting import Setting
from synth.street.texture import fractal_noise
from synth.street.view import FARTHEST_M, View
from synth.street.worlds import FacadeStyle, World

Plane = NDArray[np.float32]
_PX_PER_M = 11.0


@dataclass(frozen=True, eq=False)
class Facade:
    """A flat front, uint8 (h, w, 3), and the light of its windows, same shape (None: all dark)."""

    front: NDArray[np.uint8]
    lit: NDArray[np.uint8] | None


_SKY = {
    Light.DAY: ((225, 185, 140), (240, 225, 210)),
    Light.DUSK: ((110, 75, 80), (120, 150, 215)),
    Light.NIGHT: ((26, 18, 16), (48, 38, 36)),
}


def paint_sky(setting: Setting, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gradient and clouds, (rows to the horizon, w, 3); grey in bad weather. Final levels, not shaded."""
    world, view, condition = setting.world, setting.view, setting.condition
    tall = int(np.clip(np.ceil(view.horizon_y), 1, view.height))
    zenith, rim = (np.asarray(c, np.float32) for c in _SKY.get(condition.light, _SKY[Light.DAY]))
    if condition.weather is not Weather.CLEAR:
        grey = 0.82 * float(rim.mean()) * np.asarray((1.03, 1.0, 0.98), np.float32)
        zenith, rim = grey * 0.92, grey
    blend = np.linspace(0, 1, tall, dtype=np.float32)[:, None, None]
    sky = zenith * (1 - blend) + rim * blend
    left, top = int(rng.integers(256)), int(rng.integers(100))
    noise = np.roll(fractal_noise(300 + world.number), (top, left), axis=(0, 1))
    cloud = cv2.resize(noise[:110], (view.width, tall), interpolation=cv2.INTER_LINEAR)
    cover = np.clip((cloud - world.pick(rng, 0.35, 0.7)) * 2.2, 0, 0.85)[..., None]
    white = np.minimum(rim * 1.12 + 8, 250)
    return np.asarray(sky + cover * (white - sky), np.float32)


def make_facade(
    world: World,
    style: FacadeStyle,
    *,
    size_m: tuple[float, float],
    lit_share: float,
    rng: np.random.Generator,
    px_per_m: float,
) -> Facade:
    """A front of this width and height in metres with a ground floor of shops or doors."""
    bays, floors = max(int(size_m[0] / style.bay_m), 1), max(int(size_m[1] / style.floor_m), 2)
    wide, tall = max(int(style.bay_m * px_per_m), 6), max(int(style.floor_m * px_per_m), 7)
    warm = rng.random() < 0.75
    hue = world.pick(rng, 4, 28) if warm else world.pick(rng, 95, 125)
    wall = hsv(hue, world.pick(rng, 10, 105), world.pick(rng, 105, 215))
    tile, pane = _bay(world, style, size=(wide, tall), wall=wall, rng=rng)
    grid, size = (floors - 1, bays), (wide * bays, tall * (floors - 1))
    dim = cv2.resize(rng.uniform(0.75, 1.2, grid).astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    glass = np.tile(pane, grid)
    dim[glass == 0] = 1
    upper = cv2.multiply(np.tile(tile, (*grid, 1)), cv2.merge([dim, dim, dim]), dtype=cv2.CV_8U)
    ground, shop = _ground_floor(world, (wide * bays, tall), wall=wall, lit=lit_share, rng=rng)
    front = np.concatenate([np.asarray(upper, np.uint8), ground])
    if lit_share == 0:
        return Facade(front, None)
    on = ((rng.random(grid) < lit_share) * rng.uniform(80, 225, grid)).astype(np.uint8)
    light = cv2.bitwise_and(cv2.resize(on, size, interpolation=cv2.INTER_NEAREST), glass)
    tone = np.asarray(hsv(world.pick(rng, 14, 24), world.pick(rng, 60, 130), 255)) / 255.0
    glow = cv2.merge([cv2.convertScaleAbs(light, alpha=float(t)) for t in tone])
    return Facade(front, np.concatenate([np.asarray(glow, np.uint8), shop]))


def _bay(
    world: World,
    style: FacadeStyle,
    *,
    size: tuple[int, int],
    wall: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One window in its wall, and the mask of the glass."""
    wide, tall = size
    tile = np.empty((tall, wide, 3), np.uint8)
    tile[:] = wall
    if rng.random() < 0.5:
        tile[:: max(int(world.pick(rng, 3, 6)), 2)] = [c * 0.93 for c in wall]
    w, h = int(wide * style.window_wide), int(tall * style.window_tall)
    x, y = (wide - w) // 2, int((tall - h) * 0.42)
    frame = tuple(min(c * 1.18 + 10, 250) for c in wall)
    cv2.rectangle(tile, (x - 1, y - 1), (x + w, y + h), frame, -1)
    mask = np.zeros((tall, wide), np.uint8)
    cv2.rectangle(mask, (x, y), (x + w - 1, y + h - 1), 255, -1)
    tile[mask > 0] = hsv(world.pick(rng, 95, 120), world.pick(rng, 20, 80), world.pick(rng, 45, 110))
    if rng.random() < 0.7:
        cv2.line(tile, (x + w // 2, y), (x + w // 2, y + h - 1), frame, 1)
        mask[:, x + w // 2] = 0
    cv2.line(tile, (x - 2, y + h), (x + w + 1, y + h), tuple(c * 0.6 for c in wall), 1)
    if rng.random() < 0.3:
        cv2.rectangle(tile, (x - 3, y + h - h // 3), (x + w + 2, y + h), tuple(c * 0.5 for c in wall), 1)
    return tile, mask


def _ground_floor(
    world: World,
    size: tuple[int, int],
    *,
    wall: tuple[float, float, float],
    lit: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Shops with glass and awnings (red and orange ones too: they are no fires), or doors."""
    wide, tall = size
    band = np.empty((tall, wide, 3), np.uint8)
    band[:] = [c * 0.8 for c in wall]
    light = np.zeros((tall, wide, 3), np.uint8)
    x, floor_px = 2, tall / 3.1
    while x < wide - floor_px:
        span = min(int(world.pick(rng, 2.2, 5.5) * floor_px), wide - x - 2)
        if rng.random() < 0.6 and span > 6:
            glass = hsv(world.pick(rng, 90, 120), world.pick(rng, 10, 60), world.pick(rng, 50, 120))
            cv2.rectangle(band, (x, tall // 4), (x + span - 3, tall - 3), glass, -1)
            if rng.random() < lit * 1.6:
                tone = hsv(world.pick(rng, 12, 30), world.pick(rng, 20, 110), world.pick(rng, 150, 235))
                cv2.rectangle(light, (x, tall // 4), (x + span - 3, tall - 3), tone, -1)
            awning = hsv(world.pick(rng, 0, 179), world.pick(rng, 120, 220), world.pick(rng, 110, 215))
            if rng.random() < 0.35:
                awning = hsv(world.pick(rng, 0, 14), world.pick(rng, 180, 230), world.pick(rng, 150, 220))
            cv2.rectangle(band, (x - 1, tall // 8), (x + span - 3, tall // 3), awning, -1)
            for stripe in range(x, x + span - 6, max(int(floor_px * 0.7), 4) if rng.random() < 0.5 else 999):
                cv2.rectangle(
                    band,
                    (stripe, tall // 8),
                    (stripe + max(int(floor_px * 0.25), 1), tall // 3),
                    (225, 225, 225),
                    -1,
                )
        else:
            door = hsv(world.pick(rng, 0, 179), world.pick(rng, 40, 160), world.pick(rng, 40, 120))
            cv2.rectangle(band, (x + 4, tall // 4), (x + 4 + min(int(floor_px), span), tall - 1), door, -1)
        x += span + 3
    return band, light


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What is painted before light falls on it: colour and emission uint8 (h, w, 3), depth (h, w) metres."""

    colour: NDArray[np.uint8]
    emission: NDArray[np.uint8]
    depth: Plane


class _House(NamedTuple):
    """From `start` to `end` along the street, its front at x = `wall`, `tall` high; metres."""

    start: float
    end: float
    wall: float
    tall: float
    end_shows: bool


def paint_buildings(surfaces: Surfaces, setting: Setting, *, rng: np.random.Generator) -> None:
    """A skyline at the end of the street and rows of houses on both sides, farthest first."""
    lit = {Light.NIGHT: 0.32, Light.DUSK: 0.25}.get(setting.condition.light, 0.0)
    world, road = setting.world, setting.road
    houses = [*_row(world, road.wall_left, rng=rng), *_row(world, road.wall_right, rng=rng)]
    _skyline(surfaces, setting, lit=lit, rng=rng)
    for house in sorted(houses, key=lambda h: -h.start):
        if house.end > 4:
            _house(surfaces, setting, house=house, lit=lit, rng=rng)


def _row(world: World, wall: float, *, rng: np.random.Generator) -> list[_House]:
    """Houses along one side, some with gaps between them."""
    houses: list[_House] = []
    z, hidden_to = world.pick(rng, -6, 3), 0.0
    while z < 90:
        length, tall = world.pick(rng, 9, 22), world.pick(rng, 7, 24)
        if rng.random() > 0.13:
            houses.append(_House(z, z + length, wall, tall, end_shows=tall > hidden_to))
            hidden_to = tall
        else:
            hidden_to = 0.0
        z += length
        if rng.random() < 0.3:
            z, hidden_to = z + world.pick(rng, 0.5, 7), 0.0
    return houses


def _house(
    surfaces: Surfaces, setting: Setting, *, house: _House, lit: float, rng: np.random.Generator
) -> None:
    """The end that faces the camera, then the long side along the street, where they are in the frame."""
    world, view = setting.world, setting.view
    z0, z1, wall, tall, end_shows = house
    style = world.facades[int(rng.integers(len(world.facades)))]
    near = max(z0, 2.6)
    edge, _ = view.point(wall, 0, near)
    far_edge, _ = view.point(wall, 0, z1)
    px_per_m = min(_PX_PER_M, 1.2 * view.pixels_per_m(near))
    facade = make_facade(world, style, size_m=(z1 - z0, tall), lit_share=lit, rng=rng, px_per_m=px_per_m)
    if end_shows and z0 > 4 and 0 < edge < view.width:
        back = wall + np.sign(wall) * 11
        corners = [(wall, tall, z0), (back, tall, z0), (back, 0, z0), (wall, 0, z0)]
        _wall(surfaces, view, facade=facade, corners=corners, tone=0.74, flat=True)
    if 0 < far_edge < view.width:
        start = min(int(facade.front.shape[1] * (near - z0) / (z1 - z0)), facade.front.shape[1] - 2)
        side = Facade(facade.front[:, start:], None if facade.lit is None else facade.lit[:, start:])
        corners = [(wall, tall, near), (wall, tall, z1), (wall, 0, z1), (wall, 0, near)]
        _wall(surfaces, view, facade=side, corners=corners, tone=1.0 if wall > 0 else 0.88, flat=False)


def _skyline(surfaces: Surfaces, setting: Setting, *, lit: float, rng: np.random.Generator) -> None:
    world, view = setting.world, setting.view
    left, right = view.x_range_at(130.0)
    x = max(left - 8, -70.0)
    while x < min(right, 70.0):
        wide, tall = world.pick(rng, 9, 20), world.pick(rng, 8, 34)
        style = world.facades[int(rng.integers(len(world.facades)))]
        facade = make_facade(
            world, style, size_m=(wide, tall), lit_share=lit, rng=rng, px_per_m=1.2 * view.pixels_per_m(130.0)
        )
        corners = [(x, tall, 130.0), (x + wide, tall, 130.0), (x + wide, 0, 130.0), (x, 0, 130.0)]
        _wall(surfaces, view, facade=facade, corners=corners, tone=0.85, flat=True)
        x += wide


def _wall(
    surfaces: Surfaces,
    view: View,
    *,
    facade: Facade,
    corners: list[tuple[float, float, float]],
    tone: float,
    flat: bool,
) -> None:
    """Warp a facade to the quad of its corners (top left, top right, bottom right, bottom left; metres)."""
    quad = view.project(np.asarray(corners, np.float32))
    (low_x, low_y), (high_x, high_y) = quad.min(axis=0).tolist(), quad.max(axis=0).tolist()
    x0, y0 = max(int(low_x), 0), max(int(low_y), 0)
    x1, y1 = min(int(high_x) + 1, view.width), min(int(high_y) + 1, view.height)
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    quad -= np.asarray([x0, y0], np.float32)
    h, w = facade.front.shape[:2]
    source = np.asarray([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, quad)
    size, part = (x1 - x0, y1 - y0), np.s_[y0:y1, x0:x1]
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, (quad * 16).round().astype(np.int32), 255, cv2.LINE_8, 4)
    front = cv2.convertScaleAbs(facade.front, alpha=tone)
    warped = cv2.warpPerspective(front, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    cv2.copyTo(warped, mask, surfaces.colour[part])
    if facade.lit is not None:
        warped = cv2.warpPerspective(facade.lit, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(warped, mask, surfaces.emission[part])
    along = np.full(size[0], corners[0][2], np.float32)
    if not flat:
        columns = np.arange(x0, x1, dtype=np.float32) + 0.5 - view.vanish_x
        along = np.clip(
            view.focal_px * corners[0][0] / np.where(np.abs(columns) < 1, 1, columns), 2.0, FARTHEST_M
        )
    np.copyto(surfaces.depth[part], along.astype(np.float32)[None], where=mask > 0)
