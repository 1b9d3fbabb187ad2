"""The camera model: its effect on an image, and the estimates from one."""

import numpy as np
import pytest
from numpy.typing import NDArray

from messaging.errors import ConfigurationError
from synth.sensor import SensorModel, estimate


def card(height: int = 180, width: int = 320) -> NDArray[np.uint8]:
    """A smooth ramp with a few hard edges."""
    image = np.tile(np.linspace(40, 200, width, dtype=np.float32)[None, :, None], (height, 1, 3))
    image[40:120, 60:120] = 30
    image[60:140, 180:260] = 220
    return image.astype(np.uint8)


def test_the_same_randomness_gives_the_same_image() -> None:
    model = SensorModel(0.5, 3.0, 85)
    first = model.apply(card(), np.random.default_rng(4))
    assert np.array_equal(first, model.apply(card(), np.random.default_rng(4)))
    assert not np.array_equal(first, model.apply(card(), np.random.default_rng(5)))


def test_the_given_image_is_not_changed() -> None:
    image = card()
    SensorModel(0.5, 3.0, 85).apply(image, np.random.default_rng(0))
    assert np.array_equal(image, card())


@pytest.mark.parametrize("shape", [(64, 64), (361, 641), (90, 160)])
def test_shape_and_type_are_kept(shape: tuple[int, int]) -> None:
    seen = SensorModel(0.6, 4.0, 80).apply(card(*shape), np.random.default_rng(1))
    assert seen.shape == (*shape, 3)
    assert seen.dtype == np.uint8


def test_gain_multiplies_the_noise() -> None:
    calm = SensorModel(0.0, 3.0, 98).apply(card(), np.random.default_rng(2))
    dark = SensorModel(0.0, 3.0, 98, gain=3.0).apply(card(), np.random.default_rng(2))
    assert estimate(dark).noise_sigma > 2.2 * estimate(calm).noise_sigma


@pytest.mark.parametrize("sigma", [2.0, 5.0, 9.0])
def test_noise_is_read_back_within_a_third(sigma: float) -> None:
    seen = SensorModel(0.0, sigma, 97).apply(card(), np.random.default_rng(3))
    assert estimate(seen).noise_sigma == pytest.approx(sigma, rel=0.34)


def test_more_blur_is_estimated_as_more_blur() -> None:
    rng = np.random.default_rng(6)
    sharp, soft = (estimate(SensorModel(b, 1.0, 95).apply(card(), rng)).blur_px for b in (0.0, 2.0))
    assert soft > sharp + 0.5


def test_harder_compression_is_estimated_as_lower_quality() -> None:
    rng = np.random.default_rng(7)
    image = rng.integers(0, 255, (180, 320, 3)).astype(np.uint8)
    fine, coarse = (estimate(SensorModel(1.0, 0.0, q).apply(image, rng)).jpeg_quality for q in (95, 15))
    assert coarse < fine


def test_an_image_without_content_has_an_estimate() -> None:
    assert estimate(np.zeros((64, 64, 3), np.uint8)).noise_sigma == 0.0


@pytest.mark.parametrize(
    ("values", "phrase"),
    [
        ((-0.1, 1.0, 80, 1.0), "blur"),
        ((0.1, -1.0, 80, 1.0), "noise"),
        ((0.1, 1.0, 0, 1.0), "quality"),
        ((0.1, 1.0, 80, 0.0), "gain"),
    ],
)
def test_an_impossible_camera_is_refused(values: tuple[float, float, int, float], phrase: str) -> None:
    with pytest.raises(ConfigurationError, match=phrase):
        SensorModel(*values)
