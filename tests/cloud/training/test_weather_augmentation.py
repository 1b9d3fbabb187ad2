"""Weather augmentation: each effect in its direction, repeated by a seed, valid images out."""

import numpy as np
import pytest

from cloud.training import weather_augmentation
from cloud.training.weather_augmentation import weathered

EFFECTS = ("P_DARK", "P_FOG", "P_RAIN", "P_BLUR")


@pytest.fixture
def street() -> np.ndarray:
    """A checkerboard of bright and dark squares, RGB uint8 (96, 128, 3)."""
    rows, columns = np.indices((96, 128)) // 16
    return np.repeat(np.where((rows + columns) % 2, 200, 40)[..., None], 3, axis=2).astype(np.uint8)


def only(monkeypatch: pytest.MonkeyPatch, effect: str | None) -> None:
    """Let one effect always happen and the others, noise included, never."""
    for name in EFFECTS:
        monkeypatch.setattr(weather_augmentation, name, 1.0 if name == effect else 0.0)
    monkeypatch.setattr(weather_augmentation, "MAX_NOISE", 0.0)


def after(image: np.ndarray, seed: int = 0) -> np.ndarray:
    return weathered(image, np.random.default_rng(seed))


def test_a_seed_repeats_every_pixel_and_the_original_is_untouched(street: np.ndarray) -> None:
    before = street.copy()
    assert (after(street, 3) == after(street, 3)).all()
    assert (after(street, 3) != after(street, 4)).any()
    assert (street == before).all()


def test_images_stay_uint8_of_the_same_shape(street: np.ndarray) -> None:
    for seed in range(20):
        image = after(street, seed)
        assert (image.dtype, image.shape) == (np.uint8, street.shape)


def test_without_any_effect_an_image_is_unchanged(
    street: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, None)
    assert np.abs(after(street).astype(int) - street).max() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_darkness_lowers_the_brightness(
    street: np.ndarray, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    only(monkeypatch, "P_DARK")
    assert after(street, seed).mean() < 0.9 * street.mean()


@pytest.mark.parametrize("seed", range(5))
def test_fog_lowers_the_contrast_most_at_the_top(
    street: np.ndarray, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    only(monkeypatch, "P_FOG")
    image = after(street, seed).astype(float)
    assert image.std() < street.std()
    assert image[:32].std() < image[-32:].std()


@pytest.mark.parametrize("seed", range(5))
def test_rain_only_brightens(street: np.ndarray, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    only(monkeypatch, "P_RAIN")
    change = after(street, seed).astype(int) - street
    assert change.min() >= -1
    assert 0 < (change > 3).mean() < 0.5


def test_blur_softens_edges_and_keeps_the_brightness(
    street: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "P_BLUR")
    image = after(street).astype(float)
    assert image.mean() == pytest.approx(street.mean(), rel=0.02)
    assert np.abs(np.diff(image, axis=1)).max() < np.abs(np.diff(street.astype(float), axis=1)).max()
