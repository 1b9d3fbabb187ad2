"""The soak: one node with a healthy camera beside one troubled camera of every kind, for minutes.

Measured from the second minute on (of a short soak: after its first quarter): frames that the healthy camera
sent and that never reached the pipeline, growth of resident memory, of file descriptors and of threads
(median of the last quarter of the samples less that of the first); that readiness names each camera that
gives nothing with its own sentence (a frozen one after a minute), and that the others give frames to the end.
"""

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from messaging.figures import Figure
from tests.trouble.bench import TRACEBACK, Bench, says
from tests.trouble.handed.footage import starting_bundle
from tests.trouble.node import RunningNode, site_of
from tests.trouble.own.cameras import write_video
from tests.trouble.parts import encoded, free_port, gigapixel_png, put_image, street
from tests.trouble.servers import RTSP_REFUSES, StreamServer, answering, changing_size, frozen, moving

SECRET = "geheim-soak"
FPS = 5.0
SAMPLE_S = 2.0
WARM_UP_S = 60.0
LIVING = ("bad-images", "growing", "size", "drops")
NAMED = (
    "unreachable .*(refuses|does not answer)",
    "silent .*(sends nothing|is silent)",
    "is frozen",
    "usb:7",
    "password .*(401|refuses)",
    r"text\.mp4",
    r"none\.mp4",
)
MEMORY_MB, DESCRIPTORS, THREADS = 24.0, 2.0, 1.0


@dataclass
class Samples:
    """What was measured: resident memory in MiB, open file descriptors, threads."""

    memory_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def add(self, process: psutil.Process) -> None:
        """One sample of the node."""
        self.memory_mb.append(process.memory_info().rss / 2**20)
        self.descriptors.append(process.num_fds())
        self.threads.append(process.num_threads())


