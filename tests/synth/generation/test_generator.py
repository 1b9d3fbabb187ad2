"""The seam of generators: what a request must be, how patches are cut and masked."""

import numpy as np
import pytest

from messaging.errors import ConfigurationError
from synth.generation.generator import PatchRequest
from synth.planning.patches import MIN_PATCH_SIDE_PX, inpainting_mask, patch_window

PATCH = np.zeros((64, 64, 3), np.uint8)
MASK = np.ones((64, 64), np.bool_)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"patch": np.zeros((64, 60, 3), np.uint8)}, "square BGR uint8"),
        ({"patch": np.zeros((64, 64, 3), np.float32)}, "square BGR uint8"),
        ({"mask": np.ones((32, 32), np.bool_)}, r"mask must be bool \(64, 64\)"),
        ({"mask": np.zeros((64, 64), np.bool_)}, "at least one pixel to inpaint"),
        ({"prototype": np.zeros(32, np.float32)}, r"prototype must have shape \(64,\)"),
        ({"seed": -1}, "seed must be between"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        PatchRequest(**({"prompt": "a photo", "patch": PATCH, "mask": MASK, "seed": 1} | changed))


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
