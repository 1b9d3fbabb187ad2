"""A recorder's folder with damage in it: every good segment is played, now and after restarts."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.camera import segments, settled_files
from edge.camera.container_ends import FileEnd
from edge.camera.segments import SegmentFeed
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import SourceError
from edge.vision.frames import Frame
from tests.support.trouble import odd_images, odd_videos
from tests.support.trouble.odd_images import encoded
from tests.support.trouble.odd_videos import plain_video, with_times

LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for end, wait_s in ((FileEnd.PRESENT, 0.05), (FileEnd.UNKNOWN, 0.1), (FileEnd.ABSENT, 0.3)):
        monkeypatch.setitem(settled_files.WAIT_S, end, wait_s)


def shade(value: int) -> bytes:
    return encoded(np.full((24, 32, 3), value, np.uint8))


def nothing(frames: int) -> None:
    """Nothing happens meanwhile."""


def play(
    folder: Path, count: int, *, journal: Path | None = None, meanwhile: Callable[[int], None] = nothing
) -> list[Frame]:
    """The next frames of the folder; `meanwhile` is called with the number of frames so far."""
    how = SourceSettings(segments=True, speed=None, journal=journal)
    stop, frames = threading.Event(), list[Frame]()
    timer = threading.Timer(LIMIT_S, stop.set)
    timer.start()
    for item in open_source(str(folder), how, camera="cam").frames(stop):
        if isinstance(item, SourceError):
            assert "share" in str(item)
            continue
        frames.append(item)
        meanwhile(len(frames))
        if len(frames) == count:
            stop.set()
    timer.cancel()
    assert len(frames) == count
    return frames


def levels(frames: list[Frame]) -> list[int]:
    return [round(frame.image.mean()) for frame in frames]


@pytest.mark.parametrize(
    "bad",
    [
        odd_images.gigapixel_png(),
        odd_images.huge_webp(),
        shade(1)[:60],
        b"",
        b"no image",
    ],
    ids=["gigapixel", "huge WebP", "half", "empty", "text"],
)
def test_a_bad_segment_is_passed_over_and_no_restart_meets_it_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes
) -> None:
    folder, journal = tmp_path / "cam", tmp_path / "cam.txt"
    folder.mkdir()
    (folder / "c1.png").write_bytes(shade(10))
    (folder / "c2.png").write_bytes(bad)

    def goes_on(frames: int) -> None:
        if frames == 1:
            time.sleep(0.5)
            (folder / "c3.png").write_bytes(shade(30))

    assert levels(play(folder, 2, journal=journal, meanwhile=goes_on)) == [10, 30]
    assert "c2.png" in journal.read_text()
    assert caplog.text.count("a segment is passed over: image") == 1
    caplog.clear()
    (folder / "c4.png").write_bytes(shade(40))
    assert levels(play(folder, 2, journal=journal)) == [30, 40]
    assert "passed over" not in caplog.text


def test_damaged_frames_and_segments_that_cannot_be_played_are_counted_over_all_segments(
    tmp_path: Path,
) -> None:
    for name in ("a1.mp4", "a2.mp4"):
        odd_videos.damaged_in_the_middle(plain_video(tmp_path / name, 60))
    (tmp_path / "a3.png").write_bytes(b"no image")
    feed, given, deadline = SegmentFeed(tmp_path), 0, time.monotonic() + LIMIT_S
    while not feed.passed_over and time.monotonic() < deadline:
        feed.open()
        while feed.read() is not None:
            given += 1
    assert 0 < given < 120
    assert feed.decode_errors == 120 - given + 1


def test_a_segment_that_crashed_the_program_three_times_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder, journal = tmp_path / "cam", tmp_path / "cam.txt"
    folder.mkdir()
    plain_video(folder / "a.mp4", 3)
    for _ in range(3):
        feed = SegmentFeed(folder, journal=journal)
        _open_next(feed)  # the program dies here
    (folder / "b.png").write_bytes(shade(90))
    assert levels(play(folder, 1, journal=journal)) == [90]
    assert "a.mp4 ended this program 3 times while it was played; encode it again" in caplog.text


def _open_next(feed: SegmentFeed) -> None:
    deadline = time.monotonic() + LIMIT_S
    while feed._video is None and time.monotonic() < deadline:
        feed.open()


def test_an_image_written_in_two_halves_is_one_whole_frame(tmp_path: Path) -> None:
    data = shade(77)
    (tmp_path / "a.png").write_bytes(data[:60])

    def rest() -> None:
        time.sleep(0.2)
        with (tmp_path / "a.png").open("ab") as file:
            file.write(data[60:])

    writer = threading.Thread(target=rest)
    writer.start()
    assert levels(play(tmp_path, 1)) == [77]
    writer.join()


def test_a_video_written_in_six_parts_is_played_once(tmp_path: Path) -> None:
    data = plain_video(tmp_path / "source.avi", 30).read_bytes()
    folder = tmp_path / "cam"
    folder.mkdir()

    def write() -> None:
        with (folder / "clip_1.avi").open("ab") as file:
            for part in range(6):
                file.write(data[part * len(data) // 6 : (part + 1) * len(data) // 6])
                file.flush()
                time.sleep(0.15)
        time.sleep(0.5)
        (folder / "end.png").write_bytes(shade(200))

    writer = threading.Thread(target=write)
    writer.start()
    frames = play(folder, 31)
    writer.join()
    assert levels(frames)[-1] == 200
    assert len({frame.time_s for frame in frames}) == 31


def test_a_segment_that_changes_while_it_is_played_is_played_again_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain_video(tmp_path / "a.mp4", 5)

    def change(frames: int) -> None:
        if frames == 2:
            os.utime(tmp_path / "a.mp4", ns=(1, 1))

    assert len(play(tmp_path, 10, meanwhile=change)) == 10
    assert "a.mp4 changed while it was played; it is played again" in caplog.text


def test_a_folder_that_goes_away_is_named_once_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "a.png").write_bytes(shade(10))

    def unmount(frames: int) -> None:
        if frames == 1:
            folder.rename(tmp_path / "away")
            threading.Timer(1.5, mount).start()

    def mount() -> None:
        (tmp_path / "away" / "b.png").write_bytes(shade(20))
        (tmp_path / "away").rename(folder)

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(segments, "_POLL_S", 0.02)
    assert levels(play(folder, 2, meanwhile=unmount)) == [10, 20]
    assert caplog.text.count("No such file or directory; check the path; trying again") == 1
    assert "the files of camera cam can be read again" in caplog.text


def test_images_have_the_times_of_their_names_and_videos_their_own(tmp_path: Path) -> None:
    for seconds in (10, 20, 45):
        (tmp_path / f"cam_20260131_1200{seconds}.png").write_bytes(shade(seconds))
    assert [frame.time_s for frame in play(tmp_path, 3)] == [0.0, 10.0, 35.0]
    videos = tmp_path / "videos"
    videos.mkdir()
    with_times(plain_video(videos / "a9.mp4", 3), [20.0, 20.0, 20.0])
    with_times(plain_video(videos / "a10.mp4", 3), [0.5, 0.5, 0.5])
    seconds_of = [round(frame.time_s, 2) for frame in play(videos, 6)]
    assert seconds_of == [0, 20, 40, 60, 60.5, 61]


def test_after_a_time_without_segments_the_next_is_played_at_its_pace(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(shade(10))
    source = open_source(str(tmp_path), SourceSettings(segments=True, speed=1.0), camera="cam")
    stop, arrived = threading.Event(), list[float]()
    for item in source.frames(stop):
        assert not isinstance(item, SourceError)
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            time.sleep(2.0)
            plain_video(tmp_path / "aside.part.mp4", 6, fps=10.0).rename(tmp_path / "b.mp4")
        if len(arrived) == 7:
            stop.set()
    assert source.dropped == 0
    assert arrived[6] - arrived[1] == pytest.approx(0.5, abs=0.15)
