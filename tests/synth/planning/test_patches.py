"""Patch geometry: windows around boxes, conversion of boxes, masks."""

import numpy as np
import pytest

from synth.planning.patches import MIN_PATCH_SIDE_PX, inpainting_mask, patch_window, window_rule


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((300, 100, 340, 120), 80),
        ((300, 100, 310, 106), MIN_PATCH_SIDE_PX),
        ((0, 0, 300, 300), 360),
        ((630, 350, 640, 360), MIN_PATCH_SIDE_PX),
    ],
)
def test_a_window_contains_its_box_and_stays_in_the_image(box: tuple[int, ...], side: int) -> None:
    for shift in ((0.0, 0.0), (0.5, -0.5), (-0.5, 0.5)):
        window = patch_window(box, 640, 360, per_box=2.0, shift=shift)
        assert window.side == side
        assert 0 <= window.left <= 640 - side
        assert 0 <= window.top <= 360 - side
        x1, y1, x2, y2 = window.to_patch(box, 64)
        assert min(x1, y1) >= -1
        assert max(x2, y2) <= 65


def test_a_box_goes_into_the_patch_and_back() -> None:
    window = patch_window((300, 100, 340, 120), 640, 360, per_box=2.5)
    box = (301.5, 102.0, 338.0, 119.0)
    assert window.to_image(window.to_patch(box, 64), 64) == pytest.approx(box)


def test_a_window_cuts_its_own_pixels() -> None:
    image = np.arange(360 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(360, 640, 3)
    window = patch_window((300, 100, 340, 120), 640, 360)
    assert np.array_equal(window.cut(image)[0, 0], image[window.top, window.left])
    assert window.cut(image).shape == (80, 80, 3)


def test_a_mask_is_the_box_grown_a_little_and_clipped() -> None:
    mask = inpainting_mask((20, 30, 44, 42), 64)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1) == (18, 46, 28, 44)
    assert inpainting_mask((-5, -5, 3, 3), 64)[:4, :4].all()


def test_a_large_model_gets_more_of_the_street_and_a_mask_that_it_can_fill() -> None:
    rule = window_rule(512)
    assert rule is not window_rule(64)
    for longer in (10.0, 40.0, 100.0, 200.0):
        for per_box in rule.per_box_of(longer):
            box = (300.0, 200.0, 300.0 + longer, 200.0 + longer / 2)
            window = patch_window(box, 1280, 720, per_box=per_box, min_side=rule.min_side_px)
            assert window.side >= 80
            x1, _, x2, _ = window.to_patch(box, 512)
            assert x2 - x1 >= 512 / 8.1
            assert window.side >= 2 * longer
