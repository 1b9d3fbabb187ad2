"""The disjoint worlds that streets are drawn from: each has its own sprites, tints, layouts and cameras.

A world owns every sixth of 24 narrow lanes of each drawing parameter (`World.pick`), shape families of its
own, a range of layout seeds and a camera model. So no value occurs in two worlds, while both span the
same range: their streets differ, and a flame stays a flame.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from synth.sensor import SensorModel

LANES = 24
_WORLDS = 6
_TURNS = LANES // _WORLDS
_SEEDS_PER_WORLD = 1_000_000_000


class WorldName(StrEnum):
    """What a world's images are for; no image of one world may be used for another purpose."""

    FOOTAGE = "footage"
    BASE = "base"
    HOLDOUT = "holdout"
    GENERATOR = "generator"
    BACKGROUND = "background"
    REFERENCE = "reference"


@dataclass(frozen=True)
class FlameShape:
    """Tongues across the fire's foot, how far they sway (fractions of the width), sharpness of the tips."""

    tongues: float
    sway: float
    tip: float


@dataclass(frozen=True)
class SmokeShape:
    """Width of the plume's foot and head (fractions), drift to the side, coarseness of its billows."""

    foot: float
    head: float
    drift: float
    billows: float


@dataclass(frozen=True)
class PotholeShape:
    """Raggedness of the rim, corners around it, and how much of the hole is gravel."""

    ragged: float
    corners: int
    gravel: float


@dataclass(frozen=True)
class LitterMix:
    """Relative frequency of bags, boxes, tyres, planks, papers in a pile."""

    bags: float
    boxes: float
    tyres: float
    planks: float
    papers: float


@dataclass(frozen=True)
class BodyShape:
    """A car's profile: bonnet and boot (fractions of the length), roof height (m), rake of the glass."""

    bonnet: float
    boot: float
    roof_m: float
    rake: float


@dataclass(frozen=True)
class FacadeStyle:
    """Bay width and floor height in metres, window width and height as fractions of the bay."""

    bay_m: float
    floor_m: float
    window_wide: float
    window_tall: float


@dataclass(frozen=True)
class World:
    """All identifiers of one world; `number` 0-5 selects its lanes and its layout seeds."""

    name: WorldName
    number: int
    tint: tuple[float, float, float]
    flame: FlameShape
    smoke: SmokeShape
    pothole: PotholeShape
    litter: LitterMix
    bodies: tuple[BodyShape, ...]
    facades: tuple[FacadeStyle, ...]
    sensor: SensorModel
    night_gain: float

    @property
    def layout_seeds(self) -> range:
        """The layout seeds that are this world's alone."""
        return range(self.number * _SEEDS_PER_WORLD, (self.number + 1) * _SEEDS_PER_WORLD)

    def pick(self, rng: np.random.Generator, low: float, high: float) -> float:
        """A value between `low` and `high` from this world's lanes."""
        turn = rng.random() * _TURNS
        lane = self.number + _WORLDS * int(turn)
        return low + (high - low) * (lane + turn % 1.0) / LANES

    def layout_rng(self, seed: int, *purpose: int) -> np.random.Generator:
        """Randomness of one layout of this world; any integer is folded into the world's seed range."""
        return np.random.default_rng([self.layout_seeds.start + seed % _SEEDS_PER_WORLD, *purpose])


def _world(number: int, name: WorldName, *, tint: tuple[float, float, float], sensor: SensorModel) -> World:
    """Shape families spread evenly over their range: world k takes the k-th of six steps."""
    step = number / 5.0
    bodies = tuple(
        BodyShape(bonnet + 0.03 * step, boot + 0.04 * step, roof + 0.12 * step, rake + 0.04 * step)
        for bonnet, boot, roof, rake in (
            (0.22, 0.02, 1.42, 0.10),
            (0.24, 0.16, 1.38, 0.12),
            (0.20, 0.0, 1.6, 0.07),
        )
    )
    facades = tuple(
        FacadeStyle(bay + 0.5 * step, floor + 0.25 * step, wide + 0.06 * step, tall + 0.05 * step)
        for bay, floor, wide, tall in ((2.6, 2.9, 0.42, 0.55), (3.4, 3.2, 0.62, 0.5), (2.2, 3.0, 0.5, 0.66))
    )
    return World(
        name=name,
        number=number,
        tint=tint,
        flame=FlameShape(3.0 + 0.45 * number, 0.25 + 0.05 * number, 0.75 + 0.07 * number),
        smoke=SmokeShape(0.26 + 0.04 * step, 0.7 + 0.16 * step, 0.2 + 0.2 * step, 1.0 + 0.22 * number),
        pothole=PotholeShape(0.22 + 0.04 * number, 18 + 3 * number, 0.3 + 0.1 * number),
        litter=LitterMix(4.0 + step, 2.5 - step, 0.5 + 0.3 * step, 0.8 + 0.2 * step, 1.5 + 0.5 * step),
        bodies=bodies,
        facades=facades,
        sensor=sensor,
        night_gain=2.0 + 0.15 * number,
    )


_TABLE = (
    (WorldName.FOOTAGE, (1.02, 1.00, 0.97), SensorModel(0.55, 3.0, 84)),
    (WorldName.BASE, (1.00, 1.00, 1.00), SensorModel(0.45, 2.6, 88)),
    (WorldName.HOLDOUT, (0.97, 1.01, 1.02), SensorModel(0.62, 3.3, 82)),
    (WorldName.GENERATOR, (1.01, 0.99, 1.00), SensorModel(0.30, 1.4, 94)),
    (WorldName.BACKGROUND, (0.98, 1.00, 1.01), SensorModel(0.50, 2.8, 86)),
    (WorldName.REFERENCE, (1.00, 1.02, 0.99), SensorModel(0.40, 2.3, 90)),
)
WORLDS: dict[WorldName, World] = {
    name: _world(number, name, tint=tint, sensor=sensor) for number, (name, tint, sensor) in enumerate(_TABLE)
}
