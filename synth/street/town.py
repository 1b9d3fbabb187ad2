"""Sky and buildings: facades with windows, doors, shops and awnings, warped into the street's perspective."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Light, SceneCondition, Weather
from synth.street.ground import Road
from synth.street.texture import fractal_noise
from synth.street.view import FARTHEST_M, View
from synth.street.worlds import FacadeStyle, World

Plane = NDArray[np.float32]
_PX_PER_M = 11.0


@dataclass(frozen=True, eq=False)
class Facade:
    """A flat front, uint8 (h, w, 3), and the light that its windows give off, same shape."""

    front: NDArray[np.uint8]
    lit: NDArray[np.uint8]


_SKY = {
    Light.DAY: ((225, 185, 140), (240, 225, 210)),
    Light.DUSK: ((110, 75, 80), (120, 150, 215)),
    Light.NIGHT: ((26, 18, 16), (48, 38, 36)),
}


def paint_sky(image: Plane, view: View, scene: SceneCondition, world: World, rng: np.random.Generator) -> None:
    """Gradient and clouds above the horizon; grey in bad weather. These levels are final, not shaded."""
    tall = max(int(view.horizon_y) + 2, 2)
    zenith, rim = (np.asarray(c, np.float32) for c in _SKY.get(scene.light, _SKY[Light.DAY]))
    if scene.weather is not Weather.CLEAR:
        grey = 0.82 * float(rim.mean()) * np.asarray((1.03, 1.0, 0.98), np.float32)
        zenith, rim = grey * 0.92, grey
    blend = np.linspace(0, 1, tall, dtype=np.float32)[:, None, None]
    sky = zenith * (1 - blend) + rim * blend
    left, top = int(rng.integers(256)), int(rng.integers(100))
    noise = np.roll(fractal_noise(300 + world.number), (top, left), axis=(0, 1))
    cloud = cv2.resize(noise[:110], (view.width, tall), interpolation=cv2.INTER_LINEAR)
    cover = np.clip((cloud - world.pick(rng, 0.35, 0.7)) * 2.2, 0, 0.85)[..., None]
    white = np.minimum(rim * 1.12 + 8, 250)
    image[:tall] = (sky + cover * (white - sky))[: image.shape[0]]


def _hsv(h: float, s: float, v: float) -> tuple[float, float, float]:
    b, g, r = cv2.cvtColor(np.array([[(h, s, v)]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return float(b), float(g), float(r)


def make_facade(
    world: World, style: FacadeStyle, size_m: tuple[float, float], lit_share: float, rng: np.random.Generator
) -> Facade:
    """A front of this width and height in metres with a ground floor of shops or doors."""
    bays, floors = max(int(size_m[0] / style.bay_m), 1), max(int(size_m[1] / style.floor_m), 2)
    wide, tall = int(style.bay_m * _PX_PER_M), int(style.floor_m * _PX_PER_M)
    warm = rng.random() < 0.75
    hue = world.pick(rng, 4, 28) if warm else world.pick(rng, 95, 125)
    wall = _hsv(hue, world.pick(rng, 10, 105), world.pick(rng, 105, 215))
    tile, pane = _bay(world, style, (wide, tall), wall, rng)
    upper = np.tile(tile, (floors - 1, bays, 1))
    glass = np.tile(pane, (floors - 1, bays))
    on = (rng.random((floors - 1, bays)) < lit_share) * rng.uniform(0.35, 1.0, (floors - 1, bays))
    dim = np.kron(rng.uniform(0.75, 1.2, (floors - 1, bays)), np.ones((tall, wide))).astype(np.float32)
    upper = np.where(glass[..., None] > 0, np.clip(upper * dim[..., None], 0, 255), upper)
    light = np.kron(on, np.ones((tall, wide)))[..., None] * (glass[..., None] > 0)
    tone = np.asarray(_hsv(world.pick(rng, 14, 24), world.pick(rng, 60, 130), 225))
    ground, shop = _ground_floor(world, (wide * bays, tall), wall, lit_share, rng)
    front = np.concatenate([upper, ground]).astype(np.uint8)
    glow = np.concatenate([np.asarray(light * tone, np.float32), shop]).astype(np.uint8)
    return Facade(front, glow)


def _bay(
    world: World, style: FacadeStyle, size: tuple[int, int], wall: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One window in its wall, and the mask of the glass."""
    wide, tall = size
    tile = np.empty((tall, wide, 3), np.float32)
    tile[:] = wall
    if rng.random() < 0.5:
        tile[:: max(int(world.pick(rng, 3, 6)), 2)] *= 0.93
    w, h = int(wide * style.window_wide), int(tall * style.window_tall)
    x, y = (wide - w) // 2, int((tall - h) * 0.42)
    frame = tuple(min(c * 1.18 + 10, 250) for c in wall)
    cv2.rectangle(tile, (x - 1, y - 1), (x + w, y + h), frame, -1)
    mask = np.zeros((tall, wide), np.uint8)
    cv2.rectangle(mask, (x, y), (x + w - 1, y + h - 1), 255, -1)
    tile[mask > 0] = _hsv(world.pick(rng, 95, 120), world.pick(rng, 20, 80), world.pick(rng, 45, 110))
    if rng.random() < 0.7:
        cv2.line(tile, (x + w // 2, y), (x + w // 2, y + h - 1), frame, 1)
        mask[:, x + w // 2] = 0
    cv2.line(tile, (x - 2, y + h), (x + w + 1, y + h), tuple(c * 0.6 for c in wall), 1)
    if rng.random() < 0.3:
        cv2.rectangle(tile, (x - 3, y + h - h // 3), (x + w + 2, y + h), tuple(c * 0.5 for c in wall), 1)
    return tile, mask


def _ground_floor(
    world: World, size: tuple[int, int], wall: tuple[float, float, float], lit: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shops with glass and awnings (red and orange ones too: they are no fires), or doors."""
    wide, tall = size
    band = np.empty((tall, wide, 3), np.float32)
    band[:] = [c * 0.8 for c in wall]
    light = np.zeros((tall, wide, 3), np.float32)
    x = 3
    while x < wide - 14:
        span = min(int(world.pick(rng, 2.2, 5.5) * _PX_PER_M), wide - x - 3)
        if rng.random() < 0.6 and span > 16:
            glass = _hsv(world.pick(rng, 90, 120), world.pick(rng, 10, 60), world.pick(rng, 50, 120))
            cv2.rectangle(band, (x, tall // 4), (x + span - 4, tall - 4), glass, -1)
            if rng.random() < lit * 1.6:
                tone = _hsv(world.pick(rng, 12, 30), world.pick(rng, 20, 110), world.pick(rng, 150, 235))
                cv2.rectangle(light, (x, tall // 4), (x + span - 4, tall - 4), tone, -1)
            awning = _hsv(world.pick(rng, 0, 179), world.pick(rng, 120, 220), world.pick(rng, 110, 215))
            if rng.random() < 0.35:
                awning = _hsv(world.pick(rng, 0, 14), world.pick(rng, 180, 230), world.pick(rng, 150, 220))
            cv2.rectangle(band, (x - 1, tall // 8), (x + span - 3, tall // 3), awning, -1)
            for stripe in range(x, x + span - 6, 8 if rng.random() < 0.5 else 999):
                cv2.rectangle(band, (stripe, tall // 8), (stripe + 3, tall // 3), (225, 225, 225), -1)
        else:
            door = _hsv(world.pick(rng, 0, 179), world.pick(rng, 40, 160), world.pick(rng, 40, 120))
            cv2.rectangle(band, (x + 4, tall // 4), (x + 4 + min(11, span), tall - 1), door, -1)
        x += span + 3
    return band, light


def paint_buildings(
    image: Plane, emission: Plane, depth: Plane, view: View, road: Road, world: World, scene: SceneCondition,
    rng: np.random.Generator,
) -> None:
    """A skyline at the end of the street and rows of houses on both sides, farthest first."""
    lit = {Light.NIGHT: 0.32, Light.DUSK: 0.25}.get(scene.light, 0.0)
    houses: list[tuple[float, float, float, float]] = []
    for wall in (road.wall_left, road.wall_right):
        z = world.pick(rng, -6, 3)
        while z < 105:
            length = world.pick(rng, 9, 22)
            if rng.random() > 0.13:
                houses.append((z, z + length, wall, world.pick(rng, 7, 24)))
            z += length + (world.pick(rng, 0.5, 7) if rng.random() < 0.3 else 0)
    _skyline(image, emission, depth, view, world, lit, rng)
    for z0, z1, wall, tall in sorted(houses, reverse=True):
        style = world.facades[int(rng.integers(len(world.facades)))]
        facade = make_facade(world, style, (z1 - z0, tall), lit, rng)
        outward = wall + np.sign(wall - road.middle) * 11
        if z0 > 4:
            corners = [(wall, tall, z0), (outward, tall, z0), (outward, 0, z0), (wall, 0, z0)]
            _wall(image, emission, depth, view, facade, corners, 0.74, flat=True)
        if z1 > 4:
            near = max(z0, 2.6)
            cut = (near - z0) / (z1 - z0)
            side = Facade(_from(facade.front, cut), _from(facade.lit, cut))
            corners = [(wall, tall, near), (wall, tall, z1), (wall, 0, z1), (wall, 0, near)]
            _wall(image, emission, depth, view, side, corners, 1.0 if wall > 0 else 0.88, flat=False)


def _from(plane: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return plane[:, min(int(plane.shape[1] * share), plane.shape[1] - 2) :]


def _skyline(
    image: Plane, emission: Plane, depth: Plane, view: View, world: World, lit: float, rng: np.random.Generator
) -> None:
    x = -90.0
    while x < 90:
        wide, tall = world.pick(rng, 9, 20), world.pick(rng, 8, 34)
        style = world.facades[int(rng.integers(len(world.facades)))]
        left, top = view.point(x, tall, 130.0)
        if -60 < left < view.width + 60 and top < view.horizon_y:
            facade = make_facade(world, style, (wide, tall), lit, rng)
            corners = [(x, tall, 130.0), (x + wide, tall, 130.0), (x + wide, 0, 130.0), (x, 0, 130.0)]
            _wall(image, emission, depth, view, facade, corners, 0.85, flat=True)
        x += wide


def _wall(
    image: Plane, emission: Plane, depth: Plane, view: View, facade: Facade,
    corners: list[tuple[float, float, float]], tone: float, *, flat: bool,
) -> None:
    """Warp a facade to the quad of its corners (top left, top right, bottom right, bottom left; metres)."""
    quad = view.project(np.asarray(corners, np.float32))
    x0, y0 = (max(int(np.floor(v)), 0) for v in quad.min(axis=0))
    x1, y1 = min(int(quad[:, 0].max()) + 1, view.width), min(int(quad[:, 1].max()) + 1, view.height)
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    front, lit = facade.front, facade.lit
    shrink = view.pixels_per_m(corners[0][2]) / _PX_PER_M
    if shrink < 0.8:
        small = (max(int(front.shape[1] * shrink), 2), max(int(front.shape[0] * shrink), 2))
        front, lit = (np.asarray(cv2.resize(p, small, interpolation=cv2.INTER_AREA), np.uint8) for p in (front, lit))
    h, w = front.shape[:2]
    source = np.asarray([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, quad - np.asarray([x0, y0], np.float32))
    size = (x1 - x0, y1 - y0)
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [((quad - np.asarray([x0, y0], np.float32)) * 16).round().astype(np.int32)], 255, 8, 4)
    inside = mask > 0
    rows, cols = slice(y0, y1), slice(x0, x1)
    warp = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    image[rows, cols][inside] = cv2.warpPerspective(front, matrix, size, **warp)[inside] * np.float32(tone)
    emission[rows, cols][inside] = cv2.warpPerspective(lit, matrix, size, **warp)[inside]
    if flat:
        depth[rows, cols][inside] = corners[0][2]
        return
    columns = np.arange(x0, x1, dtype=np.float32) + 0.5 - view.vanish_x
    columns = np.where(np.abs(columns) < 1, 1, columns)
    along = np.clip(view.focal_px * corners[0][0] / columns, 2.0, FARTHEST_M)
    depth[rows, cols][inside] = np.broadcast_to(along, (size[1], size[0]))[inside]
