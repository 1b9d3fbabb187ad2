"""A recorder's folder: every segment once, in order; then it waits for more."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera import settled_files
from edge.camera.container_ends import FileEnd
from edge.camera.segments import SegmentFeed
from edge.camera.settled_files import FileVersion
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import SourceError
from edge.vision.frames import Frame


def _segment(path: Path, grey: int, frames: int = 3, fps: float = 5.0) -> None:
    aside = path.with_name("aside.part.mp4")
    writer = cv2.VideoWriter(str(aside), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    aside.replace(path)


def test_segments_are_played_once_in_order_and_time_continues(tmp_path: Path) -> None:
    _segment(tmp_path / "b.mp4", 200)
    _segment(tmp_path / "a.mp4", 20)
    source = open_source(str(tmp_path), SourceSettings(segments=True, speed=None), camera="bridge")
    stop, seen = threading.Event(), []
    for frame in source.frames(stop):
        assert isinstance(frame, Frame)
        seen.append((frame.image.mean() > 100, round(frame.time_s, 3)))
        if len(seen) == 6:
            _segment(tmp_path / "c.mp4", 20)
        if len(seen) == 9:
            stop.set()
    assert [light for light, _ in seen] == [False] * 3 + [True] * 3 + [False] * 3
    assert [at for _, at in seen] == [round(0.2 * i, 3) for i in range(9)]


@pytest.mark.parametrize(
    ("wanted", "times"), [(None, [0.0, 0.2, 0.4, 0.5, 0.6, 0.8]), (10.0, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])]
)
def test_a_segment_plays_at_its_own_rate_unless_another_is_asked_for(
    tmp_path: Path, wanted: float | None, times: list[float]
) -> None:
    for name, fps in (("a.mp4", 5.0), ("b.mp4", 10.0), ("c.mp4", 5.0)):
        _segment(tmp_path / name, 20, frames=2, fps=fps)
    how = SourceSettings(segments=True, speed=None, fps=wanted)
    source, stop, seen = open_source(str(tmp_path), how, camera="bridge"), threading.Event(), []
    for frame in source.frames(stop):
        assert isinstance(frame, Frame)
        seen.append(round(frame.time_s, 3))
        if len(seen) == 6:
            stop.set()
    assert seen == times


def test_over_a_restart_only_what_was_not_played_to_its_end_is_played_again(tmp_path: Path) -> None:
    folder, journal = tmp_path / "bridge", tmp_path / "node" / "segments" / "bridge.txt"
    folder.mkdir()

    def play(frames: int) -> list[bool]:
        how = SourceSettings(segments=True, speed=None, journal=journal)
        source, stop, bright = open_source(str(folder), how, camera="bridge"), threading.Event(), []
        for frame in source.frames(stop):
            assert isinstance(frame, Frame)
            bright.append(bool(frame.image.mean() > 100))
            if len(bright) == frames:
                stop.set()
        return bright

    _segment(folder / "a.mp4", 20)
    _segment(folder / "b.mp4", 200)
    assert play(5) == [False] * 3 + [True] * 2
    _segment(folder / "c.mp4", 20)
    assert play(6) == [True] * 3 + [False] * 3
    _segment(folder / "a.mp4", 200)
    assert play(6) == [True] * 3 + [False] * 3, "a name used again is another segment; c was cut off"


def test_an_empty_folder_waits_until_a_stop_is_requested(tmp_path: Path) -> None:
    source = open_source(str(tmp_path), SourceSettings(segments=True, speed=None), camera="bridge")
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    assert list(source.frames(stop)) == []


def test_an_absent_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        open_source(str(tmp_path / "absent"), SourceSettings(segments=True, speed=1.0), camera="bridge")


def test_images_that_a_recorder_adds_are_segments_of_one_frame(tmp_path: Path) -> None:
    for name, grey in (("b.png", 200), ("a.jpg", 20)):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), grey, np.uint8))
    source = open_source(str(tmp_path), SourceSettings(segments=True, speed=None), camera="road")
    stop, seen = threading.Event(), []
    for frame in source.frames(stop):
        assert isinstance(frame, Frame)
        seen.append((frame.image.mean() > 100, round(frame.time_s, 3)))
        if len(seen) == 2:
            stop.set()
    assert seen == [(False, 0.0), (True, 0.2)]


@pytest.mark.parametrize("speed", [None, 100.0])
@pytest.mark.parametrize("name", ["a.mp4", "a.png"])
def test_a_segment_that_cannot_be_decoded_is_skipped_for_good(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    speed: float | None,
) -> None:
    monkeypatch.setitem(settled_files.WAIT_S, FileEnd.UNKNOWN, 0.5)
    folder, journal = tmp_path / "bridge", tmp_path / "bridge.txt"
    folder.mkdir()
    (folder / name).write_bytes(b"cut off by a power failure")
    _segment(folder / "b.mp4", 200)
    how = SourceSettings(segments=True, speed=speed, journal=journal)
    stop = threading.Event()
    for frame in open_source(str(folder), how, camera="bridge").frames(stop):
        assert isinstance(frame, Frame)
        stop.set()
    assert "passed over" in caplog.text
    assert name in journal.read_text()


def test_a_segment_that_is_removed_before_it_is_opened_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        _segment(tmp_path / name, 200)
    feed = SegmentFeed(tmp_path, 5.0)
    finished = [FileVersion.of(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    (tmp_path / "a.mp4").unlink()
    monkeypatch.setattr(feed._files, "finished", lambda known: (v for v in finished if v.key not in known))
    monkeypatch.setattr(feed._files, "versions", tuple(finished))
    feed.open()
    assert feed.read() is None
    feed.open()
    assert feed.read() is not None
    feed.close()
    assert feed.passed_over == 1
