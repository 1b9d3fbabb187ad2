"""Where frames come from: RTSP or USB cameras, video files and image folders, all through OpenCV.

Live cameras (`edge.camera.live_source`) and paced files are read by a thread of their own: the newest frame
wins, older ones are dropped and counted. A frame never waits for its consumer unless the consumer asks for
every frame.
"""

import logging
import queue
import random
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.camera.capture import Feed, FolderFeed, VideoFeed
from edge.camera.decoder_log import silence_decoders
from edge.camera.live_feed import CameraFeed
from edge.camera.live_source import LiveSource
from edge.camera.newest_frames import NewestFrames
from edge.camera.segments import SegmentFeed
from edge.camera.source_settings import Clock, SourceSettings
from edge.errors import SourceError
from edge.source_address import parse_source
from edge.vision.frames import Frame

logger = logging.getLogger(__name__)
_JOIN_S = 2.0


class FrameSource(Protocol):
    """A camera, a file or a folder. One consumer, one pass."""

    @property
    def camera(self) -> str:
        """Slug of the camera."""

    @property
    def dropped(self) -> int:
        """Frames that were read but never given to the consumer."""

    @property
    def reconnects(self) -> int:
        """How often a camera was opened again."""

    @property
    def failures(self) -> int:
        """Connections to a camera that failed or ended."""

    @property
    def frozen(self) -> bool:
        """Whether a camera sends one and the same picture."""

    @property
    def ended(self) -> str | None:
        """Why there are no more frames, in one sentence; None while there may be."""

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames until the end or until `stop`; a `SourceError` item (logged here) means a lost camera."""


def open_source(
    uri: str,
    settings: SourceSettings,
    *,
    camera: str,
    clock: Clock | None = None,
    jitter: random.Random | None = None,
) -> FrameSource:
    """The source behind a URI: `rtsp://…`, `usb:0`, `/dev/video0`, a video file or a folder of images.

    Raises:
        SourceError: a file or folder that does not exist, cannot be read or contains no image. A camera that
            does not respond is no error here; its frames start when it does.
    """
    silence_decoders()
    clock = clock or Clock()
    try:
        address = parse_source(uri)
    except ValueError as error:
        raise SourceError(f"camera {camera}: {error}") from None
    if address.is_camera:
        live = CameraFeed(address, settings.timeout_s)
        return LiveSource(camera, live, settings, clock, jitter=jitter or random.Random())
    path = Path(address.text)
    if not path.exists():
        raise SourceError(
            f"source {uri} does not exist; give a video file, a folder of images, rtsp://… or usb:N"
        )
    if settings.segments:
        feed: Feed = SegmentFeed(path, settings.fps, journal=settings.journal)
        settings = replace(settings, loop=True)
    else:
        feed = FolderFeed(path, settings.fps) if path.is_dir() else VideoFeed(path, settings.fps)
    if settings.speed is None:
        return DirectSource(camera, feed, settings, clock)
    return PacedSource(camera, feed, settings, clock)


class _FileTimeline:
    """Stamps the frames of one feed: index, media seconds that go on over a loop or segments, UTC."""

    def __init__(self, camera: str, feed: Feed, clock: Clock) -> None:
        self._camera, self._feed, self._clock = camera, feed, clock
        self._index = 0
        self._start_utc: float | None = None
        self._fps, self._at_fps, self._since_s = feed.fps, 0, 0.0

    def stamp(self, image: npt.NDArray[np.uint8]) -> Frame:
        fps = self._feed.fps
        if fps is None:
            at, utc = self._clock.monotonic(), self._clock.utc()
        else:
            if self._start_utc is None:
                self._start_utc = self._clock.utc()
            at = self._media_s(fps)
            utc = self._start_utc + at
        frame = Frame(self._camera, image, self._index, at, utc)
        self._index += 1
        return frame

    def _media_s(self, fps: float) -> float:
        """Seconds of the next frame; a segment of another rate goes on from where the one before ended."""
        if fps != self._fps:
            self._since_s += self._at_fps / (self._fps or fps)
            self._fps, self._at_fps = fps, 0
        at = self._since_s + self._at_fps / fps
        self._at_fps += 1
        return at


class DirectSource:
    """Every frame of a file or folder, as fast as the consumer takes them; nothing is dropped."""

    dropped = reconnects = failures = 0
    frozen = False

    def __init__(self, camera: str, feed: Feed, settings: SourceSettings, clock: Clock) -> None:
        self.camera = camera
        self.ended: str | None = None
        self._feed, self._loop, self._clock = feed, settings.loop, clock

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames in order; see `FrameSource.frames`."""
        timeline = _FileTimeline(self.camera, self._feed, self._clock)
        try:
            while not stop.is_set():
                yield from _one_pass(self._feed, timeline, stop)
                if not self._loop or stop.is_set():
                    break
        finally:
            self._feed.close()
            self.ended = self._feed.ended if not stop.is_set() else f"source of {self.camera} was stopped"


class PacedSource:
    """A file or folder at a pace, read by a thread: newest frame wins, drops are counted."""

    reconnects = failures = 0
    frozen = False

    def __init__(self, camera: str, feed: Feed, settings: SourceSettings, clock: Clock) -> None:
        self.camera = camera
        self.ended: str | None = None
        self._feed, self._settings, self._clock = feed, settings, clock
        self._queue = NewestFrames(settings.queue_size)

    @property
    def dropped(self) -> int:
        """Frames that were read but never given to the consumer."""
        return self._queue.dropped

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames as they are due; see `FrameSource.frames`. Closing the iterator stops the reader."""
        own_stop = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(own_stop,), name=f"reader-{self.camera}", daemon=True
        )
        reader.start()
        try:
            yield from self._take(stop)
        finally:
            own_stop.set()
            reader.join(_JOIN_S)
            self.ended = self.ended or f"source of {self.camera} was stopped"

    def _take(self, stop: threading.Event) -> Iterator[Frame | SourceError]:
        while not stop.is_set():
            try:
                item = self._queue.take(0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item

    def _read(self, stop: threading.Event) -> None:
        """The thread's top: whatever happens, the end mark reaches the consumer."""
        try:
            self._read_paced(stop)
        except SourceError as error:
            logger.warning("%s", error)
            self._queue.offer(error)
            self.ended = str(error)
        except Exception as error:
            logger.exception("reader of camera %s stopped", self.camera)
            self._queue.offer(SourceError(f"reader of camera {self.camera} stopped: {type(error).__name__}"))
            self.ended = f"reader of camera {self.camera} stopped by {type(error).__name__}; see the log"
        finally:
            self._feed.close()
            self._queue.end(stop)

    def _read_paced(self, stop: threading.Event) -> None:
        timeline = _FileTimeline(self.camera, self._feed, self._clock)
        begun, pace = self._clock.monotonic(), self._settings.speed or 1.0
        while not stop.is_set():
            for frame in _one_pass(self._feed, timeline, stop):
                if stop.wait(max(0.0, begun + frame.time_s / pace - self._clock.monotonic())):
                    return
                # A consumer sees when a frame was due, not when the file was opened.
                self._queue.offer(replace(frame, captured_at_utc=self._clock.utc()))
            if not self._settings.loop:
                self.ended = self._feed.ended
                return


def _one_pass(feed: Feed, timeline: _FileTimeline, stop: threading.Event) -> Iterator[Frame]:
    """Open the feed and stamp its images up to its end."""
    feed.open()
    while not stop.is_set():
        image = feed.read()
        if image is None:
            return
        yield timeline.stamp(image)
