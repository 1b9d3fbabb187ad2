import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.condition_tables import LinearTable
from edge.vision.conditions import (
    ConditionMemory,
    FrameConditions,
    box_tags,
    frame_conditions,
    region_bin,
    size_bin,
)
from messaging.taxonomy import Condition, Light, RegionBin, Sharpness, SizeBin, Weather
from synth.street import WorldName, draw_still

Image = npt.NDArray[np.uint8]
DEMO_SCENES = ("night-clear", "day-rain", "day-fog", "night-rain", "day-clear", "dusk-fog", "dusk-rain")


def street(key: str, seed: int = 11) -> Image:
    return draw_still(world=WorldName.REFERENCE, seed=seed, condition=Condition.parse(key)).image


@pytest.mark.parametrize("key", DEMO_SCENES)
def test_a_drawn_street_has_the_tags_it_was_drawn_with(key: str) -> None:
    memory = ConditionMemory(interval_s=0.0)
    for seed in range(4):
        tags = memory.observe(street(key, 3000 + seed), float(seed))
    assert tags.condition.key == key


@pytest.mark.parametrize("size", [(96, 96), (320, 240), (1920, 1080)])
def test_an_image_of_any_size_has_tags(size: tuple[int, int]) -> None:
    image = np.asarray(cv2.resize(street("day-clear"), size), np.uint8)
    assert frame_conditions(image).light is Light.DAY


@pytest.mark.parametrize("value", [0, 128, 255], ids=["black", "grey", "white"])
def test_an_image_without_content_has_no_sharpness(value: int) -> None:
    assert frame_conditions(np.full((360, 640, 3), value, np.uint8)).sharpness is Sharpness.UNKNOWN


def test_an_image_out_of_focus_is_blurred() -> None:
    image = np.asarray(cv2.GaussianBlur(street("day-clear"), (0, 0), 6), np.uint8)
    assert frame_conditions(image).sharpness is Sharpness.BLURRED


def test_tags_are_steady_when_a_frame_is_an_exception() -> None:
    memory = ConditionMemory(interval_s=0.0)
    day, night = street("day-clear"), street("night-rain")
    seen = [memory.observe(image, float(i)) for i, image in enumerate([day, day, day, night, day])]
    assert {t.condition.key for t in seen} == {"day-clear"}


def test_tags_follow_a_lasting_change() -> None:
    memory = ConditionMemory(frames=5, interval_s=0.0)
    for i, key in enumerate(["day-clear"] * 5 + ["night-rain"] * 5):
        tags = memory.observe(street(key), float(i))
    assert tags.condition.key == "night-rain"


def test_frames_within_the_interval_are_not_evaluated() -> None:
    memory = ConditionMemory(interval_s=1.0)
    first = memory.observe(street("day-clear"), 10.0)
    assert memory.observe(np.zeros((1, 1, 3), np.uint8), 10.5) is first


@pytest.mark.parametrize(
    ("side", "expected"),
    [(20, SizeBin.TINY), (30, SizeBin.SMALL), (100, SizeBin.MEDIUM), (200, SizeBin.LARGE)],
)
def test_the_size_bin_is_by_the_longer_sides(side: int, expected: SizeBin) -> None:
    assert size_bin(np.asarray([10, 10, 10 + side, 15], np.float32), 640, 360) is expected
    assert size_bin(np.asarray([10, 10, 15, 10 + side], np.float32), 640, 360) is expected


@given(x=st.floats(-100, 800), y=st.floats(-100, 500))
def test_every_box_has_a_region(x: float, y: float) -> None:
    assert region_bin(np.asarray([x, y, x + 10, y + 10], np.float32), 640, 360) is not RegionBin.UNKNOWN


@pytest.mark.parametrize(
    ("centre", "expected"),
    [
        ((10, 10), RegionBin.TOP_LEFT),
        ((320, 180), RegionBin.MIDDLE),
        ((630, 350), RegionBin.BOTTOM_RIGHT),
        ((320, 350), RegionBin.BOTTOM),
        ((10, 180), RegionBin.LEFT),
    ],
)
def test_regions_are_thirds_of_the_frame(centre: tuple[int, int], expected: RegionBin) -> None:
    x, y = centre
    box = np.asarray([x - 5, y - 5, x + 5, y + 5], np.float32)
    assert region_bin(box, 640, 360) is expected


def test_box_tags_join_frame_and_box() -> None:
    tags = box_tags(
        FrameConditions(Light.NIGHT, Weather.FOG, Sharpness.SHARP),
        np.asarray([300, 160, 340, 200], np.float32),
        640,
        360,
    )
    assert (tags.light, tags.weather, tags.sharpness) == (Light.NIGHT, Weather.FOG, Sharpness.SHARP)
    assert (tags.size, tags.region) == (SizeBin.SMALL, RegionBin.MIDDLE)


def test_a_table_with_inconsistent_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="table of 2 tags and 3 features"):
        LinearTable(("a", "b"), (0.0,) * 3, (1.0,) * 2, ((0.0,) * 3,) * 2, (0.0, 0.0))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2000), (2000, 1), (100_000, 1)])
def test_a_strip_of_one_pixel_has_tags_in_little_time_and_memory(height: int, width: int) -> None:
    assert isinstance(frame_conditions(np.full((height, width, 3), 90, np.uint8)), FrameConditions)
