"""Where the hazards of an order are placed: planned boxes, the patches to inpaint and their masks.

A plan is a function of the order, the index of the scene, and the size and ground of its background; it
never reads pixels. Boxes are xyxy in pixels of the image, origin top left.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge.vision.conditions import size_bin
from messaging.hazard_classes import HazardClass, HazardPlace
from messaging.taxonomy import RegionBin, SizeBin
from synth.errors import OrderRefused
from synth.order import SynthesisOrder, WeightedGeometry
from synth.planning.patches import (
    MASK_GROWTH,
    SMALL_PATCHES,
    Box,
    Mask,
    PatchWindow,
    WindowRule,
    inpainting_mask,
    patch_window,
)

DEFAULT_HORIZON = 0.42
_TRIES = 60
_GROUND_TRIES = 45
_PLACES = (2, 3, 4)
_PLACE_PROBABILITIES = (0.55, 0.25, 0.20)
_CONTROLS = 2
_OFF_GROUND_PROBABILITY = 0.3
_ON_ROAD = frozenset({HazardPlace.ROAD, HazardPlace.VEHICLE})
_WALL_ABOVE_HORIZON, _WALL_BELOW_HORIZON = 0.25, 0.08  # fractions of the horizon, of the image's height
_LARGEST_SHIFT = 0.25
_SIZE_FRACTION = {
    SizeBin.TINY: (0.018, 0.038),
    SizeBin.SMALL: (0.042, 0.095),
    SizeBin.MEDIUM: (0.105, 0.235),
    SizeBin.LARGE: (0.26, 0.40),
}
_SMALL_ANYWHERE = (WeightedGeometry(size=SizeBin.SMALL, region=RegionBin.UNKNOWN, weight=1.0),)
_ROW = {"top": 0, "middle": 1, "left": 1, "right": 1, "bottom": 2}
_MIDDLE_COLUMN = {RegionBin.TOP, RegionBin.MIDDLE, RegionBin.BOTTOM}


@dataclass(frozen=True, eq=False)
class Ground:
    """Where hazards can be placed in an image.

    Attributes:
        horizon: distance of the horizon from the upper edge, as a fraction of the image's height.
        ground_mask: (h, w) bool, visible road and pavement; None where unknown.
        road_mask: (h, w) bool, visible road; None where unknown.
    """

    horizon: float = DEFAULT_HORIZON
    ground_mask: Mask | None = None
    road_mask: Mask | None = None


@dataclass(frozen=True)
class Place:
    """One place of a scene: planned box, the window around it, and the seed of everything generated there."""

    box: Box
    window: PatchWindow
    seed: int

    def mask(self, patch_px: int) -> Mask:
        """The pixels to inpaint, bool (patch_px, patch_px): the planned box grown by `MASK_GROWTH`."""
        return inpainting_mask(self.window.to_patch(self.box, patch_px), patch_px)

    def size(self, width: int, height: int) -> SizeBin:
        """Size bin of the planned box in an image of this size in pixels."""
        return size_bin(np.asarray(self.box, np.float32), width, height)


@dataclass(frozen=True)
class ScenePlan:
    """Places of one background, and how they are divided between two twin images.

    Every place is inpainted twice, with a hazard and empty. Image 0 shows hazards at the even places and
    empty patches at the odd ones, image 1 the reverse; so each image has hazard-free inpainted patches
    where its twin has a hazard. `controls` are further hazard-free patches that only pass the generator's
    encoder and decoder.
    """

    index: int
    places: tuple[Place, ...]
    controls: tuple[Place, ...]

    def hazards_of(self, twin: int) -> tuple[int, ...]:
        """Indices of the places that have a hazard in image 0 or 1."""
        return tuple(range(twin, len(self.places), 2))


def plan_scene(
    order: SynthesisOrder,
    index: int,
    *,
    width: int,
    height: int,
    ground: Ground,
    window: WindowRule = SMALL_PATCHES,
) -> ScenePlan:
    """Plan scene `index` of an order on a background of this size in pixels.

    `window` is the rule of the generator's patch size (`synth.planning.patches.window_rule`).

    When no place on the ground is found in the wanted region, the region is used without it, because the
    order's boxes were measured there. Raises `OrderRefused` when not one box of the wanted geometry fits.
    """
    rng = np.random.default_rng([order.seed, index, 1])
    wanted = int(rng.choice(_PLACES, p=_PLACE_PROBABILITIES))
    frame = _Frame(width, height, ground, window)
    places: list[Place] = []
    for _ in range(wanted):
        _add(places, [], order, frame, rng)
    if not places:
        raise OrderRefused(
            f"no box of {order.class_name} in the ordered geometry fits into {width}x{height} pixels; "
            "order smaller sizes or larger images"
        )
    controls: list[Place] = []
    smaller = order.model_copy(update={"geometry": _SMALL_ANYWHERE})
    for _ in range(_CONTROLS):
        if not _add(controls, places, order, frame, rng):
            _add(controls, places, smaller, frame, rng)
    return ScenePlan(index, tuple(places), tuple(controls))


@dataclass(frozen=True)
class _Frame:
    width: int
    height: int
    ground: Ground
    window: WindowRule

    @property
    def horizon(self) -> float:
        return self.ground.horizon

    @property
    def longer(self) -> int:
        return max(self.width, self.height)

    @property
    def shorter(self) -> int:
        return min(self.width, self.height)


def _add(
    places: list[Place], others: list[Place], order: SynthesisOrder, frame: _Frame, rng: np.random.Generator
) -> bool:
    """Append a place whose mask overlaps no other mask; False when none is found in `_TRIES` attempts."""
    for attempt in range(_TRIES):
        box = _draw_box(order, frame, rng)
        if attempt < _GROUND_TRIES and not _is_placed(box, order.hazard.place, frame.ground, rng):
            continue
        if not any(_touch(grown(box, 3 * MASK_GROWTH), p.box) for p in (*places, *others)):
            places.append(Place(box, _window(box, frame, rng), int(rng.integers(2**31 - 1))))
            return True
    return False


def _draw_box(order: SynthesisOrder, frame: _Frame, rng: np.random.Generator) -> Box:
    weights = np.asarray([g.weight for g in order.geometry])
    geometry = order.geometry[int(rng.choice(len(weights), p=weights / weights.sum()))]
    hazard = order.hazard
    aspect = float(np.exp(rng.uniform(*np.log(hazard.box.aspect))))
    centre_y = _centre_y(geometry, hazard, frame, rng)
    longer = _longer_side(geometry.size, hazard, frame, centre_y, rng)
    width, height = (longer, longer / aspect) if aspect >= 1 else (longer * aspect, longer)
    anywhere_of_its_size = geometry.region is RegionBin.UNKNOWN and geometry.size is not SizeBin.UNKNOWN
    if anywhere_of_its_size and hazard.place is not HazardPlace.WALL:
        centre_y = _lower_edge(longer, hazard, frame, rng) - height / 2
    column = _column(geometry.region)
    low, high = (0.06, 0.94) if column is None else (column / 3, (column + 1) / 3)
    centre_x = float(rng.uniform(low, high)) * frame.width
    return _settle(centre_x, centre_y, width, height, place=hazard.place, frame=frame)


def _centre_y(
    geometry: WeightedGeometry, hazard: HazardClass, frame: _Frame, rng: np.random.Generator
) -> float:
    row = _row(geometry.region)
    low, high = (frame.horizon, 0.95) if row is None else (row / 3, (row + 1) / 3)
    if row is None and hazard.place is HazardPlace.WALL:
        low, high = _WALL_ABOVE_HORIZON * frame.horizon, frame.horizon + _WALL_BELOW_HORIZON
    return float(rng.uniform(low, high)) * frame.height


def _longer_side(
    size: SizeBin, hazard: HazardClass, frame: _Frame, centre_y: float, rng: np.random.Generator
) -> float:
    """Longer side in pixels: within the bin, or growing linearly from the horizon down when it is unknown.

    On a wall the height in the image says nothing about the distance: any nearness is as likely.
    """
    if size is SizeBin.UNKNOWN:
        nearness = (centre_y / frame.height - frame.horizon) / (1 - frame.horizon)
        if hazard.place is HazardPlace.WALL:
            nearness = float(rng.uniform(0.2, 1.0))
        fraction = hazard.box.near_fraction * min(max(nearness, 0.12), 1.0) * float(rng.uniform(0.75, 1.25))
    else:
        low, high = _SIZE_FRACTION[size]
        fraction = float(np.exp(rng.uniform(math.log(low), math.log(high))))
    return min(max(fraction * frame.longer, 9.0), frame.shorter / 1.3)


def _lower_edge(longer: float, hazard: HazardClass, frame: _Frame, rng: np.random.Generator) -> float:
    """Where the lower edge (pixels) of a hazard of this size is on a flat road."""
    nearness = min(longer / frame.longer / hazard.box.near_fraction, 1.0) * float(rng.uniform(0.85, 1.15))
    return (frame.horizon + (1 - frame.horizon) * min(max(nearness, 0.08), 1.0)) * frame.height


def _settle(x: float, y: float, width: float, height: float, *, place: HazardPlace, frame: _Frame) -> Box:
    """Move a box into the image, its lower edge below the horizon: slightly above it may be what can be
    anywhere, at any height what is on a wall.
    """
    x = min(max(x, width / 2 + 2), frame.width - width / 2 - 2)
    y = min(y, frame.height - height / 2 - 2)
    highest_base = (frame.horizon + (-0.02 if place is HazardPlace.ANYWHERE else 0.05)) * frame.height
    y = max(y, height / 2 + 2, 0.0 if place is HazardPlace.WALL else highest_base - height / 2)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _is_placed(box: Box, place: HazardPlace, ground: Ground, rng: np.random.Generator) -> bool:
    """Whether three points along the foot of the box are on the class's surface; True where unknown.

    What is on a wall is on no ground, neither at its foot nor at its head.
    """
    surface = ground.road_mask if place in _ON_ROAD else ground.ground_mask
    off_ground = place is HazardPlace.ANYWHERE and rng.random() < _OFF_GROUND_PROBABILITY
    if surface is None or off_ground:
        return True
    columns = [int(box[0] + fraction * (box[2] - box[0])) for fraction in (0.25, 0.5, 0.75)]
    foot, head = (
        min(int(box[3] - fraction * (box[3] - box[1])), surface.shape[0] - 1) for fraction in (0.15, 0.85)
    )
    if place is HazardPlace.WALL:
        return not surface[[foot, head]][:, columns].any()
    return bool(surface[foot, columns].all())


def _window(box: Box, frame: _Frame, rng: np.random.Generator) -> PatchWindow:
    """The window around a box, by the rule of the generator's patch size."""
    shift = rng.uniform(-_LARGEST_SHIFT, _LARGEST_SHIFT, 2)
    longer = max(box[2] - box[0], box[3] - box[1])
    per_box = float(rng.uniform(*frame.window.per_box_of(longer)))
    return patch_window(
        box,
        frame.width,
        frame.height,
        per_box=per_box,
        shift=(float(shift[0]), float(shift[1])),
        min_side=frame.window.min_side_px,
    )


def grown(box: Box, fraction: float) -> Box:
    """The box with `fraction` of its longer side added at every edge."""
    pad = fraction * max(box[2] - box[0], box[3] - box[1])
    return (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad)


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _row(region: RegionBin) -> int | None:
    return None if region is RegionBin.UNKNOWN else _ROW[region.split("_")[0]]


def _column(region: RegionBin) -> int | None:
    if region is RegionBin.UNKNOWN:
        return None
    if region in _MIDDLE_COLUMN:
        return 1
    return 0 if region.endswith("left") else 2