def growth(values: list[float] | list[int]) -> float:
    """Median of the last quarter less that of the first quarter."""
    quarter = max(1, len(values) // 4)
    return float(statistics.median(values[-quarter:]) - statistics.median(values[:quarter]))


def soak_figures(minutes: float) -> list[Figure]:
    """Run the soak and return its figures."""
    with tempfile.TemporaryDirectory(prefix="blindspot-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        bench = Bench(folder, folder / "shared")
        bench.shared.mkdir()
        stack.callback(bench.close)
        healthy = StreamServer(moving(), fps=FPS)
        stack.callback(healthy.close)
        cameras = [
            {"name": "healthy", "source": healthy.url},
            *stack.enter_context(troubled_cameras(folder)),
        ]
        detector = starting_bundle(bench)
        site = site_of(folder / "site", detector.read_bytes())
        node = RunningNode(bench, cameras, mirror=str(site / "mirror"), trust=str(site / "trust.json"))
        return _measured(node, healthy, bench, 60 * minutes)


def _measured(node: RunningNode, healthy: StreamServer, bench: Bench, seconds: float) -> list[Figure]:
    node.lives("healthy", frames=5, timeout_s=90)
    process = psutil.Process(node.program.process.pid)
    warm_s = min(WARM_UP_S, seconds / 4)
    begun, samples = time.monotonic(), Samples()
    while time.monotonic() < begun + warm_s:
        time.sleep(0.5)
    sent, seen = healthy.sent, node.frames("healthy")
    before_last_third: dict[str, int] = {}
    while (now := time.monotonic()) < begun + seconds:
        samples.add(process)
        if not before_last_third and now > begun + seconds * 2 / 3:
            before_last_third = {name: node.frames(name) for name in LIVING}
        time.sleep(SAMPLE_S)
    sent, seen = healthy.sent - sent, node.frames("healthy") - seen
    dead = [name for name in LIVING if node.frames(name) <= before_last_third.get(name, 0)]
    sys.stdout.write(f"soak: healthy camera sent {sent}, {seen} reached the pipeline; dead: {dead}\n")
    unnamed = says(node.readyz(), NAMED)
    sys.stdout.write(f"soak: readiness does not name {unnamed}: {node.readyz()}\n")
    node.stop()
    log = node.program.text
    for line in log.splitlines()[-20:]:
        sys.stdout.write(f"soak log: {line[:200]}\n")
    lost = 100.0 * max(0, sent - seen) / sent if sent else 100.0
    shown = "\n".join([log, *bench.transcript])
    return [
        Figure("healthy_frames_lost_percent", lost, "%", "<= 1", n=sent),
        Figure(
            "memory_growth_mb", growth(samples.memory_mb), "MiB", f"<= {MEMORY_MB:g}", n=len(samples.threads)
        ),
        Figure("fd_growth", growth(samples.descriptors), "descriptors", f"<= {DESCRIPTORS:g}"),
        Figure("thread_growth", growth(samples.threads), "threads", f"<= {THREADS:g}"),
        Figure("soak_cameras_dead", len(dead), "cameras", "= 0", n=len(LIVING)),
        Figure("soak_cameras_not_named", len(unnamed), "cameras", "= 0", n=len(NAMED)),
        Figure("soak_tracebacks_shown", log.count(TRACEBACK), "tracebacks", "= 0"),
        Figure("soak_secrets_in_logs", shown.count(SECRET), "places", "= 0"),
        Figure("soak_minutes", seconds / 60, "minutes"),
    ]


@contextmanager
def troubled_cameras(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """One camera of each trouble; recorders and servers run until the context ends."""
    with ExitStack() as stack:
        silent = stack.enter_context(answering(None))
        refusing = stack.enter_context(answering(RTSP_REFUSES))
        streams = {
            "size": StreamServer(changing_size(), fps=FPS),
            "frozen": StreamServer(frozen(), fps=FPS),
            "drops": StreamServer(moving(), fps=FPS, frames_per_connection=40),
        }
        for server in streams.values():
            stack.callback(server.close)
        (folder / "text.mp4").write_text("this is no video")
        stop = threading.Event()
        stack.callback(stop.set)
        for name, work in (("bad-images", record_bad_images), ("growing", record_growing_videos)):
            (folder / name).mkdir()
            threading.Thread(target=work, args=(folder / name, stop), daemon=True).start()
        password = f"rtsp://admin:{SECRET}@127.0.0.1:{refusing}/stream"
        yield [
            {"name": "bad-images", "source": str(folder / "bad-images"), "segments": True},
            {"name": "growing", "source": str(folder / "growing"), "segments": True},
            {"name": "unreachable", "source": f"rtsp://127.0.0.1:{free_port()}/x"},
            {"name": "silent", "source": f"rtsp://127.0.0.1:{silent}/x"},
            *({"name": name, "source": server.url} for name, server in streams.items()),
            {"name": "device", "source": "usb:7"},
            {"name": "password", "source": password},
            {"name": "unreadable", "source": str(folder / "text.mp4")},
            {"name": "missing", "source": str(folder / "none.mp4"), "loop": True},
        ]


def record_bad_images(folder: Path, stop: threading.Event) -> None:
    """A recorder: every second image is empty, cut, a text or claims a gigapixel; old ones are removed."""
    half = encoded(street(seed=3))[:4000]
    bad = ((".jpg", b""), (".jpg", half), (".jpg", b"<html>offline</html>"), (".png", gigapixel_png()))
    number = 0
    while not stop.wait(1.0):
        number += 1
        if number % 2:
            put_image(folder / f"cam_{number:06d}.jpg", seed=number % 50)
        else:
            suffix, data = bad[number // 2 % len(bad)]
            (folder / f"cam_{number:06d}{suffix}").write_bytes(data)
        for old in sorted(folder.iterdir())[:-60]:
            old.unlink(missing_ok=True)


def record_growing_videos(folder: Path, stop: threading.Event) -> None:
    """A recorder that writes videos in place, in six parts over 6 s; old ones are removed."""
    with tempfile.TemporaryDirectory() as name:
        data = write_video(Path(name) / "video.avi", 30).read_bytes()
    number = 0
    while not stop.is_set():
        number += 1
        with (folder / f"clip_{number:06d}.avi").open("wb") as file:
            for part in range(6):
                file.write(data[part * len(data) // 6 : (part + 1) * len(data) // 6])
                file.flush()
                if stop.wait(1.0):
                    return
        for old in sorted(folder.iterdir())[:-10]:
            old.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
