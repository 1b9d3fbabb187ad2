"""Footage of the user's own: what shows nothing is refused before anything starts, a camera is not."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.demo.players import OwnPlayer
from cloud.errors import DataRefused

IMAGE = np.full((48, 64, 3), 90, np.uint8)


def video(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    writer.write(IMAGE)
    writer.release()
    return path


def folder(path: Path, *, image: bytes | None = None) -> Path:
    path.mkdir()
    (path / "notes.txt").write_text("no image")
    if image is not None:
        (path / "a.jpg").write_bytes(image)
    return path


def text(path: Path) -> Path:
    path.write_text("no video")
    return path


JPEG = cv2.imencode(".jpg", IMAGE)[1].tobytes()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p / "gone.mp4", r"source .*gone\.mp4 does not exist; give a video file"),
        (lambda p: text(p / "text.mp4"), r"video .*text\.mp4 gives no frame; give an mp4"),
        (lambda p: folder(p / "texts"), r"folder .*texts holds no image .* or name one video file"),
        (lambda p: folder(p / "torn", image=JPEG[:20]), r"folder .*torn holds no image"),
    ],
    ids=["absent", "not a video", "folder without images", "folder of damaged images"],
)
def test_a_source_without_images_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    with pytest.raises(DataRefused, match=sentence):
        OwnPlayer(str(make(tmp_path)))


def test_a_video_a_folder_of_images_and_a_camera_are_played(tmp_path: Path) -> None:
    files = (video(tmp_path / "video.mp4"), folder(tmp_path / "stills", image=JPEG))
    cameras = ("rtsp://camera.invalid/1", "RTSP://camera.invalid/1", "http://camera.invalid/mjpeg", "usb:0")
    for source in (*map(str, files), *cameras):
        assert [camera["source"] for camera in OwnPlayer(source).cameras("north")] == [source]


def test_a_refused_source_is_one_sentence_and_keeps_the_last_run(tmp_path: Path) -> None:
    report = tmp_path / "out" / "report.html"
    report.parent.mkdir()
    report.write_text("the last run")
    command = [sys.executable, "-m", "cloud.cli.main", "demo", "--source", str(tmp_path / "gone")]
    done = subprocess.run(
        [*command, "--out", str(report.parent)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: source {tmp_path / 'gone'} does not exist; give a video file, a folder of images or rtsp://…"
    ]
    assert report.read_text() == "the last run"
