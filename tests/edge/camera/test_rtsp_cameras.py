"""A real RTSP camera in every trouble, beside a healthy one: it gives frames again, the other loses none."""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from messaging.nats.broker import free_port
from tests.support.cameras.rtsp_camera import RtspCamera, missing_packages
from tests.support.cameras.watching import Watcher, open_files_and_threads

pytestmark = [
    pytest.mark.skipif(missing_packages() is not None, reason=missing_packages() or ""),
    pytest.mark.timeout(120),
]
SETTINGS = SourceSettings(
    speed=1.0, timeout_s=2.0, backoff_first_s=0.1, backoff_max_s=0.5, frozen_after_s=2.0
)


@contextlib.contextmanager
def watched(*options: str, name: str = "gate") -> Iterator[tuple[RtspCamera, Watcher]]:
    """A camera that plays, and the consumer of its source after the first frames."""
    camera = RtspCamera(free_port(), *options)
    camera.start()
    source = open_source(camera.address, SETTINGS, camera=name, jitter=random.Random(0))
    with contextlib.closing(_Off(camera)), Watcher(source) as watcher:
        watcher.wait_for_frames(10)
        yield camera, watcher


class _Off:
    def __init__(self, camera: RtspCamera) -> None:
        self.close = camera.stop


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
        "connected without pictures",
        lambda camera: camera.command("silence"),
        lambda camera: camera.command("sound"),
        "stopped sending; trying again",
    ),
    Trouble(
        "the same picture for ever",
        lambda camera: camera.command("freeze"),
        lambda camera: camera.command("thaw"),
        "is frozen: the same picture for 2 s",
    ),
    Trouble(
        "the same JPEG for ever",
        lambda camera: camera.command("freeze"),
        lambda camera: camera.command("thaw"),
        "is frozen: the same picture for 2 s",
        ("--mjpeg",),
    ),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_camera_gives_frames_again_after_trouble_and_its_neighbour_loses_none(trouble: Trouble) -> None:
    with watched(*trouble.options) as (camera, watcher), watched(name="yard") as (_, healthy):
        before = open_files_and_threads()
        healthy.begin_count()
        counted = (healthy.frames, healthy.source.dropped)
        trouble.begin(camera)
        watcher.wait_for(lambda: any(trouble.sentence in s for s in watcher.sentences), trouble.sentence)
        assert watcher.source.failures >= 1 or watcher.source.frozen
        trouble.end(camera)
        watcher.wait_for_frames(10)
        assert watcher.source.reconnects >= 1
        assert not watcher.source.frozen
        received, dropped = (healthy.frames - counted[0], healthy.source.dropped - counted[1])
        assert (healthy.sentences, dropped <= 0.01 * (received + dropped)) == ([], True)
        assert received > 25
        assert healthy.longest_gap_s < 1.0
        files, threads = open_files_and_threads()
        assert files <= before[0] + 1
        assert threads <= before[1] + 1
        assert "right" not in " ".join(watcher.sentences)


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
def test_a_camera_over_udp_and_with_lost_pictures_plays_on(options: tuple[str, ...]) -> None:
    with watched(*options) as (_, watcher):
        watcher.wait_for_frames(40)
        assert watcher.source.reconnects == 0
