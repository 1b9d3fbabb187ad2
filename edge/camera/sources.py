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

from edge.camera.capture import Feed
from edge.camera.decoder_log import silence_decoders
from edge.camera.file_timeline import FileTimeline
from edge.camera.image_folder import FolderFeed
from edge.camera.live_feed import CameraFeed
from edge.camera.live_source import LiveSource
from edge.camera.newest_frames import NewestFrames
from edge.camera.segments import SegmentFeed
from edge.camera.source_settings import Clock, SourceSettings
from edge.camera.video_feed import VideoFeed
from edge.errors import SourceError
from edge.source_address import parse_source
from edge.vision.frames import Frame
from edge.vision.image_files import IMAGE_SUFFIXES
from messaging.runtime.backoff import Backoff

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
        """Whether a camera sends the same image again and again."""

    @property
    def decode_errors(self) -> int:
        """Images that could not be decoded."""

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
        is_image = path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES
        feed = FolderFeed(path, settings.fps) if is_image else VideoFeed(path, settings.fps)
    if settings.speed is None:
        return DirectSource(camera, feed, settings, clock)
    return PacedSource(camera, feed, settings, clock)


class DirectSource:
    """Every frame of a file or folder, as fast as the consumer takes them; nothing is dropped."""

    dropped = reconnects = failures = 0
    frozen = False

    def __init__(self, camera: str, feed: Feed, settings: SourceSettings, clock: Clock) -> None:
        self.camera = camera
        self.ended: str | None = None
        self._feed, self._loop, self._clock = feed, settings.loop, clock

    @property
    def decode_errors(self) -> int:
        """Images that could not be decoded."""
        return self._feed.decode_errors

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames in order; see `FrameSource.frames`."""
        try:
            for item in _passes(self.camera, self._feed, self._clock, loop=self._loop, stop=stop):
                if item is not None:
                    yield item
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
        self._fault: Exception | None = None
        self._queue = NewestFrames(settings.queue_size)

    @property
    def dropped(self) -> int:
        """Frames that were read but never given to the consumer."""
        return self._queue.dropped

    @property
    def decode_errors(self) -> int:
        """Images that could not be decoded."""
        return self._feed.decode_errors

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames as they are due; see `FrameSource.frames`. Closing the iterator stops the reader.

        What the reader did not expect is raised here, for the consumer's thread to begin again.
        """
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
                if self._fault is not None:
                    raise self._fault
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
        except Exception as error:  # noqa: BLE001  # a thread's top; it is raised again for the consumer
            self._fault = error
            self.ended = f"reader of camera {self.camera} stopped by {type(error).__name__}; see the log"
        finally:
            self._feed.close()
            self._queue.end(stop)

    def _read_paced(self, stop: threading.Event) -> None:
        begun, pace = self._clock.monotonic(), self._settings.speed or 1.0
        idle = False
        for item in _passes(self.camera, self._feed, self._clock, loop=self._settings.loop, stop=stop):
            if not isinstance(item, Frame):
                idle = True
                if item is not None:
                    self._queue.offer(item)
                continue
            ahead_s = begun + item.time_s / pace - self._clock.monotonic()
            if idle and ahead_s < 0:
                # Time in which there was nothing to play is no delay: what comes now is played at its pace.
                begun, ahead_s = begun - ahead_s, 0.0
            idle = False
            if stop.wait(max(0.0, ahead_s)):
                return
            # A consumer sees when a frame was due, not when the file was opened.
            self._queue.offer(replace(item, captured_at_utc=self._clock.utc()))
        self.ended = self._feed.ended


def _passes(
    camera: str, feed: Feed, clock: Clock, *, loop: bool, stop: threading.Event
) -> Iterator[Frame | SourceError | None]:
    """The frames of one pass, or with `loop` of pass after pass; None after a pass without frames.

    With `loop`, a pass that fails is tried again after growing waits; its reason is yielded once.
    """
    timeline, backoff, index = FileTimeline(), Backoff(0.5, 30.0), 0
    problem: str | None = None
    while not stop.is_set():
        first = index
        try:
            feed.open()
            while not stop.is_set() and (image := feed.read()) is not None:
                at_s = timeline.next_s(feed.time_s, feed.fps)
                _recovered(camera, problem, backoff)
                problem = None
                yield Frame(camera, image, index, at_s, clock.utc())
                index += 1
        except (SourceError, OSError, MemoryError) as error:
            feed.close()
            if not loop:
                raise
            sentence = str(error) if isinstance(error, SourceError) else f"{camera}: {type(error).__name__}"
            if sentence != problem:
                problem = sentence
                logger.warning("%s; trying again", sentence)
                yield SourceError(sentence)
            stop.wait(backoff.next_s())
            continue
        if not loop:
            return
        _recovered(camera, problem, backoff)
        problem = None
        if index == first:
            yield None


def _recovered(camera: str, problem: str | None, backoff: Backoff) -> None:
    """Report once that the files of a camera can be read again, after a problem."""
    if problem is not None:
        logger.info("the files of camera %s can be read again", camera)
        backoff.reset()
