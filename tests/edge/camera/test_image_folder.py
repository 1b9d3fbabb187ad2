"""Folders of images: natural order, times from names, and no image that ends the camera."""

import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.camera import image_folder
from edge.camera.image_folder import FolderFeed
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import ImageRefused, SourceError
from edge.vision import image_files
from edge.vision.frames import Frame
from tests.support.trouble import odd_images
from tests.support.trouble.odd_images import encoded, street


def shade(value: int) -> bytes:
    return encoded(np.full((24, 32, 3), value, np.uint8))


def played(folder: Path, *, speed: float | None = None) -> list[tuple[int, float]]:
    """Mean grey level and time of every frame."""
    source = open_source(str(folder), SourceSettings(speed=speed), camera="cam")
    frames = [item for item in source.frames(threading.Event()) if isinstance(item, Frame)]
    return [(round(frame.image.mean()), round(frame.time_s, 3)) for frame in frames]


def fill(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).write_bytes(shade(10 * number))


def test_frames_are_played_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    fill(tmp_path, *(f"frame{number}.png" for number in range(1, 13)))
    assert [level for level, _ in played(tmp_path)] == [10 * number for number in range(12)]


def test_names_with_times_give_the_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fill(tmp_path, *(f"cam_20260131_{clock}.png" for clock in ("115950", "115955", "120010")))
    assert played(tmp_path) == [(0, 0.0), (10, 5.0), (20, 20.0)]
    assert "state no times" not in caplog.text


@pytest.mark.parametrize(
    "names",
    [
        ("cam_1.png", "cam_2.png", "cam_3.png"),
        ("cam_20260131_115950.png", "cam_20260131_120000.png", "cam_last.png"),
        ("cam_20260131_100000.png", "cam_20260131_120000.png", "cam_20260131_140000.png"),
    ],
    ids=["numbers", "one without", "hours apart"],
)
def test_without_clear_times_the_rate_is_assumed_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    caplog.set_level(logging.INFO)
    fill(tmp_path, *names)
    assert [at for _, at in played(tmp_path)] == [0.0, 0.2, 0.4]
    assert "their names state no times; 5 per second are assumed" in caplog.text


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (odd_images.gigapixel_png(), "claims 40000 x 40000 pixels"),
        (odd_images.huge_jpeg(), "claims 65000 x 65000 pixels"),
        (encoded(street())[:900], "is cut off"),
        (b"", "is empty"),
        (b"no image", "is no JPEG, PNG"),
    ],
    ids=["gigapixel", "huge JPEG", "half", "empty", "text"],
)
@pytest.mark.parametrize("speed", [None, 1000.0])
def test_one_bad_image_is_counted_named_once_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes, sentence: str, speed: float | None
) -> None:
    for name, data in (("a1.png", shade(10)), ("a2.png", bad), ("a3.png", shade(30))):
        (tmp_path / name).write_bytes(data)
    feed = FolderFeed(tmp_path)
    for _ in range(2):
        feed.open()
        levels = []
        while (image := feed.read()) is not None:
            levels.append(round(image.mean()))
        assert levels == [10, 30]
    assert feed.ended == f"folder {tmp_path} ended after 2 images, 1 unreadable"
    assert feed.decode_errors == 2, "one in each pass"
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert sentence in record.getMessage()
    assert "a2.png" in record.getMessage()


def test_an_image_that_is_a_folder_or_a_link_to_nothing_is_passed_over(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "a1.png")
    (tmp_path / "a2.png").mkdir()
    os.symlink("a3.png", tmp_path / "a3.png")
    os.symlink("nowhere.png", tmp_path / "a4.png")
    assert len(played(tmp_path)) == 1


def test_a_lack_of_memory_for_one_image_is_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a1.png", "a2.png", "a3.png")

    def starved(path: Path) -> object:
        if path.name == "a2.png":
            raise ImageRefused(f"image {path} does not fit into memory; scale it down or remove it")
        return image_files.read_image(path)

    monkeypatch.setattr(image_folder, "read_image", starved)
    assert len(played(tmp_path)) == 2


def test_a_folder_of_bad_images_only_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(odd_images.gigapixel_png())
    feed = FolderFeed(tmp_path)
    with pytest.raises(SourceError, match="holds 1 images and none can be decoded"):
        feed.read()


def test_a_folder_of_videos_names_the_setting_that_plays_them(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match="or set `segments: true` to play its videos"):
        FolderFeed(tmp_path)


def test_unfinished_names_and_other_files_are_no_images_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fill(tmp_path, "a1.png", ".a2.png", "a3.part.png", "notes.heic")
    assert len(played(tmp_path)) == 1
    assert "3 files of" in caplog.text


def test_one_image_by_its_name_is_a_source(tmp_path: Path) -> None:
    fill(tmp_path, "a1.png")
    assert played(tmp_path / "a1.png") == [(0, 0.0)]
    (tmp_path / "a1.png").write_bytes(odd_images.gigapixel_png())
    with pytest.raises(SourceError, match=r"image .*a1.png claims 40000 x 40000 pixels"):
        played(tmp_path / "a1.png")


def test_deep_and_odd_images_are_all_played(tmp_path: Path) -> None:
    (tmp_path / "a1.png").write_bytes(encoded(odd_images.thermal()))
    (tmp_path / "a2.png").write_bytes(encoded(np.full((1, 1, 3), 90, np.uint8)))
    (tmp_path / "a3.png").write_bytes(encoded(np.full((1, 2000, 3), 90, np.uint8)))
    (tmp_path / "a4.tiff").write_bytes(encoded(odd_images.thermal(), ".tiff"))
    assert len(played(tmp_path)) == 4
