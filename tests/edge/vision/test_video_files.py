"""Videos: the container's own times, damaged parts passed over, one sentence for what is no video."""

import logging
import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from edge.errors import SourceError
from edge.vision import video_files
from edge.vision.video_files import VideoFile
from tests.support.trouble import odd_videos
from tests.support.trouble.odd_images import gigapixel_png, street
from tests.support.trouble.odd_videos import plain_video, with_times


def times(path: Path) -> list[float]:
    with VideoFile(path) as video:
        found = []
        while (read := video.read()) is not None:
            found.append(round(read.time_s, 3))
        return found


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught, VideoFile(path) as video:
        video.read()
    return str(caught.value)


@pytest.mark.parametrize(
    ("steps_s", "expected"),
    [
        pytest.param([20.0] * 10, [20.0 * i for i in range(10)], id="time-lapse"),
        pytest.param(
            [0.3] * 4 + [0.1] * 6, [0, 0.3, 0.6, 0.9, *np.arange(1.2, 1.75, 0.1)], id="variable rate"
        ),
        pytest.param([0.1] * 4 + [1800] + [0.1] * 3, [0, 0.1, 0.2, 0.3, 0.4, 1800.4, 1800.5, 1800.6]),
        pytest.param([1 / 240] * 5, [0, 0.004, 0.008, 0.013, 0.017], id="slow motion camera"),
    ],
)
def test_frames_have_the_times_of_the_container(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, steps_s: list[float], expected: list[float]
) -> None:
    path = with_times(plain_video(tmp_path / "a.mp4", len(steps_s)), steps_s)
    assert times(path) == pytest.approx(expected, abs=2e-3)
    assert not caplog.records


@pytest.mark.parametrize(
    ("steps_s", "expected"),
    [
        pytest.param([0.1] * 3 + [0.0] * 3 + [0.1] * 2, 0.1, id="times that stand still"),
        pytest.param([0.1] * 3 + [7200] + [0.1] * 4, 0.1, id="two hours from one frame to the next"),
        pytest.param([0.2] * 3 + [0.0] + [0.1] * 4, 0.2, id="two frames at one time"),
    ],
)
def test_times_that_cannot_be_true_are_replaced_by_the_last_step_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, steps_s: list[float], expected: float
) -> None:
    path = with_times(plain_video(tmp_path / "a.mp4", len(steps_s)), steps_s)
    assert times(path) == pytest.approx([expected * i for i in range(len(steps_s))], abs=2e-3)
    (record,) = caplog.records
    assert f"from here on {1 / expected:.3g} frames per second are assumed" in record.getMessage()


def test_a_video_without_any_times_has_25_frames_per_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = with_times(plain_video(tmp_path / "a.mp4", 6), [0.0] * 5 + [60.0])
    assert times(path) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2], abs=0.02)
    assert len(caplog.records) == 1


def test_frames_that_are_damaged_in_the_middle_are_counted_and_the_rest_keeps_its_times(
    tmp_path: Path,
) -> None:
    path = odd_videos.damaged_in_the_middle(plain_video(tmp_path / "a.mp4", 60))
    with VideoFile(path) as video:
        found, errors = [], []
        while (read := video.read()) is not None:
            found.append(read.time_s)
            errors.append(video.decode_errors)
        assert 0 < video.missing == 60 - len(found) < 20
        assert (errors[0], errors[-1], video.decode_errors) == (0, video.missing, video.missing)
    assert found[-1] == pytest.approx(5.9)


def test_a_video_whose_tail_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    path = odd_videos.index_first(plain_video(tmp_path / "a.mp4", 60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with VideoFile(path) as video:
        while video.read() is not None:
            pass
        assert 10 < video.frames < 60
        assert video.missing == video.decode_errors == 60 - video.frames


def test_a_video_that_a_phone_has_turned_is_shown_upright(tmp_path: Path) -> None:
    with VideoFile(odd_videos.rotated(plain_video(tmp_path / "a.mp4"))) as video:
        read = video.read()
    assert read is not None
    assert read.image.shape == (64, 48, 3)


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(street(64, 48, seed)) for seed in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=200)
    assert times(tmp_path / "a.gif") == [0, 0.2, 0.4, 0.6]


def test_a_name_that_looks_like_a_protocol_or_a_pattern_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cam:1.mp4", "clip%02d.mp4", "a [1].mp4", "-i.mp4"):
        plain_video(tmp_path / "plain.mp4", 3).rename(name)
        assert len(times(Path(name))) == 3


def _sound(path: Path) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\2" * 8000)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p.write_bytes(b""), "is empty; copy it again"),
        (lambda p: p.write_bytes(b"\0" * 5000), "is empty; copy it again"),
        (lambda p: p.mkdir(), "cannot be read (Is a directory)"),
        (lambda p: None, "cannot be read (No such file or directory)"),
        (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"),
        (lambda p: p.write_bytes(b"<html>not found</html>"), "is a web page or another text"),
        (_sound, "cannot be read; give an mp4, avi or mkv that OpenCV decodes"),
        (lambda p: p.write_bytes(gigapixel_png()), "cannot be read; give an mp4, avi or mkv"),
    ],
    ids=[
        "empty",
        "allocated",
        "folder",
        "absent",
        "LFS pointer",
        "web page",
        "audio only",
        "gigapixel image",
    ],
)
def test_what_is_no_video_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path / "a.mp4")
    assert refusal(tmp_path / "a.mp4").startswith(f"video {tmp_path / 'a.mp4'} {sentence}")


def test_frames_beyond_the_limit_are_refused_before_the_first_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_files, "MAX_PIXELS", 3000)
    path = plain_video(tmp_path / "a.mp4")
    assert "has frames of 64 x 48 pixels; at most" in refusal(path)


@pytest.mark.parametrize("error", [cv2.error("assertion failed"), MemoryError()])
def test_no_error_of_the_decoder_leaves_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = plain_video(tmp_path / "a.mp4")
    with VideoFile(path) as video:
        video.read()

        class Broken:
            def read(self) -> tuple[bool, np.ndarray]:
                raise error

            def release(self) -> None:
                """Nothing is open."""

        monkeypatch.setattr(video, "_capture", Broken())
        with pytest.raises(SourceError, match="failed after 1 frames"):
            video.read()


def test_nothing_is_logged_for_a_plain_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert times(plain_video(tmp_path / "a.avi")) == pytest.approx([0.1 * i for i in range(12)])
    assert not caplog.records
