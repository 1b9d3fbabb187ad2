"""Single drawn images: exact labels, honest pairs, every class under every condition."""

import numpy as np
import pytest
from numpy.typing import NDArray

from messaging.errors import ConfigurationError
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, Weather
from synth.street import DRAWN_CLASSES, DrawnBox, DrawnFrame, WorldName, draw_pair, draw_still

DAY = Condition(Light.DAY, Weather.CLEAR)
SMALL = (320, 180)
Box = tuple[float, float, float, float]


def iou(a: Box, b: Box) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    tall = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * tall
    return wide * tall / union


def difference(pair: tuple[DrawnFrame, DrawnFrame]) -> NDArray[np.int64]:
    return np.abs(pair[0].image.astype(np.int64) - pair[1].image).max(axis=2)


def changed_box(pair: tuple[DrawnFrame, DrawnFrame], least: int) -> Box:
    rows, cols = np.nonzero(difference(pair) > least)
    return float(cols.min()), float(rows.min()), float(cols.max() + 1), float(rows.max() + 1)


def lone_pairs(class_name: str, count: int) -> list[tuple[DrawnFrame, DrawnFrame]]:
    pairs = (
        draw_pair(world=WorldName.BASE, seed=s, condition=DAY, classes=(class_name,), hazards=1, sensor=False)
        for s in range(count)
    )
    return [p for p in pairs if p[0].boxes]


def test_every_drawn_class_is_in_the_default_taxonomy() -> None:
    assert set(DRAWN_CLASSES) <= set(DEFAULT_TAXONOMY.names)


@pytest.mark.parametrize("class_name", ["fire", "pothole", "garbage", "fallen_person"])
def test_boxes_are_tight_against_the_difference_of_the_pair(class_name: str) -> None:
    pairs = lone_pairs(class_name, 6)
    overlaps = [max(iou(changed_box(p, least), p[0].boxes[0].xyxy) for least in (15, 25)) for p in pairs]
    assert len(pairs) >= 5
    assert min(overlaps) >= 0.7, overlaps


def test_a_smoke_box_contains_the_smoke() -> None:
    overlaps = [iou(changed_box(p, 12), p[0].boxes[0].xyxy) for p in lone_pairs("smoke", 6)]
    assert np.median(overlaps) >= 0.7, overlaps


@pytest.mark.parametrize("sensor", [False, True])
def test_a_pair_is_the_same_street_outside_the_hazards_by_day(sensor: bool) -> None:
    pair = draw_pair(world=WorldName.HOLDOUT, seed=5, condition=DAY, hazards=2, sensor=sensor)
    away = np.ones(pair[0].image.shape[:2], bool)
    for box in pair[0].boxes:
        x0, y0, x1, y1 = (int(v) for v in box.xyxy)
        wide, tall = x1 - x0 + 24, y1 - y0 + 24
        away[max(y0 - tall, 0) : y1 + tall, max(x0 - wide, 0) : x1 + wide] = False
    assert pair[0].boxes
    assert away.mean() > 0.2
    assert difference(pair)[away].max() <= (8 if sensor else 0)
    assert difference(pair)[~away].max() > 20


def test_the_hazard_image_of_a_pair_is_the_still() -> None:
    order = {"world": WorldName.GENERATOR, "seed": 11, "condition": DAY, "size": SMALL}
    still, (with_hazards, without) = draw_still(**order), draw_pair(**order)
    assert np.array_equal(still.image, with_hazards.image)
    assert still.boxes == with_hazards.boxes
    assert without.boxes == ()


def test_the_same_seed_gives_the_same_image_and_another_seed_another_street() -> None:
    first, again, other = (
        draw_still(world=WorldName.FOOTAGE, seed=s, condition=DAY, size=SMALL) for s in (3, 3, 4)
    )
    assert np.array_equal(first.image, again.image)
    assert first.boxes == again.boxes
    assert np.abs(first.image.astype(int) - other.image).mean() > 10


@pytest.mark.parametrize("light", [Light.DAY, Light.DUSK, Light.NIGHT])
@pytest.mark.parametrize("weather", [Weather.CLEAR, Weather.RAIN, Weather.FOG, Weather.SNOW])
def test_every_condition_can_be_drawn(light: Light, weather: Weather) -> None:
    scene = Condition(light, weather)
    frame = draw_still(world=WorldName.REFERENCE, seed=2, condition=scene, size=SMALL)
    assert frame.image.shape == (180, 320, 3)
    assert frame.image.dtype == np.uint8
    assert frame.condition == scene


def test_night_is_dark_and_fog_is_flat() -> None:
    def drawn(key: str) -> NDArray[np.uint8]:
        scene = Condition.parse(key)
        return draw_still(world=WorldName.BASE, seed=8, condition=scene, size=SMALL, hazards=0).image

    day, night, fog = drawn("day-clear"), drawn("night-clear"), drawn("day-fog")
    assert night.mean() < 0.6 * day.mean()
    assert fog[:90].std() < 0.8 * day[:90].std()


def test_a_hazard_free_still_has_no_boxes() -> None:
    assert draw_still(world=WorldName.BACKGROUND, seed=1, condition=DAY, size=SMALL, hazards=0).boxes == ()


def test_only_the_requested_classes_are_drawn_and_boxes_are_in_the_frame() -> None:
    wanted = ("garbage", "pothole")
    boxes: list[DrawnBox] = []
    for seed in range(8):
        boxes += draw_still(world=WorldName.BASE, seed=seed, condition=DAY, classes=wanted, hazards=4).boxes
    assert {b.class_name for b in boxes} == set(wanted)
    for box in boxes:
        x0, y0, x1, y1 = box.xyxy
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 360
    shorter = [min(b.xyxy[2] - b.xyxy[0], b.xyxy[3] - b.xyxy[1]) for b in boxes]
    assert np.mean([14 <= s <= 90 for s in shorter]) >= 0.8


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"classes": ("meteor",)}, "meteor"),
        ({"classes": ()}, "cannot be drawn"),
        ({"size": (32, 18)}, "64x64"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change: dict[str, object], phrase: str) -> None:
    order: dict[str, object] = {"world": WorldName.BASE, "seed": 0, "condition": DAY, **change}
    with pytest.raises(ConfigurationError, match=phrase):
        draw_still(**order)  # type: ignore[arg-type]  # the table holds wrong values on purpose


def test_a_box_without_area_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="left < right"):
        DrawnBox("fire", (3.0, 3.0, 3.0, 9.0), 0)
