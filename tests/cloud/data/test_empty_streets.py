"""Hazard-free streets to learn from: every condition in turn, no boxes, the same ones every time."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.data.empty_streets import SIZE, empty_streets
from synth.errors import BackgroundsMissing
from synth.street import DRAWN_CONDITIONS


def test_drawn_streets_have_the_conditions_in_turn() -> None:
    streets = list(empty_streets(10, None))
    assert [street.condition for street in streets] == [*DRAWN_CONDITIONS, DRAWN_CONDITIONS[0]]
    assert all(street.boxes == () and street.image.shape == (SIZE[1], SIZE[0], 3) for street in streets)
    assert (next(islice(empty_streets(4, None), 3, None)).image == streets[3].image).all()
    by_day, at_night = streets[0].image.mean(), streets[6].image.mean()
    assert at_night < 0.7 * by_day


def test_images_of_a_folder_are_unchanged(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "square.png"), np.full((400, 700, 3), 120, np.uint8))
    streets = list(empty_streets(2, tmp_path))
    assert [street.condition.key for street in streets] == ["unknown-unknown"] * 2
    assert all(abs(street.image.mean() - 120) < 5 for street in streets)


def test_a_folder_without_images_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackgroundsMissing, match="holds no images to inpaint"):
        list(empty_streets(1, tmp_path))
