from pathlib import Path

import cv2
import numpy as np
import pytest

from messaging.taxonomy import Condition, Light, Weather
from synth.errors import BackgroundsMissing
from synth.planning.backgrounds import DrawnBackgrounds, FolderBackgrounds
from synth.street import WorldName, draw_still

NIGHT = Condition(Light.NIGHT, Weather.CLEAR)


def folder_of(path: Path, count: int) -> Path:
    for k in range(count):
        image = np.random.default_rng(k).integers(0, 255, (90, 200, 3)).astype(np.uint8)
        cv2.imwrite(str(path / f"{k}.png"), image)
    return path


def test_a_drawn_background_is_a_function_of_seed_and_index() -> None:
    drawn = DrawnBackgrounds()
    first = drawn.get(1, 0, condition=NIGHT, width=160, height=96)
    again = drawn.get(1, 0, condition=NIGHT, width=160, height=96)
    other = drawn.get(1, 1, condition=NIGHT, width=160, height=96)
    assert np.array_equal(first.image, again.image)
    assert first.identity == again.identity != other.identity
    assert first.image.shape == (96, 160, 3)
    assert not first.from_camera


def test_a_drawn_background_has_its_road_and_is_darker_at_night() -> None:
    drawn = DrawnBackgrounds()
    night = drawn.get(1, 0, condition=NIGHT, width=160, height=96)
    day = drawn.get(1, 0, condition=Condition(), width=160, height=96)
    assert np.median(day.image) > 1.2 * np.median(night.image)
    road, ground = night.ground.road_mask, night.ground.ground_mask
    assert road is not None
    assert ground is not None
    assert 0.02 < road.mean() < ground.mean() < 0.9
    assert not ground[: int(night.ground.horizon * 96) - 1].any()


def test_photographs_come_once_each_before_any_comes_again(tmp_path: Path) -> None:
    photographs = FolderBackgrounds(folder_of(tmp_path, 5))
    got = [photographs.get(3, k, condition=Condition(), width=64, height=48) for k in range(5)]
    assert len({b.identity for b in got}) == 5
    assert all(b.from_camera and b.image.shape == (48, 64, 3) for b in got)
    again = photographs.get(3, 2, condition=Condition(), width=64, height=48)
    assert np.array_equal(again.image, got[2].image)


def test_an_order_for_the_night_gets_night_images_of_the_folder(tmp_path: Path) -> None:
    means: dict[str, list[float]] = {"day-clear": [], "night-clear": []}
    for key, values in means.items():
        for seed in range(3):
            scene = Condition.parse(key)
            frame = draw_still(
                world=WorldName.BACKGROUND, seed=seed, condition=scene, size=(320, 192), hazards=0
            )
            cv2.imwrite(str(tmp_path / f"{key}{seed}.png"), frame.image)
            values.append(float(np.median(frame.image)))
    photographs = FolderBackgrounds(tmp_path)
    got = [np.median(photographs.get(0, k, condition=NIGHT, width=160, height=96).image) for k in range(6)]
    assert max(got) < (max(means["night-clear"]) + min(means["day-clear"])) / 2
    for path in tmp_path.glob("night*"):
        path.unlink()
    with pytest.raises(BackgroundsMissing, match="none of the 3 background images was taken at night"):
        FolderBackgrounds(tmp_path).get(0, 0, condition=NIGHT, width=64, height=48)


def test_a_folder_without_images_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(BackgroundsMissing, match="leave it out to use drawn streets"):
        FolderBackgrounds(tmp_path)
    with pytest.raises(BackgroundsMissing, match="holds no images"):
        FolderBackgrounds(tmp_path / "absent")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"not an image")
    with pytest.raises(BackgroundsMissing, match=r"torn\.jpg is no JPEG, PNG"):
        FolderBackgrounds(tmp_path).get(0, 0, condition=NIGHT, width=64, height=48)
