import threading
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.camera.source_settings import Clock, SourceSettings
from edge.camera.sources import DirectSource, FrameSource, PacedSource, open_source
from edge.errors import SourceError
from edge.vision.frames import Frame

Image = npt.NDArray[np.uint8]
FAST = SourceSettings(speed=None)


def grey_image(value: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "street.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for i in range(12):
        writer.write(grey_image(20 * i))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "stills"
    root.mkdir()
    for i in (2, 0, 1):
        cv2.imwrite(str(root / f"{i}.png"), grey_image(50 * i))
    (root / "notes.txt").write_text("no image")
    return root


def frames_of(source: FrameSource, count: int | None = None) -> list[Frame]:
    found: list[Frame] = []
    for item in source.frames(threading.Event()):
        assert isinstance(item, Frame)
        found.append(item)
        if len(found) == count:
            break
    return found


def test_a_video_without_pace_gives_every_frame_and_the_reason_of_its_end(video: Path) -> None:
    source = open_source(str(video), FAST, camera="cam")
    frames = frames_of(source)
    assert [f.index for f in frames] == list(range(12))
    assert [round(f.time_s, 3) for f in frames] == [i / 10 for i in range(12)]
    assert frames[0].image.shape == (48, 64, 3)
    assert source.dropped == 0
    assert source.ended == f"video {video} ended after 12 frames"


def test_time_continues_when_a_video_is_looped(video: Path) -> None:
    source = open_source(str(video), SourceSettings(speed=None, loop=True), camera="cam")
    frames = frames_of(source, 30)
    assert [round(f.time_s, 3) for f in frames] == [round(i / 10, 3) for i in range(30)]


def test_a_paced_video_takes_its_own_time_and_drops_frames_for_a_slow_consumer(video: Path) -> None:
    source = open_source(str(video), SourceSettings(speed=4.0), camera="cam")
    begun, frames = time.monotonic(), []
    for item in source.frames(threading.Event()):
        assert isinstance(item, Frame)
        frames.append(item)
        time.sleep(0.08)
    assert time.monotonic() - begun >= 1.1 / 4
    assert len(frames) + source.dropped == 12
    assert source.dropped > 0
    assert frames[-1].index == 11


def test_a_folder_is_read_in_the_order_of_its_names(folder: Path) -> None:
    source = open_source(str(folder), SourceSettings(speed=None, fps=2.0), camera="cam")
    frames = frames_of(source)
    assert [int(f.image[0, 0, 0]) for f in frames] == [0, 50, 100]
    assert [f.time_s for f in frames] == [0.0, 0.5, 1.0]
    assert source.ended == f"folder {folder} ended after 3 images"


def test_an_unreadable_image_is_skipped_and_counted(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"not an image")
    source = open_source(str(folder), FAST, camera="cam")
    assert len(frames_of(source)) == 2
    assert source.ended == f"folder {folder} ended after 2 images, 1 unreadable"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda p: p / "gone.mp4",
            "source {path} does not exist; give a video file, a folder of images, rtsp://… or usb:N",
        ),
        (
            lambda p: _written(p / "text.mp4", b"no video at all"),
            "video {path} cannot be read; give an mp4, avi or mkv that OpenCV decodes",
        ),
        (
            lambda p: _folder(p / "empty"),
            "folder {path} holds no images; expected .jpg, .jpeg, .png, .bmp, .webp, .tif, .tiff",
        ),
    ],
    ids=["absent", "not a video", "empty folder"],
)
def test_bad_input_is_refused_with_one_sentence(tmp_path: Path, make: object, sentence: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]  # a lambda of the table
    with pytest.raises(SourceError) as caught:
        open_source(str(path), FAST, camera="cam")
    assert str(caught.value) == sentence.format(path=path)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_direct_source_stops_when_asked(video: Path) -> None:
    source, stop = open_source(str(video), FAST, camera="cam"), threading.Event()
    assert isinstance(source, DirectSource)
    for item in source.frames(stop):
        assert isinstance(item, Frame)
        stop.set()
    assert source.ended == "source of cam was stopped"


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="queue_size must be 1 or 2; got 7"):
        SourceSettings(speed=1.0, queue_size=7)
    with pytest.raises(ValueError, match="must be positive"):
        SourceSettings(speed=1.0, timeout_s=-1)


class Flaky:
    """A feed that fails on the passes that are named and has one image on the others."""

    fps, time_s, ended = 5.0, None, None

    def __init__(self, failures: dict[int, Exception]) -> None:
        self.failures, self.passes, self._left = failures, 0, 0

    def open(self) -> None:
        self.passes += 1
        self._left = 1
        if self.passes in self.failures:
            raise self.failures[self.passes]

    def read(self) -> Image | None:
        self._left -= 1
        return grey_image(self.passes) if self._left == 0 else None

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "error",
    [SourceError("share is away"), OSError(5, "input/output error"), MemoryError()],
    ids=["source", "disk", "memory"],
)
@pytest.mark.parametrize("paced", [True, False])
def test_a_pass_that_fails_is_reported_once_and_the_next_is_played(error: Exception, paced: bool) -> None:
    feed = Flaky({2: error, 3: error})
    settings = SourceSettings(speed=100.0 if paced else None, loop=True, queue_size=2)
    source = (PacedSource if paced else DirectSource)("cam", feed, settings, Clock())
    stop, errors, last = threading.Event(), list[str](), 0
    for item in source.frames(stop):
        if isinstance(item, SourceError):
            errors.append(str(item))
        else:
            last = int(item.image[0, 0, 0])
            if last >= 4:
                stop.set()
    assert len(errors) == 1
    assert last >= 4


@pytest.mark.parametrize("paced", [True, False])
def test_an_unexpected_error_reaches_the_consumer_which_begins_again(paced: bool) -> None:
    settings = SourceSettings(speed=100.0 if paced else None, loop=True)
    feed = Flaky({2: ZeroDivisionError("a fault of ours")})
    source = (PacedSource if paced else DirectSource)("cam", feed, settings, Clock())
    with pytest.raises(ZeroDivisionError):
        list(source.frames(threading.Event()))
