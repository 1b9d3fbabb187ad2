"""A live camera, read by a supervised thread that connects again for as long as the node runs.

Whatever a connection ends with (a camera that is off, silent, frozen or sends what no decoder takes, an
error of the system, no memory) is a counted failure, after which the reader waits, longer each time, and
connects again; the waits are short again after a connection that held for `timeout_s`. One sentence is logged
and given to the consumer when a camera is lost, another when the reason changes.
"""

import itertools
import logging
import queue
import random
import threading
from collections.abc import Generator, Iterator
from typing import Protocol

from edge.camera.capture import Image
from edge.camera.freeze import FreezeWatch
from edge.camera.newest_frames import NewestFrames
from edge.camera.source_settings import Clock, SourceSettings
from edge.errors import SourceError, UndecodableImage
from edge.vision.frames import Frame
from messaging.runtime.supervisor import Activity, Supervisor

logger = logging.getLogger(__name__)
_JOIN_S = 2.0
_STOPPED = "stopped sending; trying again"
_SNAPSHOT = "sent one image and stopped; give the address of its video stream, not of a snapshot"


class Connection(Protocol):
    """A camera that can be connected again and again."""

    def open(self) -> None:
        """Connect. Raises `SourceError`."""

    def read(self) -> Image | None:
        """The next image, None when the camera stopped sending. Raises `SourceError`."""

    def close(self) -> None:
        """Disconnect; harmless when closed."""


class LiveSource:
    """Frames of a live camera; the newest frame wins, drops are counted. One consumer, one pass.

    Attributes:
        dropped: frames that were read but never given to the consumer, those of a frozen camera included.
        reconnects: how often the camera was back after a loss.
        failures: connections that failed or ended.
        decode_errors: connections that ended with an image that could not be decoded. What a decoder repairs
            or skips by itself is not counted: OpenCV does not report it.
        frozen: whether the camera sends the same image; such frames are not given to the consumer.
        ended: why there are no more frames.
    """

    def __init__(
        self, camera: str, feed: Connection, settings: SourceSettings, clock: Clock, *, jitter: random.Random
    ) -> None:
        self.camera = camera
        self.reconnects = self.failures = self.decode_errors = 0
        self.ended: str | None = None
        self._feed, self._settings, self._clock, self._jitter = feed, settings, clock, jitter
        self._queue = NewestFrames(settings.queue_size)
        self._freeze = FreezeWatch(settings.frozen_after_s)
        self._withheld = self._index = 0
        self._problem: str | None = None
        self._read_at_s = 0.0

    @property
    def dropped(self) -> int:
        """Frames that were read but never given to the consumer."""
        return self._queue.dropped + self._withheld

    @property
    def frozen(self) -> bool:
        """Whether the camera sends the same image."""
        return self._freeze.frozen

    def frames(self, stop: threading.Event) -> Generator[Frame | SourceError]:
        """Frames as they arrive, and a `SourceError` per loss. Closing the iterator stops the reader."""
        own_stop, settings = threading.Event(), self._settings
        reader = Supervisor(
            own_stop, first_s=settings.backoff_first_s, max_s=settings.backoff_max_s, rng=self._jitter
        )
        self._read_at_s = self._clock.monotonic()
        reader.start(f"reader-{self.camera}", lambda activity: self._read(own_stop, activity))
        try:
            yield from self._take(stop)
        finally:
            own_stop.set()
            reader.join(_JOIN_S)
            self.ended = f"source of {self.camera} was stopped"

    def _take(self, stop: threading.Event) -> Iterator[Frame | SourceError]:
        """Hand over what the reader offers; report it when the reader itself hangs inside a library."""
        reported_s: float | None = None
        while not stop.is_set():
            try:
                item = self._queue.take(0.1)
            except queue.Empty:
                read_at_s, limit_s = self._read_at_s, self._settings.timeout_s
                silent = self._clock.monotonic() - read_at_s > limit_s
                if silent and self._problem is None and reported_s != read_at_s:
                    reported_s = read_at_s
                    error = SourceError(
                        f"camera {self.camera} gave no frame for {limit_s:g} s; "
                        "check its power and its address"
                    )
                    logger.warning("%s", error)
                    yield error
                continue
            if item is not None:
                yield item

    def _read(self, stop: threading.Event, activity: Activity) -> None:
        """One connection, from opening to loss; the supervisor waits and calls again."""
        try:
            self._connection(stop, activity)
        except MemoryError:
            error = SourceError(f"camera {self.camera}: no memory for its image; free memory")
            self._lost(error)
            raise error from None
        except Exception as error:
            self._lost(error)
            raise
        finally:
            self._feed.close()

    def _connection(self, stop: threading.Event, activity: Activity) -> None:
        self._feed.open()
        begun_s = self._clock.monotonic()
        self._freeze.connected(begun_s)
        for count in itertools.count():
            if stop.is_set():
                return
            image = self._feed.read()
            if image is None:
                raise SourceError(f"camera {self.camera} {_SNAPSHOT if count == 1 else _STOPPED}")
            if self._receive(image) and self._read_at_s - begun_s >= self._settings.timeout_s:
                activity.succeeded()

    def _receive(self, image: Image) -> bool:
        """Hand over an image, or withhold it because the camera is frozen; whether it was handed over."""
        now_s = self._read_at_s = self._clock.monotonic()
        self._freeze.observe(image, now_s)
        if self._freeze.frozen:
            self._withheld += 1
            error = SourceError(
                f"camera {self.camera} is frozen: the same image for {self._settings.frozen_after_s:g} s; "
                "restart it, or set frozen_after_s to null if it sends a still on purpose"
            )
            self._offer_problem(str(error))
            if self._freeze.reconnect_due():
                raise error
            return False
        frame = Frame(self.camera, image, self._index, now_s, self._clock.utc())
        self._index += 1
        if self._problem is not None:
            self._problem = None
            self.reconnects += 1
            logger.info("camera %s is back", self.camera)
        self._queue.offer(frame)
        return True

    def _lost(self, error: Exception) -> None:
        self.failures += 1
        self.decode_errors += isinstance(error, UndecodableImage)
        if isinstance(error, SourceError):
            self._offer_problem(str(error))
        else:
            self._offer_problem(
                f"reader of camera {self.camera} failed ({type(error).__name__}); trying again"
            )

    def _offer_problem(self, sentence: str) -> None:
        """Give the consumer a reason why there are no frames, unless it has this one."""
        if sentence != self._problem:
            self._problem = sentence
            self._queue.offer(SourceError(sentence))
