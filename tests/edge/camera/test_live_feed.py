"""A live camera through OpenCV for real: MJPEG over HTTP that is started, lost and started again."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from edge.camera.decoder_log import silence_decoders
from edge.camera.live_feed import CameraFeed
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import FrameSource, open_source
from edge.errors import SourceError
from edge.source_address import parse_source
from edge.vision.frames import Frame
from messaging.nats.broker import free_port

FAST = SourceSettings(speed=1.0, backoff_first_s=0.1, backoff_max_s=0.2, timeout_s=3.0)
LIMIT_S = 20.0


class Viewer(BaseHTTPRequestHandler):
    """Sends one grey image repeatedly until the camera is switched off."""

    server: "CameraServer"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.server.jpeg)}\r\n\r\n"
        with contextlib.suppress(OSError):
            while not self.server.off.wait(0.02):
                garbage = self.server.garbage.is_set()
                image = bytes(len(self.server.jpeg)) if garbage else self.server.jpeg
                self.wfile.write(head.encode() + image + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class CameraServer(ThreadingHTTPServer):
    """A camera over HTTP."""

    def __init__(self, port: int, grey: int) -> None:
        super().__init__(("127.0.0.1", port), Viewer)
        self.off, self.garbage = threading.Event(), threading.Event()
        self.jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), grey, np.uint8))[1].tobytes()


@contextlib.contextmanager
def camera(port: int, grey: int) -> Iterator[CameraServer]:
    """A camera at a port that shows one shade, until the block ends."""
    server = CameraServer(port, grey)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.off.set()
        server.shutdown()
        server.server_close()
        thread.join()


def opened(port: int) -> FrameSource:
    uri = f"http://127.0.0.1:{port}/street.mjpg"
    return open_source(uri, FAST, camera="bridge", jitter=random.Random(0))


def next_frame(items: Iterator[Frame | SourceError]) -> tuple[Frame, list[str]]:
    """The next frame, and the errors before it."""
    errors: list[str] = []
    deadline = time.monotonic() + LIMIT_S
    for item in items:
        if isinstance(item, Frame):
            return item, errors
        errors.append(str(item))
        assert time.monotonic() < deadline, errors
    raise AssertionError(f"the frames ended: {errors}")


def next_error(items: Iterator[Frame | SourceError]) -> str:
    return next(str(item) for item in items if isinstance(item, SourceError))


def shade(frame: Frame) -> int:
    assert frame.image.shape == (48, 64, 3)
    return int(frame.image.mean())


def test_a_lost_camera_is_reported_and_its_frames_continue_when_it_responds() -> None:
    port = free_port()
    source = opened(port)
    items = source.frames(threading.Event())
    with contextlib.closing(items):  # type: ignore[type-var]  # a generator
        with camera(port, grey=90):
            first, errors = next_frame(items)
            second, _ = next_frame(items)
        assert (abs(shade(first) - 90) <= 2, errors) == (True, [])
        assert second.index > first.index
        assert next_error(items) == "camera bridge stopped sending; trying again"
        assert source.reconnects == 0
        with camera(port, grey=200):
            back, _ = next_frame(items)
        assert abs(shade(back) - 200) <= 2
        assert back.index > second.index
        assert back.time_s > second.time_s
        assert source.reconnects == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "reader-bridge"]


def test_a_camera_that_sends_garbage_for_a_while_is_lost_and_comes_back() -> None:
    port = free_port()
    items = opened(port).frames(threading.Event())
    with contextlib.closing(items), camera(port, grey=90) as server:  # type: ignore[type-var]  # a generator
        first, _ = next_frame(items)
        server.garbage.set()
        began = time.monotonic()
        next_error(items)
        assert time.monotonic() - began < 3 * FAST.timeout_s
        server.garbage.clear()
        back, _ = next_frame(items)
        assert back.index > first.index


def test_a_camera_that_does_not_answer_is_named_without_its_password() -> None:
    port = free_port()
    feed = CameraFeed(parse_source(f"http://viewer:secret@127.0.0.1:{port}/street.mjpg"), timeout_s=1.0)
    with pytest.raises(SourceError) as caught:
        feed.open()
    assert str(caught.value) == (
        f"camera http://***@127.0.0.1:{port}/*** refuses the connection; "
        "check the port, and that the camera is on"
    )
    with pytest.raises(SourceError, match="the feed is closed"):
        feed.read()


def test_a_camera_that_answers_later_is_waited_for() -> None:
    port = free_port()
    items = opened(port).frames(threading.Event())
    with contextlib.closing(items):  # type: ignore[type-var]  # a generator
        assert "refuses the connection" in next_error(items)
        with camera(port, grey=120):
            frame, _ = next_frame(items)
    assert abs(shade(frame) - 120) <= 2


@pytest.mark.parametrize(
    ("source", "name"), [("usb:97", "usb:97"), ("/dev/video97", "/dev/video97"), ("/dev/v4l/x", "/dev/v4l/x")]
)
def test_a_device_that_is_not_there_is_one_sentence_and_nothing_is_printed(
    source: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    silence_decoders()
    with pytest.raises(SourceError) as caught:
        CameraFeed(parse_source(source), timeout_s=1.0).open()
    assert str(caught.value) == (
        f"camera {name} cannot be opened; check that it is plugged in, free, and that this user may read it"
    )
    assert capfd.readouterr().err == ""
