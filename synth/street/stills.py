"""Single images of drawn streets, and pairs of the same street with and without its hazards."""

from collections.abc import Sequence

import numpy as np

from messaging.taxonomy import Condition, Light
from synth.sensor import SensorModel
from synth.street.composer import Street
from synth.street.hazards import Hazard, expected_box, in_sight, overlap, place_hazard
from synth.street.paint import Canvas
from synth.street.values import DRAWN_CLASSES, DrawnBox, DrawnFrame, check_classes
from synth.street.weather import draw_weather, wet_lens
from synth.street.worlds import WORLDS, World, WorldName

_TRIES = 24
_STILL_LIFE_S = 60.0


def draw_still(
    *,
    world: WorldName,
    seed: int,
    condition: Condition,
    size: tuple[int, int] = (640, 360),
    classes: tuple[str, ...] = DRAWN_CLASSES,
    hazards: int | None = None,
    sensor: bool = True,
) -> DrawnFrame:
    """One image of a street; `hazards` is how many to place (None: 1 to 4; fewer if they do not fit).

    Raises `ConfigurationError` for a class that cannot be drawn or a frame under 64 pixels.
    """
    street, placed, time_s = _prepare(
        world, seed, condition=condition, size=size, classes=classes, hazards=hazards
    )
    return _finish(street, seed, time_s=time_s, hazards=placed, sensor=sensor)


def draw_pair(
    *,
    world: WorldName,
    seed: int,
    condition: Condition,
    size: tuple[int, int] = (640, 360),
    classes: tuple[str, ...] = DRAWN_CLASSES,
    hazards: int | None = None,
    sensor: bool = True,
) -> tuple[DrawnFrame, DrawnFrame]:
    """The image of `draw_still`, and the same street, weather and noise without its hazards."""
    street, placed, time_s = _prepare(
        world, seed, condition=condition, size=size, classes=classes, hazards=hazards
    )
    return _finish(street, seed, time_s=time_s, hazards=placed, sensor=sensor), _finish(
        street, seed, time_s=time_s, hazards=(), sensor=sensor
    )


def _prepare(
    world: WorldName,
    seed: int,
    *,
    condition: Condition,
    size: tuple[int, int],
    classes: tuple[str, ...],
    hazards: int | None,
) -> tuple[Street, tuple[Hazard, ...], float]:
    check_classes(tuple(classes))
    street = Street(WORLDS[world], seed, condition, size)
    rng = street.world.layout_rng(seed, 2)
    count = int(rng.integers(1, 5)) if hazards is None else hazards
    time_s = float(rng.uniform(0, 20))
    placed: list[Hazard] = []
    moving = street.in_the_way(time_s)
    for track in range(count):
        name = classes[int(rng.integers(len(classes)))]
        when = (time_s - float(rng.uniform(0.5, 6)), _STILL_LIFE_S)
        hazard = find_place(street, name, track=track, placed=placed, rng=rng, when=when, avoid=moving)
        if hazard is not None:
            placed.append(hazard)
    return street, tuple(placed), time_s


def find_place(
    street: Street,
    class_name: str,
    *,
    track: int,
    placed: list[Hazard],
    rng: np.random.Generator,
    when: tuple[float, float],
    avoid: Sequence[tuple[float, float, float, float]] = (),
) -> Hazard | None:
    """A hazard in sight, apart from those placed and from `avoid` (pixels); None when no place is free."""
    for _ in range(_TRIES):
        hazard = place_hazard(class_name, street.setting, track=track, rng=rng, when=when)
        box = expected_box(hazard, street.view)
        taken = [expected_box(other, street.view) for other in placed]
        if any(overlap(box, t) > 0.2 for t in taken) or any(overlap(box, a) > 0.35 for a in avoid):
            continue
        if in_sight(hazard, street.view, depth=street.static.depth):
            return hazard
    return None


def _finish(
    street: Street, seed: int, *, time_s: float, hazards: tuple[Hazard, ...], sensor: bool
) -> DrawnFrame:
    canvas, boxes = street.compose(time_s, hazards)
    return finish_frame(
        street,
        canvas,
        boxes=boxes,
        rng=street.world.layout_rng(seed, 3),
        index=0,
        time_s=time_s,
        sensor=sensor,
    )


def finish_frame(
    street: Street,
    canvas: Canvas,
    *,
    boxes: tuple[DrawnBox, ...],
    rng: np.random.Generator,
    index: int,
    time_s: float,
    sensor: bool,
) -> DrawnFrame:
    """Falling weather, drops on the lens, then the camera: a composed moment becomes a frame."""
    draw_weather(canvas.image, street.condition, lighting=street.lighting, rng=rng)
    if street.condition.weather == "rain":
        wet_lens(canvas.image, rng)
    image = np.clip(canvas.image, 0, 255).astype(np.uint8)
    if sensor:
        image = sensor_of(street.world, street.condition).apply(image, rng)
    return DrawnFrame(image, boxes, street.condition, index, time_s)


def sensor_of(world: World, condition: Condition) -> SensorModel:
    """The world's camera, with more gain in the dark."""
    gain = {Light.NIGHT: world.night_gain, Light.DUSK: 1.0 + world.night_gain * 0.2}.get(condition.light, 1.0)
    model = world.sensor
    return SensorModel(model.blur_px, model.noise_sigma, model.jpeg_quality, gain)
