"""How dark patches are lifted before a generator sees them, and come back."""

import numpy as np
import pytest

from synth.generation.exposure import MIN_EXPONENT, TARGET_LIGHTNESS, exposure_of


def _grey(level: int) -> np.ndarray:
    return np.full((16, 16, 3), level, np.uint8)


@pytest.mark.parametrize("level", [30, 60, 100])
def test_a_dark_patch_is_lifted_to_the_middle(level: int) -> None:
    power = exposure_of(_grey(level))
    assert MIN_EXPONENT < power < 1
    assert (level / 255) ** power == pytest.approx(TARGET_LIGHTNESS, abs=0.005)


@pytest.mark.parametrize("level", [115, 180, 255])
def test_a_bright_patch_stays_as_it_is(level: int) -> None:
    assert exposure_of(_grey(level)) == 1.0


def test_black_is_not_lifted_without_end() -> None:
    assert exposure_of(_grey(0)) == exposure_of(_grey(3)) == MIN_EXPONENT


def test_a_lamp_does_not_keep_a_dark_street_dark() -> None:
    lamp = _grey(30)
    lamp[:4, :4] = 255
    assert exposure_of(lamp) == exposure_of(_grey(30))
