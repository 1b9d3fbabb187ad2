"""One street: its static layers drawn once, then any moment of it with any hazards, boxes included.

The same street composed with and without hazards differs only where a hazard, its light or its reflection
falls. Sensor and falling weather are not applied here.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Condition, Light, Weather
from synth.street.ground import paint_ground
from synth.street.hazards import Hazard, HazardSprites, hazard_sprites
from synth.street.lighting import Lamp, Lighting, light_scene
from synth.street.objects.furniture import draw_lamp, furnish, place_lamps
from synth.street.objects.people import draw_person, upright
from synth.street.objects.vehicles import Vehicle, draw_vehicle, lamp_points, vehicle_box
from synth.street.paint import Canvas, Sprite
from synth.street.setting import make_setting
from synth.street.texture import scalar, thrice
from synth.street.town import Surfaces, paint_buildings, paint_sky
from synth.street.traffic import Traffic, make_traffic, park
from synth.street.values import DrawnBox
from synth.street.view import FARTHEST_M
from synth.street.worlds import World

_LEAST_VISIBLE = 0.3
_LEAST_SIDE_PX = 5


@dataclass(frozen=True, eq=False)
class _Entry:
    """Something to paint at a depth: a sprite, and the vehicle or hazard it belongs to."""

    sprite: Sprite
    vehicle: tuple[Vehicle, float, float] | None = None
    hazard: Hazard | None = None
    parts: HazardSprites | None = None


class Street:
    """A layout of a world under one condition. Drawing its static layers takes most of the time."""

    def __init__(self, world: World, seed: int, condition: Condition, size: tuple[int, int]) -> None:
        self.world, self.condition = world, condition
        rng = world.layout_rng(seed, 1)
        self.setting = make_setting(world, condition, size=size, rng=rng)
        self.view = self.setting.view
        lamps = place_lamps(world, self.setting.road, rng=rng)
        self.lighting: Lighting = light_scene(condition, world, lamps=lamps, rng=rng)
        self.traffic: Traffic = make_traffic(self.setting, rng)
        self._nearest_m = max(3.0, 0.75 * self.view.ground_starts_m)
        self._night = condition.light in (Light.NIGHT, Light.DUSK)
        self._still: dict[Hazard, HazardSprites | None] = {}
        self._wet: NDArray[np.float32] = np.zeros((size[1], size[0]), np.float32)
        self.static = self._draw_static(rng, lamps)

    def _draw_static(self, rng: np.random.Generator, lamps: tuple[Lamp, ...]) -> Canvas:
        colour = np.zeros((self.view.height, self.view.width, 3), np.uint8)
        depth, self._wet = paint_ground(colour, self.setting, rng=rng)
        surfaces = Surfaces(colour, np.zeros_like(colour), depth)
        sky = paint_sky(self.setting, rng)
        paint_buildings(surfaces, self.setting, rng=rng)
        image = self._light_up(surfaces)
        open_sky = depth[: len(sky)] > FARTHEST_M
        np.copyto(image[: len(sky)], sky, where=open_sky[..., None])
        canvas = Canvas(image, depth)
        self._paint_furniture(canvas, lamps, rng=rng)
        if self.condition.weather is Weather.RAIN:
            self._reflect(canvas)
        return canvas

    def _light_up(self, surfaces: Surfaces) -> NDArray[np.float32]:
        """Shade the painted surfaces by ambient and lamp light (at quarter resolution), then haze them."""
        lighting, view, depth = self.lighting, self.view, surfaces.depth
        lit = np.full((1, 1, 3), lighting.ambient, np.float32)
        if lighting.lamps:
            z = depth[::4, ::4]
            x = (np.arange(0, view.width, 4, dtype=np.float32)[None] - view.vanish_x) * z / view.focal_px
            rows = np.arange(0, view.height, 4, dtype=np.float32)[:, None]
            y = view.mounted_m - (rows - view.horizon_y) * z / view.focal_px
            lit = lighting.shade_map(x, np.minimum(y, 5.0), z)
        light = cv2.resize(lit, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
        image = cv2.multiply(surfaces.colour, light, dtype=cv2.CV_32F)
        if lighting.lamps:
            image = cv2.scaleAdd(surfaces.emission.astype(np.float32), 0.85, image)
        clear = thrice(np.exp(depth * np.float32(-lighting.haze_per_m)))
        image = cv2.multiply(cv2.subtract(image, scalar(lighting.haze_colour)), clear)
        return np.asarray(cv2.add(image, scalar(lighting.haze_colour)), np.float32)

    def _paint_furniture(self, canvas: Canvas, lamps: tuple[Lamp, ...], *, rng: np.random.Generator) -> None:
        entries = [_Entry(s) for s in furnish(self.setting, rng)]
        burning = bool(self.lighting.lamps)
        for lamp in lamps:
            sprite = draw_lamp(lamp, self.setting, burning=burning)
            if sprite is not None:
                entries.append(_Entry(sprite))
        for vehicle, x, z in park(self.setting, rng):
            sprite = draw_vehicle(vehicle, self.view, x=x, z=z, lights=False)
            if sprite is not None:
                entries.append(_Entry(sprite, vehicle=(vehicle, x, z)))
        self._paint_all(canvas, entries, parked=True)
        for lamp in self.lighting.lamps:
            self._lamp_halo(canvas, lamp)

    def _lamp_halo(self, canvas: Canvas, lamp: Lamp) -> None:
        if lamp.power <= 0:
            return
        per_m, at = self.view.pixels_per_m(lamp.z), self.view.point(lamp.x, lamp.y, lamp.z)
        clear, _ = self.lighting.haze(lamp.z)
        reach = per_m * (1.1 + 2.2 * (1 - clear) + (0.8 if self.condition.weather is Weather.FOG else 0))
        tone = (lamp.colour[0] * 255, lamp.colour[1] * 255, lamp.colour[2] * 255)
        canvas.halo(at, (reach, reach), colour=tone, strength=0.75 * lamp.power * max(clear, 0.35))
        canvas.halo(at, (reach * 0.25, reach * 0.25), colour=(255, 255, 255), strength=0.8 * lamp.power)
        if self.condition.weather is Weather.RAIN:
            base = self.view.point(lamp.x, 0, lamp.z)
            canvas.halo(
                (base[0], base[1] + per_m), (per_m * 0.4, per_m * 2.6), colour=tone, strength=0.3 * lamp.power
            )

    def _reflect(self, canvas: Canvas) -> None:
        """Wet ground mirrors, blurred, what is above the horizon."""
        view, horizon = self.view, int(self.view.horizon_y)
        tall = view.height - horizon
        mirrored = cv2.resize(
            canvas.image[: horizon + 1][::-1], (view.width, tall), interpolation=cv2.INTER_LINEAR
        )
        mirrored = cv2.blur(mirrored, (5, 31))
        ground = canvas.image[horizon:]
        ground += thrice(self._wet[horizon:] * 0.42) * (mirrored - ground)

    def in_the_way(self, time_s: float) -> list[tuple[float, float, float, float]]:
        """Boxes (pixels) of the moving vehicles at this moment."""
        boxes = []
        for driver in self.traffic.drivers:
            z = driver.depth_at(time_s)
            if self._nearest_m < z < 60:
                boxes.append(vehicle_box(driver.vehicle, self.view, x=driver.x, z=z))
        return boxes

    def compose(self, time_s: float, hazards: tuple[Hazard, ...]) -> tuple[Canvas, tuple[DrawnBox, ...]]:
        """The street at a moment with these hazards: image, depth, and a box for each visible hazard."""
        canvas = self.static.copy()
        entries = [*self._moving(time_s), *self._hazard_entries(hazards, time_s)]
        self._paint_all(canvas, entries, parked=False)
        boxes = [self._box(e, canvas.depth) for e in entries if e.hazard is not None]
        return canvas, tuple(b for b in boxes if b is not None)

    def _moving(self, time_s: float) -> list[_Entry]:
        entries: list[_Entry] = []
        for driver in self.traffic.drivers:
            z = driver.depth_at(time_s)
            if self._nearest_m < z < 110:
                sprite = draw_vehicle(driver.vehicle, self.view, x=driver.x, z=z, lights=self._night)
                if sprite is not None:
                    entries.append(_Entry(sprite, vehicle=(driver.vehicle, driver.x, z)))
        for walker in self.traffic.walkers:
            z = walker.depth_at(time_s)
            joints = upright(
                walker.person, gait=walker.gait_at(time_s), heading=walker.heading, sitting=walker.sitting
            )
            sprite = draw_person(walker.person, joints, view=self.view, x=walker.x, z=z)
            if sprite is not None:
                entries.append(_Entry(sprite))
        return entries

    def _hazard_entries(self, hazards: tuple[Hazard, ...], time_s: float) -> list[_Entry]:
        entries = []
        for hazard in hazards:
            parts = self._parts(hazard, time_s)
            if parts is not None:
                entries.append(_Entry(parts.main, hazard=hazard, parts=parts))
        return entries

    def _parts(self, hazard: Hazard, time_s: float) -> HazardSprites | None:
        """Sprites of a hazard; those that do not move are drawn once."""
        if hazard.class_name not in ("pothole", "garbage"):
            return hazard_sprites(hazard, self.setting, time_s=time_s)
        if hazard not in self._still:
            self._still = {h: p for h, p in self._still.items() if h.alive(time_s)}
            self._still[hazard] = hazard_sprites(hazard, self.setting, time_s=time_s)
        return self._still[hazard]

    def _paint_all(self, canvas: Canvas, entries: list[_Entry], *, parked: bool) -> None:
        for entry in sorted(entries, key=lambda e: -e.sprite.z):
            sprite = entry.sprite
            shade, haze = self.lighting.shade(sprite.x, sprite.z), self.lighting.haze(sprite.z)
            self._shadow(canvas, entry, clear=haze[0])
            if entry.parts is not None and entry.parts.under is not None:
                canvas.paint(entry.parts.under, shade, haze=haze)
            if entry.hazard is not None and entry.hazard.class_name == "fire":
                self._firelight(canvas, entry.hazard)
            if entry.hazard is not None and entry.hazard.class_name == "smoke":
                shade = np.maximum(shade, 0.4)
            canvas.paint(sprite, shade, haze=haze)
            if entry.vehicle is not None and self._night and not parked:
                self._headlights(canvas, entry.vehicle)

    def _shadow(self, canvas: Canvas, entry: _Entry, *, clear: float) -> None:
        """A soft contact shadow under an object on the ground."""
        view = self.view
        amount = (0.5 if self.lighting.darkness < 0.3 else 0.35) * clear
        if entry.vehicle is not None:
            vehicle, x, z = entry.vehicle
            per_m, depth = view.pixels_per_m(z), z + vehicle.length_m * 0.4
            _, near = view.point(x, 0, z - 0.4)
            at = view.point(x, 0, depth)
            radii = (vehicle.width_m * 0.85 * per_m, max(near - at[1], 2.0) * 1.15)
            canvas.darken(at, radii, amount=amount)
        elif entry.hazard is not None and entry.hazard.class_name in ("garbage", "fallen_person"):
            per_m = view.pixels_per_m(entry.hazard.z)
            at = view.point(entry.hazard.x, 0, entry.hazard.z)
            wide = 0.6 * entry.hazard.size_m[0] * per_m
            canvas.darken(at, (wide, wide * 0.45), amount=amount * 0.7)

    def _firelight(self, canvas: Canvas, hazard: Hazard) -> None:
        """Fire lights its surroundings: strongly in the dark, hardly by day."""
        per_m = self.view.pixels_per_m(hazard.z)
        at = self.view.point(hazard.x, hazard.y * 0.5, hazard.z)
        reach = per_m * (2.0 + 1.6 * hazard.size_m[1])
        lift = 3.4 * self.lighting.darkness**2 * self.lighting.haze(hazard.z)[0]
        canvas.glow(at, (reach * 1.25, reach * 0.8), colour=(60, 140, 255), lift=lift)
        if self.condition.weather is Weather.RAIN:
            base = self.view.point(hazard.x, 0, hazard.z)
            tall = per_m * hazard.size_m[1]
            canvas.halo(
                (base[0], base[1] + tall * 0.5),
                (per_m * hazard.size_m[0] * 0.5, tall * 0.8),
                colour=(40, 120, 255),
                strength=0.22,
            )

    def _headlights(self, canvas: Canvas, driven: tuple[Vehicle, float, float]) -> None:
        vehicle, x, z = driven
        per_m = self.view.pixels_per_m(z)
        tone = (40.0, 50.0, 255.0) if vehicle.away else (235.0, 245.0, 255.0)
        reach = per_m * (0.5 if vehicle.away else 0.95)
        for at in lamp_points(vehicle, self.view, x=x, z=z):
            middle = (float(at[0]), float(at[1]))
            canvas.halo(middle, (reach, reach), colour=tone, strength=0.5 if vehicle.away else 0.85)
            if self.condition.weather is Weather.RAIN:
                canvas.halo(
                    (middle[0], middle[1] + per_m * 1.4),
                    (per_m * 0.25, per_m * 1.5),
                    colour=tone,
                    strength=0.35,
                )
        ahead = z - 4.0 if not vehicle.away else z + vehicle.length_m + 5.0
        if ahead > 3.5:
            pool, far = self.view.point(x, 0, ahead), self.view.pixels_per_m(ahead)
            radii = (2.4 * far, 5.0 * far * self.view.mounted_m / ahead)
            canvas.glow(pool, radii, colour=(235, 245, 255), lift=1.6 * self.lighting.darkness)

    def _box(self, entry: _Entry, depth: NDArray[np.float32]) -> DrawnBox | None:
        """The tight box of the visible part, None when less than 30 % can be seen."""
        hazard, parts, sprite = entry.hazard, entry.parts, entry.sprite
        if hazard is None or parts is None:
            return None
        mask = sprite.alpha > parts.edge
        height, width = mask.shape
        seen = mask & (depth[sprite.top : sprite.top + height, sprite.left : sprite.left + width] >= sprite.z)
        visible = float(seen.sum()) / max(float(mask.sum()), 1.0)
        if visible < _LEAST_VISIBLE:
            return None
        rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        left, top = sprite.left + int(cols[0]), sprite.top + int(rows[0])
        right, bottom = sprite.left + int(cols[-1]) + 1, sprite.top + int(rows[-1]) + 1
        if min(right - left, bottom - top) < _LEAST_SIDE_PX:
            return None
        return DrawnBox(
            hazard.class_name, (float(left), float(top), float(right), float(bottom)), hazard.track
        )
