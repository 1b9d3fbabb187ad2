"""A real RTSP camera in every trouble, beside a healthy one: it gives frames again, the other loses none."""

import contextlib
import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from messaging.nats.broker import free_port
from tests.support.cameras.faulty_network import faulty_network
from tests.support.cameras.rtsp_camera import RtspCamera, missing_packages
from tests.support.cameras.watching import Watcher, open_files_and_threads
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing_packages() is not None, reason=missing_packages() or ""),
    pytest.mark.timeout(120),
]
SETTINGS = SourceSettings(
    speed=1.0, timeout_s=2.0, backoff_first_s=0.1, backoff_max_s=0.5, frozen_after_s=2.0
)


@contextlib.contextmanager
def watched(*options: str, name: str = "gate") -> Iterator[tuple[RtspCamera, Watcher]]:
    """A camera that plays, and the consumer of its source after the first frames."""
    with playing(*options) as camera, followed(camera.address, name) as watcher:
        yield camera, watcher


@contextlib.contextmanager
def playing(*options: str) -> Iterator[RtspCamera]:
    camera = RtspCamera(free_port(), *options)
    try:
        camera.start()
        yield camera
    finally:
        camera.stop()


@contextlib.contextmanager
def followed(address: str, name: str) -> Iterator[Watcher]:
    source = open_source(address, SETTINGS, camera=name, jitter=random.Random(0))
    with Watcher(source) as watcher:
        watcher.wait_for_frames(10)
        yield watcher


@contextlib.contextmanager
def unharmed(neighbour: Watcher) -> Iterator[None]:
    """Asserts that a healthy camera lost at most 1 % of its frames, and files and threads are flat."""
    files, threads = open_files_and_threads()
    neighbour.begin_count()
    frames, dropped = neighbour.frames, neighbour.source.dropped
    yield
    received, lost = neighbour.frames - frames, neighbour.source.dropped - dropped
    assert (neighbour.sentences, lost <= 0.01 * (received + lost)) == ([], True)
    assert received > 25
    assert neighbour.longest_gap_s < SETTINGS.timeout_s
    wait_until(lambda: _flat(files, threads), 10.0, f"{files} open files, {threads} threads as before")


def _flat(files: int, threads: int) -> bool:
    files_now, threads_now = open_files_and_threads()
    return files_now <= files and threads_now <= threads


@dataclass(frozen=True)
class Trouble:
    """How a camera gets into trouble and out of it, and the sentence in between."""

    name: str
    begin: Callable[[RtspCamera], None]
    end: Callable[[RtspCamera], None]
    sentence: str
    options: tuple[str, ...] = ()


def _restarted(*options: str) -> Callable[[RtspCamera], None]:
    def restart(camera: RtspCamera) -> None:
        camera.stop()
        camera.start(*options)

    return restart


TROUBLES = [
    Trouble("cut and restored", RtspCamera.stop, _restarted(), "refuses the connection; check the port"),
    Trouble(
        "password changed and changed back",
        _restarted("--user", "viewer", "--password", "other"),
        _restarted("--user", "viewer", "--password", "right"),
        "refuses the user or the password (401)",
        ("--user", "viewer", "--password", "right"),
    ),
    Trouble("paused and continued", RtspCamera.pause, RtspCamera.resume, "stopped sending; trying again"),
    Trouble(
        "connected without images",
        lambda camera: camera.command("silence"),
        lambda camera: camera.command("sound"),
        "stopped sending; trying again",
    ),
    Trouble(
        "the same image for ever",
        lambda camera: camera.command("freeze"),
        lambda camera: camera.command("thaw"),
        "is frozen: the same image for 2 s",
    ),
    Trouble(
        "the same JPEG for ever",
        lambda camera: camera.command("freeze"),
        lambda camera: camera.command("thaw"),
        "is frozen: the same image for 2 s",
        ("--mjpeg",),
    ),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_camera_gives_frames_again_after_trouble_and_its_neighbour_loses_none(trouble: Trouble) -> None:
    with watched(*trouble.options) as (camera, watcher), watched(name="yard") as (_, healthy):
        with unharmed(healthy):
            trouble.begin(camera)
            watcher.wait_for(lambda: any(trouble.sentence in s for s in watcher.sentences), trouble.sentence)
            trouble.end(camera)
            watcher.wait_for_frames(10)
        assert (watcher.source.failures >= 1, watcher.source.reconnects >= 1) == (True, True)
        assert not watcher.source.frozen
        assert "right" not in " ".join(watcher.sentences)


@pytest.mark.parametrize(
    ("flips", "losses", "pause_s", "cut"),
    [(0.5, 0.0, 0.0, False), (0.0, 0.3, 0.0, False), (0.0, 0.0, 0.3, False), (0.0, 0.0, 0.0, True)],
    ids=["bytes flipped", "bytes lost", "slow", "cut"],
)
def test_a_camera_behind_a_faulty_network_gives_frames_again_when_it_is_mended(
    flips: float, losses: float, pause_s: float, cut: bool
) -> None:
    with (
        playing() as camera,
        faulty_network(camera.port) as network,
        followed(f"rtsp://127.0.0.1:{network.port}/street", "gate") as watcher,
        watched(name="yard") as (_, healthy),
        unharmed(healthy),
    ):
        network.flips, network.losses, network.pause_s = flips, losses, pause_s
        if cut:
            network.cut()
        time.sleep(4)
        network.flips = network.losses = network.pause_s = 0.0
        watcher.wait_for_frames(50)
        assert watcher.source.ended is None


def test_a_changed_size_arrives_with_the_frames_of_a_jpeg_camera() -> None:
    with watched("--mjpeg") as (camera, watcher):
        camera.command("size 640 360")
        watcher.wait_for(lambda: (640, 360) in watcher.sizes, "the new size")
        camera.command("size 240 320")
        watcher.wait_for(lambda: watcher.sizes[-1] == (240, 320), "the rotated size")
        watcher.wait_for_frames(10)
        assert (watcher.sizes, watcher.sentences) == ([(320, 240), (640, 360), (240, 320)], [])


def test_a_changed_size_does_not_stop_an_h264_camera() -> None:
    with watched() as (camera, watcher):
        for size in ("640 360", "240 320", "320 240"):
            camera.command(f"size {size}")
            watcher.wait_for_frames(30)
        assert watcher.sentences == []


@pytest.mark.parametrize("options", [("--udp",), ("--udp", "--loss", "0.2"), ("--loss", "0.3")])
def test_a_camera_over_udp_and_with_lost_images_plays_on(options: tuple[str, ...]) -> None:
    with watched(*options) as (_, watcher):
        watcher.wait_for_frames(40)
        assert watcher.source.reconnects == 0


@pytest.mark.parametrize("options", [("--rate", "300"), ("--rate", "2000"), ("--mjpeg",)])
def test_a_still_street_is_not_frozen_as_long_as_its_sensor_has_noise(options: tuple[str, ...]) -> None:
    with watched(*options) as (camera, watcher):
        camera.command("still")
        watcher.wait_for_frames(150)
        assert (watcher.sentences, watcher.source.frozen) == ([], False)


def test_a_camera_that_sends_a_still_on_purpose_gives_every_frame() -> None:
    settings = dataclasses.replace(SETTINGS, frozen_after_s=None)
    with (
        playing("--mjpeg") as camera,
        Watcher(open_source(camera.address, settings, camera="sign")) as watcher,
    ):
        camera.command("freeze")
        watcher.wait_for_frames(120)
        assert watcher.sentences == []
