import random
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.camera.sources import Clock, DirectSource, FrameSource, QueuedSource, SourceSettings, open_source
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


class FakeCamera:
    """A live feed that follows a script: an image, None (stops sending) or an error on opening."""

    live = True
    fps = None
    ended = None

    def __init__(self, passes: list[list[Image] | SourceError], pause_s: float = 0.0) -> None:
        self.passes, self.pause_s, self.closed = passes, pause_s, 0
        self._images: list[Image] = []

    def open(self) -> None:
        if not self.passes:
            raise SourceError("camera does not answer")
        following = self.passes.pop(0)
        if isinstance(following, SourceError):
            raise following
        self._images = list(following)

    def read(self) -> Image | None:
        time.sleep(self.pause_s)
        return self._images.pop(0) if self._images else None

    def close(self) -> None:
        self.closed += 1


def live(feed: FakeCamera, **changes: float) -> QueuedSource:
    settings = SourceSettings(**{"speed": 1.0, "backoff_first_s": 0.01, "backoff_max_s": 0.05, **changes})  # type: ignore[arg-type]  # floats only
    return QueuedSource("cam", feed, settings, Clock(), jitter=random.Random(0))


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
            "folder {path} holds no images; expected .jpg, .jpeg, .png, .bmp, .webp",
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


def test_the_newest_frame_of_a_camera_is_kept_and_dropped_ones_are_counted() -> None:
    source = live(FakeCamera([[grey_image(i) for i in range(100)]]))
    stop, seen = threading.Event(), []
    for item in source.frames(stop):
        if isinstance(item, SourceError):
            break
        seen.append(item.index)
        time.sleep(0.05)
    assert seen == sorted(seen)
    assert len(seen) + source.dropped == 100
    assert source.dropped > 50


def test_a_lost_camera_is_reported_and_opened_again() -> None:
    feed = FakeCamera(
        [[grey_image(1)], SourceError("refused"), SourceError("refused"), [grey_image(2)] * 3], 0.02
    )
    source, stop, items = live(feed), threading.Event(), []
    for item in source.frames(stop):
        items.append(item)
        if isinstance(item, Frame) and item.image[0, 0, 0] == 2:
            break
    errors = [str(i) for i in items if isinstance(i, SourceError)]
    assert errors == ["camera cam stopped sending; trying again"]
    assert source.reconnects == 1
    assert feed.closed >= 3


def test_a_camera_that_sends_no_frame_is_an_error_and_not_an_empty_street() -> None:
    class Silent(FakeCamera):
        def read(self) -> Image | None:
            time.sleep(0.4)
            return None

    source = live(Silent([[]]), timeout_s=0.15)
    item = next(iter(source.frames(threading.Event())))
    assert isinstance(item, SourceError)
    assert str(item) == "camera cam gave no frame for 0.15 s; check its power and its address"


def test_a_stop_ends_the_frames_of_a_camera_that_never_answers() -> None:
    source, stop = live(FakeCamera([])), threading.Event()
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    assert all(isinstance(item, SourceError) for item in source.frames(stop))
    assert time.monotonic() - begun < 1.5


def test_a_consumer_that_raises_leaves_no_reader_behind() -> None:
    feed = FakeCamera([[grey_image(i % 255) for i in range(10_000)]], 0.001)
    frames = live(feed).frames(threading.Event())
    assert isinstance(next(frames), Frame)
    with pytest.raises(RuntimeError):
        frames.throw(RuntimeError("the consumer broke"))  # type: ignore[attr-defined]  # a generator
    assert not [t for t in threading.enumerate() if t.name == "reader-cam"]


def test_an_error_inside_the_reader_reaches_the_consumer_and_ends_the_frames() -> None:
    class Broken(FakeCamera):
        def read(self) -> Image | None:
            raise MemoryError

    source = live(Broken([[]]))
    items = list(source.frames(threading.Event()))
    assert [str(i) for i in items] == ["reader of camera cam stopped: MemoryError"]


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
