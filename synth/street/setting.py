"""Where a street is drawn: world, camera, road and condition, chosen once and used by all drawing code."""

from dataclasses import dataclass

import numpy as np

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition
from synth.street.view import View
from synth.street.worlds import World


@dataclass(frozen=True)
class Road:
    """Edges in metres: kerbs and facades left and right of the camera's axis, and lanes' middles."""

    kerb_left: float
    kerb_right: float
    wall_left: float
    wall_right: float

    @property
    def middle(self) -> float:
        """X of the line between the directions."""
        return (self.kerb_left + self.kerb_right) / 2

    @property
    def lane_out(self) -> float:
        """X of the lane that leads away from the camera (traffic keeps right)."""
        return self.middle + (self.kerb_right - self.middle) * 0.36

    @property
    def lane_in(self) -> float:
        """X of the lane that leads towards the camera."""
        return self.middle + (self.kerb_left - self.middle) * 0.36


@dataclass(frozen=True)
class Setting:
    """One street: the world it belongs to, the camera's view of it, its road, its light and weather."""

    world: World
    view: View
    road: Road
    condition: Condition

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.view.width, self.view.height


def make_setting(
    world: World, condition: Condition, *, size: tuple[int, int], rng: np.random.Generator
) -> Setting:
    """A random street of this world; raises `ConfigurationError` for a frame under 64 pixels."""
    view = _make_view(world, size, rng=rng)
    return Setting(world, view, _make_road(world, rng), condition)


def _make_view(world: World, size: tuple[int, int], *, rng: np.random.Generator) -> View:
    """A city camera 4.5-7.5 m up directed along the street and slightly down."""
    width, height = size
    if width < 64 or height < 64:
        raise ConfigurationError(f"a drawn frame must be at least 64x64 pixels; got {width}x{height}")
    return View(
        width,
        height,
        horizon_y=height * world.pick(rng, 0.16, 0.34),
        vanish_x=width * world.pick(rng, 0.34, 0.66),
        focal_px=width * world.pick(rng, 0.82, 1.1),
        mounted_m=world.pick(rng, 4.6, 7.2),
    )


def _make_road(world: World, rng: np.random.Generator) -> Road:
    """A road 8-12 m wide with pavements of 2.5-4.5 m, anywhere under the camera."""
    half, middle = world.pick(rng, 4.4, 6.2), world.pick(rng, -3.0, 3.0)
    left, right = world.pick(rng, 2.5, 4.5), world.pick(rng, 2.5, 4.5)
    return Road(middle - half, middle + half, middle - half - left, middle + half + right)
