"""Where frames come from: RTSP or USB cameras, video files and image folders, all through OpenCV.

Live cameras and paced files are read by a thread of their own: the newest frame wins, older ones are
dropped and counted, a lost camera is opened again with jittered back-off. A frame never waits for its
consumer unless the consumer asks for every frame.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.camera.capture import CameraFeed, Feed, FolderFeed, VideoFeed, is_camera
from edge.camera.segments import SegmentFeed
from edge.errors import SourceError
from edge.vision.frames import Frame
from messaging.runtime.backoff import Backoff

logger = logging.getLogger(__name__)
_JOIN_S = 2.0


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read.

    Attributes:
        speed: pace of files as a multiple of real time; None yields every frame as fast as it is consumed.
        fps: frames per second; None takes a video's own, and five for images.
        loop: whether a file or folder starts again at its end.
        segments: a folder holds video segments that a recorder adds to, not images; it never ends.
        journal: file that records which segments were played, over restarts.
        timeout_s: a live camera without a frame for this long is reported as lost and opened again.
        backoff_first_s, backoff_max_s: wait before the first and the later attempts to open a camera.
        queue_size: frames kept for a slow consumer, 1 or 2.
    """

    speed: float | None
    fps: float | None = None
    loop: bool = False
    segments: bool = False
    journal: Path | None = None
    timeout_s: float = 5.0
    backoff_first_s: float = 0.5
    backoff_max_s: float = 30.0
    queue_size: int = 1

    def __post_init__(self) -> None:
        if self.queue_size not in (1, 2):
            raise ValueError(f"queue_size must be 1 or 2; got {self.queue_size}")
        if min(self.timeout_s, self.backoff_first_s, self.backoff_max_s, self.speed or 1, self.fps or 1) <= 0:
            raise ValueError(f"seconds, speed and fps of a source must be positive; got {self}")


@dataclass(frozen=True)
class Clock:
    """The two clocks of a source, in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time


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
    def ended(self) -> str | None:
        """Why there are no more frames, in one sentence; None while there may be."""

    def frames(self, stop: threading.Event) -> Iterator[Frame | SourceError]:
        """Frames until the end or until `stop`; a `SourceError` item means that a camera is lost for now."""


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
    clock = clock or Clock()
    if is_camera(uri):
        feed: Feed = CameraFeed(uri, settings.timeout_s)
        return QueuedSource(camera, feed, settings, clock, jitter=jitter or random.Random())
    path = Path(uri)
    if not path.exists():
        raise SourceError(
            f"source {uri} does not exist; give a video file, a folder of images, rtsp://… or usb:N"
        )
    if settings.segments:
        feed = SegmentFeed(path, settings.fps, journal=settings.journal)
        settings = replace(settings, loop=True)
    else:
        feed = FolderFeed(path, settings.fps) if path.is_dir() else VideoFeed(path, settings.fps)
    if settings.speed is None:
        return DirectSource(camera, feed, settings, clock)
    return QueuedSource(camera, feed, settings, clock, jitter=jitter or random.Random())


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

    dropped = 0
    reconnects = 0

    def __init__(self, camera: str, feed: Feed, settings: SourceSettings, clock: Clock) -> None:
        self.camera = camera
        self.ended: str | None = None
        self._feed, self._loop, self._clock = feed, settings.loop, clock

    def frames(self, stop: threading.Event) -> Iterator[Frame | SourceError]:
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


class QueuedSource:
    """A live camera or a paced file, read by a thread: newest frame wins, drops are counted."""

    def __init__(
        self, camera: str, feed: Feed, settings: SourceSettings, clock: Clock, *, jitter: random.Random
    ) -> None:
        self.camera = camera
        self.dropped = 0
        self.reconnects = 0
        self.ended: str | None = None
        self._feed, self._settings, self._clock, self._jitter = feed, settings, clock, jitter
        self._queue: queue.Queue[Frame | SourceError | None] = queue.Queue(settings.queue_size)

    def frames(self, stop: threading.Event) -> Iterator[Frame | SourceError]:
        """Frames as they arrive; see `FrameSource.frames`. Closing the iterator stops the reader."""
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
        last_seen, silent = self._clock.monotonic(), False
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                waited = self._clock.monotonic() - last_seen
                if self._feed.live and not silent and waited > self._settings.timeout_s:
                    silent = True
                    yield SourceError(
                        f"camera {self.camera} gave no frame for "
                        f"{self._settings.timeout_s:g} s; check its power and its address"
                    )
                continue
            if item is None:
                return
            if isinstance(item, Frame):
                last_seen, silent = self._clock.monotonic(), False
            yield item

    def _read(self, stop: threading.Event) -> None:
        """The thread's top: whatever happens, the end mark reaches the consumer."""
        try:
            if self._feed.live:
                self._read_live(stop)
            else:
                self._read_paced(stop)
        except SourceError as error:
            self._offer(error)
            self.ended = str(error)
        except Exception as error:
            logger.exception("reader of camera %s stopped", self.camera)
            self._offer(SourceError(f"reader of camera {self.camera} stopped: {type(error).__name__}"))
            self.ended = f"reader of camera {self.camera} stopped by {type(error).__name__}; see the log"
        finally:
            self._feed.close()
            self._end(stop)

    def _read_paced(self, stop: threading.Event) -> None:
        timeline = _FileTimeline(self.camera, self._feed, self._clock)
        begun, pace = self._clock.monotonic(), self._settings.speed or 1.0
        while not stop.is_set():
            for frame in _one_pass(self._feed, timeline, stop):
                if stop.wait(max(0.0, begun + frame.time_s / pace - self._clock.monotonic())):
                    return
                # A consumer sees when a frame was due, not when the file was opened.
                self._offer(replace(frame, captured_at_utc=self._clock.utc()))
            if not self._settings.loop:
                self.ended = self._feed.ended
                return

    def _read_live(self, stop: threading.Event) -> None:
        timeline = _FileTimeline(self.camera, self._feed, self._clock)
        settings, lost = self._settings, False
        backoff = Backoff(settings.backoff_first_s, settings.backoff_max_s, self._jitter)
        while not stop.is_set():
            try:
                for frame in _one_pass(self._feed, timeline, stop):
                    if lost:
                        lost = False
                        backoff.reset()
                        self.reconnects += 1
                        logger.info("camera %s is back", self.camera)
                    self._offer(frame)
                reason = SourceError(f"camera {self.camera} stopped sending; trying again")
            except SourceError as error:
                reason = error
            self._feed.close()
            if not lost and not stop.is_set():
                logger.info("%s", reason)
                self._offer(reason)
            lost = True
            stop.wait(backoff.next_s())

    def _offer(self, item: Frame | SourceError | None) -> None:
        """Put without waiting: a full queue drops and counts its oldest frame."""
        while True:
            try:
                self._queue.put_nowait(item)
                return
            except queue.Full:
                try:
                    dropped = self._queue.get_nowait()
                except queue.Empty:
                    continue
                self.dropped += isinstance(dropped, Frame)

    def _end(self, stop: threading.Event) -> None:
        """The end mark waits for the last frame to be taken, as long as there is a consumer."""
        while not stop.is_set():
            try:
                self._queue.put(None, timeout=0.1)
                return
            except queue.Full:
                continue
        self._offer(None)


def _one_pass(feed: Feed, timeline: _FileTimeline, stop: threading.Event) -> Iterator[Frame]:
    """Open the feed and stamp its images up to its end."""
    feed.open()
    while not stop.is_set():
        image = feed.read()
        if image is None:
            return
        yield timeline.stamp(image)
