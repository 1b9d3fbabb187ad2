import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from messaging.taxonomy import Condition, Light, Weather
from synth.errors import BackgroundsMissing
from synth.planning.backgrounds import DrawnBackgrounds, FolderBackgrounds
from synth.street import WorldName, draw_still
from tests.support.trouble.odd_images import encoded, gigapixel_png, street

NIGHT = Condition(Light.NIGHT, Weather.CLEAR)


def folder_of(path: Path, count: int) -> Path:
    path.mkdir(exist_ok=True)
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
    with pytest.raises(BackgroundsMissing, match="absent: the folder does not exist"):
        FolderBackgrounds(tmp_path / "absent")
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(BackgroundsMissing, match=r"photo\.jpg: the folder is a file"):
        FolderBackgrounds(tmp_path / "photo.jpg")


BAD_IMAGES = {
    "torn.jpg": encoded(street(), ".jpg")[:-900],
    "empty.png": b"",
    "zeros.jpg": bytes(4096),
    "page.jpg": b"<!DOCTYPE html><html></html>",
    "pointer.webp": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "huge.png": gigapixel_png(),
    "thumbnail.png": encoded(street(16, 12), ".png"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_one_bad_image_is_counted_named_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder_of(tmp_path, 3)
    whole = FolderBackgrounds(tmp_path)
    (tmp_path / name).write_bytes(BAD_IMAGES[name])
    with caplog.at_level(logging.WARNING):
        photographs = FolderBackgrounds(tmp_path)
    assert f"1 of 4 backgrounds in {tmp_path} are passed over" in caplog.text
    assert name in caplog.text
    assert photographs.identity == whole.identity
    got = [photographs.get(3, k, condition=Condition(), width=64, height=48) for k in range(6)]
    assert len({b.identity for b in got}) == 3


def test_a_folder_of_bad_images_only_is_one_sentence(tmp_path: Path) -> None:
    for name, content in BAD_IMAGES.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(
        BackgroundsMissing, match=f"none of the {len(BAD_IMAGES)} images in .*empty.png"
    ) as why:
        FolderBackgrounds(tmp_path)
    assert "\n" not in str(why.value)


def test_images_of_other_formats_are_counted_and_not_ignored_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder_of(tmp_path, 1)
    for name in ("a.HEIC", "b.gif", "._0.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        FolderBackgrounds(tmp_path)
    assert "2 images in" in caplog.text
    assert "._0" not in caplog.text


def test_the_identity_covers_the_contents_and_not_the_place(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "a [1]", 2)
    second = folder_of(tmp_path / "ünï", 2)
    assert FolderBackgrounds(first).identity == FolderBackgrounds(second).identity
    image = cv2.imread(str(second / "1.png"))
    assert image is not None
    length = (second / "1.png").stat().st_size
    image[0, 0] = 255 - image[0, 0]
    cv2.imwrite(str(second / "1.png"), image)
    with (second / "1.png").open("ab") as file:
        file.write(b"\0" * (length - file.tell()))
    assert FolderBackgrounds(first).identity != FolderBackgrounds(second).identity


def test_an_image_that_changes_during_the_run_is_noticed(tmp_path: Path) -> None:
    photographs = FolderBackgrounds(folder_of(tmp_path, 1))
    (tmp_path / "0.png").write_bytes(encoded(street(), ".png"))
    with pytest.raises(BackgroundsMissing, match=r"0\.png changed during the run"):
        photographs.get(0, 0, condition=Condition(), width=64, height=48)
