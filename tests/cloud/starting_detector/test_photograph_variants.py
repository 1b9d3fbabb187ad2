"""Changed copies of photographs: boxes follow the pixels, light only falls, a flame is where its box says."""

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.starting_detector.photograph_variants import (
    cropped,
    darkened,
    flames,
    with_dark_surroundings,
    with_flame,
)

ORANGE, WHITE = (30, 140, 250), (255, 255, 255)


def photograph(
    box: tuple[int, int, int, int], colour: tuple[int, int, int], shape: tuple[int, int]
) -> np.ndarray:
    """A grey photograph (height, width) with a coloured rectangle."""
    image = np.full((*shape, 3), 60, np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = colour
    return image


@pytest.mark.parametrize("shape", [(640, 480), (360, 640), (600, 600)], ids=["portrait", "wide", "square"])
def test_a_crop_holds_a_box_and_its_pixels(shape: tuple[int, int]) -> None:
    xyxy = (200, 150, 260, 200)
    image = photograph(xyxy, WHITE, shape)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        window, boxes = cropped(image, [TrueBox("garbage", tuple(map(float, xyxy)))], rng)
        assert window.shape[1] / window.shape[0] == pytest.approx(16 / 9, rel=0.02)
        ys, xs = np.where(window[..., 0] == 255)
        (box,) = boxes
        expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert box.xyxy == pytest.approx(expected, abs=0.01)


def test_a_box_that_is_mostly_outside_a_crop_is_dropped() -> None:
    corner, middle = TrueBox("fire", (0.0, 0.0, 40.0, 40.0)), TrueBox("garbage", (300.0, 500.0, 460.0, 630.0))
    image = np.zeros((640, 480, 3), np.uint8)
    windows = [cropped(image, [corner, middle], np.random.default_rng(seed))[1] for seed in range(30)]
    assert all(0 < len(boxes) <= 2 for boxes in windows)
    assert any(len(boxes) == 1 for boxes in windows)


def test_an_image_without_boxes_is_cropped_anywhere() -> None:
    window, boxes = cropped(np.zeros((640, 480, 3), np.uint8), (), np.random.default_rng(1))
    assert boxes == ()
    assert window.shape[0] < 640


def test_darkened_photographs_are_darker_and_flames_stay_bright() -> None:
    image = photograph((10, 10, 40, 40), WHITE, (90, 160))
    dark, night = (make(image, np.random.default_rng(3)) for make in (darkened, with_dark_surroundings))
    assert dark.mean() < 0.8 * image.mean()
    assert night[60:, 60:].mean() < 0.6 * image[60:, 60:].mean()
    assert night[20:30, 20:30].mean() > 180


def test_only_fires_that_show_a_flame_give_patches() -> None:
    fire = TrueBox("fire", (10.0, 10.0, 60.0, 60.0))
    rng = np.random.default_rng(0)
    assert len(flames(photograph((10, 10, 60, 60), ORANGE, (90, 160)), [fire], rng, pieces=1)) == 1
    assert len(flames(photograph((10, 10, 60, 60), ORANGE, (90, 160)), [fire], rng, pieces=5)) > 1
    assert flames(photograph((10, 10, 60, 60), WHITE, (90, 160)), [fire], rng, pieces=1) == []
    assert flames(photograph((10, 10, 60, 60), ORANGE, (90, 160)), [], rng, pieces=1) == []


def test_a_pasted_flame_is_in_its_box() -> None:
    street, patch = np.full((256, 448, 3), 20, np.uint8), np.full((50, 50, 3), ORANGE, np.uint8)
    for seed in range(20):
        lit = with_flame(street, patch, np.random.default_rng(seed))
        assert lit is not None
        image, (box,) = lit
        x1, y1, x2, y2 = map(int, box.xyxy)
        assert 0 <= x1 < x2 <= 448
        assert 0 <= y1 < y2 <= 256
        assert image[y1:y2, x1:x2, 2].max() > 150
        outside = image.copy()
        outside[y1:y2, x1:x2] = 0
        assert outside[..., 2].max() < image[y1:y2, x1:x2, 2].max()


def test_a_patch_without_flame_is_not_pasted() -> None:
    street, patch = np.full((256, 448, 3), 20, np.uint8), np.full((50, 50, 3), 90, np.uint8)
    assert with_flame(street, patch, np.random.default_rng(0)) is None
