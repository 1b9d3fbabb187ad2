"""A live camera that is lost in every way: its frames go on, without a restart."""

import random
import threading
import time

import numpy as np
import numpy.typing as npt
import pytest

from edge.camera.live_source import LiveSource
from edge.camera.source_settings import Clock, SourceSettings
from edge.errors import SourceError, UndecodableImage
from edge.vision.frames import Frame

Image = npt.NDArray[np.uint8]


def grey_image(value: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), value, np.uint8)


class FakeCamera:
    """A live feed that follows a script: an image, None (stops sending) or an error on opening."""

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


def live(feed: FakeCamera, **changes: float) -> LiveSource:
    settings = SourceSettings(**{"speed": 1.0, "backoff_first_s": 0.01, "backoff_max_s": 0.05, **changes})  # type: ignore[arg-type]  # floats only
    return LiveSource("cam", feed, settings, Clock(), jitter=random.Random(0))


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
        [[grey_image(1)] * 2, SourceError("refused"), SourceError("refused"), [grey_image(2)] * 3], 0.02
    )
    source, stop, items = live(feed), threading.Event(), []
    for item in source.frames(stop):
        items.append(item)
        if isinstance(item, Frame) and item.image[0, 0, 0] == 2:
            break
    errors = [str(i) for i in items if isinstance(i, SourceError)]
    assert errors == ["camera cam stopped sending; trying again", "refused"]
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
    assert time.monotonic() - begun < 15.0


def test_a_consumer_that_raises_leaves_no_reader_behind() -> None:
    feed = FakeCamera([[grey_image(i % 255) for i in range(10_000)]], 0.001)
    frames = live(feed).frames(threading.Event())
    assert isinstance(next(frames), Frame)
    with pytest.raises(RuntimeError):
        frames.throw(RuntimeError("the consumer broke"))  # type: ignore[attr-defined]  # a generator
    assert not [t for t in threading.enumerate() if t.name == "reader-cam"]


@pytest.mark.parametrize(
    ("error", "sentence", "decode_errors"),
    [
        (MemoryError(), "camera cam: no memory for its image; free memory", 0),
        (OSError(5, "Input/output error"), "reader of camera cam failed (OSError); trying again", 0),
        (ValueError("a fault of our own"), "reader of camera cam failed (ValueError); trying again", 0),
        (UndecodableImage("camera cam cannot be decoded"), "camera cam cannot be decoded", 2),
    ],
    ids=["no memory", "system", "unexpected", "decoder"],
)
def test_no_error_ends_a_camera_and_frames_go_on_afterwards(
    error: Exception, sentence: str, decode_errors: int
) -> None:
    class Failing(FakeCamera):
        def read(self) -> Image | None:
            if len(self.passes) > 1:
                raise error
            return super().read()

    source = live(Failing([[], [], [], [grey_image(7)] * 3], 0.02))
    items: list[Frame | SourceError] = []
    for item in source.frames(threading.Event()):
        items.append(item)
        if isinstance(item, Frame):
            break
    assert [str(i) for i in items if isinstance(i, SourceError)] == [
        sentence,
        "camera cam stopped sending; trying again",
    ]
    assert (source.failures, source.reconnects, source.decode_errors) == (3, 1, decode_errors)


def test_a_camera_that_sends_one_image_a_connection_is_asked_less_and_less_often() -> None:
    source = live(FakeCamera([[grey_image(i)] for i in range(12)]), backoff_first_s=0.05, backoff_max_s=2.0)
    items, times = [], []
    for item in source.frames(threading.Event()):
        items.append(item)
        if isinstance(item, Frame):
            times.append(item.time_s)
        if len(times) == 4:
            break
    assert times[3] - times[2] >= 0.5 * 0.2, "the third wait is four times the first or more, less the jitter"
    sentence = "sent one image and stopped; give the address of its video stream, not of a snapshot"
    assert f"camera cam {sentence}" in map(str, items), "a newer image takes the place of a sentence"


def test_waits_are_short_again_after_a_connection_that_held() -> None:
    passes: list[list[Image] | SourceError] = [SourceError("refused")] * 6
    passes += [[grey_image(i % 2) for i in range(30)], [grey_image(9)]]
    source = live(FakeCamera(passes, 0.02), backoff_first_s=0.01, backoff_max_s=10.0, timeout_s=0.3)
    last_s = waited_s = 0.0
    for item in source.frames(threading.Event()):
        if isinstance(item, Frame):
            if item.image[0, 0, 0] == 9:
                waited_s = item.time_s - last_s
                break
            last_s = item.time_s
    assert 0 < waited_s < 0.2
