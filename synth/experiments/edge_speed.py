"""How long a frame takes at a site, beside the bare session of its model and ultralytics' predict.

    python -m synth.experiments.edge_speed SERVICE.onnx TEACHER.onnx [--rounds 6] [--frames 40]

All are measured in turns on the same drawn frames, one thread each: the session alone; the whole pipeline of
a camera, with second views and teacher in their own thread as a node runs them; `predict` of the same
architecture and size. Frames follow one another as fast as they are processed. On a machine that does other
work, ratios of times are uncertain, those of processor time of the frame's own thread are not; the load is
printed.
"""

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.bench import BenchCamera, ComparisonThread
from edge.errors import BundleRefused
from edge.health import let_no_frame_wait
from edge.settings import CameraSettings
from edge.vision.detections import Floats
from edge.vision.detector import letterbox
from edge.vision.frames import Frame
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure, write_figures
from messaging.releases import ExecutionProvider
from messaging.taxonomy import Condition
from synth.street import StreetCamera, WorldName

ULTRALYTICS = "cloud.detector.ultralytics.predict_speed"


@dataclass
class _Times:
    """Milliseconds of each run: passed, and of processor time of this thread."""

    passed_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Measure one run."""
        began, used = time.perf_counter(), time.thread_time()
        yield
        self.processor_ms.append(1000 * (time.thread_time() - used))
        self.passed_ms.append(1000 * (time.perf_counter() - began))


def measure(service: Path, teacher: Path, *, architecture: str, rounds: int, frames: int) -> list[Figure]:
    """The figures of this machine and moment."""
    detector = OnnxDetector(service)
    size = detector.description.input_width, detector.description.input_height
    street = StreetCamera(world=WorldName.HOLDOUT, seed=901, condition=Condition.parse("night-rain"))
    drawn = [scene.image for scene in street.frames(frames)]
    blobs = [letterbox(image, *size)[0][None] for image in drawn]
    bare, ours, theirs, number = _Times(), _Times(), list[float](), 0
    command = [sys.executable, "-m", ULTRALYTICS, architecture, "--width", str(size[0])]
    command += ["--height", str(size[1])]
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        images = Path(name) / "images.npy"
        np.save(images, np.stack(drawn[: max(frames // 4, 4)]))
        settings = CameraSettings(name="c", source="/dev/video0")
        camera = BenchCamera.of(settings, Path(name), detector, OnnxDetector(teacher))
        with contextlib.ExitStack() as held:
            held.callback(other.kill)
            comparisons = held.enter_context(ComparisonThread([camera]))
            for turn in range(rounds + 1):
                if turn == 1:  # the first turn is a warm-up
                    bare, ours, theirs = _Times(), _Times(), []
                _alone(detector, blobs, bare)
                theirs += _asked(other, images)
                for image in drawn:
                    with ours.one():
                        camera.pipeline.process(Frame("c", image, number, time.monotonic(), time.time()))
                    number += 1
                comparisons.rest()
        taught = camera.health.taught / max(camera.health.frames, 1)
    return [*_figures(bare, ours, theirs, taught), *_of_providers(service, blobs)]


def _of_providers(service: Path, blobs: Sequence[Floats]) -> list[Figure]:
    """The bare session on every execution provider of this machine, at the precision of the bundle."""
    figures = []
    for provider in ExecutionProvider:
        with contextlib.suppress(BundleRefused):
            detector = OnnxDetector(service, providers=(provider,))
            if detector.provider.provider is provider:
                times = _Times()
                _alone(detector, blobs, times)
                name = f"bare_p50_ms_{provider}_float32"
                figures.append(Figure(name, _p50(times.passed_ms[1:]), "ms", None, len(blobs) - 1))
    return figures


def _alone(detector: OnnxDetector, blobs: Sequence[Floats], times: _Times) -> None:
    # the bare session, without checks and time limits, has no other user
    session, name, bundle = detector._session, detector._input, detector.description  # noqa: SLF001
    outputs = [bundle.boxes_output, bundle.features_output]
    for blob in blobs:
        with times.one():
            session.run(outputs, {name: blob})


def _asked(other: "subprocess.Popen[str]", images: Path) -> list[float]:
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write(f"{images}\n")
    other.stdin.flush()
    times: list[float] = json.loads(other.stdout.readline())
    return times


def _p50(values: Sequence[float]) -> float:
    return float(np.percentile(values, 50))


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))


def _figures(bare: _Times, ours: _Times, theirs: Sequence[float], taught: float) -> list[Figure]:
    count, alone, frame = len(ours.passed_ms), _p50(bare.passed_ms), _p50(ours.passed_ms)
    used = _p50(ours.processor_ms) / _p50(bare.processor_ms)
    on_average = float(np.mean(ours.processor_ms) / np.mean(bare.processor_ms))
    late = _p95(ours.passed_ms) / _p95(bare.passed_ms)
    return [
        Figure("bare_p50_ms", alone, "ms", None, len(bare.passed_ms)),
        Figure("frame_p50_ms", frame, "ms", None, count),
        Figure("frame_p50_to_bare", frame / alone, "ratio", "<= 1.10", count),
        Figure("frame_p95_to_bare_p95", late, "ratio", "<= 1.5", count),
        Figure("frame_processor_time_p50_to_bare", used, "ratio", None, count),
        Figure("frame_processor_time_mean_to_bare", on_average, "ratio", None, count),
        Figure("ultralytics_predict_p50_ms", _p50(theirs), "ms", None, len(theirs)),
        Figure("fps_to_ultralytics_predict", _p50(theirs) / frame, "ratio", ">= 1.5", count),
        Figure("frames_with_teacher", taught, "fraction", None, count),
        Figure("load_average", os.getloadavg()[0], "processes"),
    ]


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description="Milliseconds of a frame at a site, in ratios.")
    parser.add_argument("service", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--architecture", default="yolo11n")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("out/figures/bench_edge.json"))
    wanted = parser.parse_args()
    let_no_frame_wait()
    figures = measure(
        wanted.service,
        wanted.teacher,
        architecture=wanted.architecture,
        rounds=wanted.rounds,
        frames=wanted.frames,
    )
    for figure in figures:
        sys.stdout.write(f"{figure.name:34} {figure.value_text:>16}  {figure.target or ''}\n")
    command = " ".join(["python -m synth.experiments.edge_speed", *sys.argv[1:]])
    write_figures(wanted.out, figures, command=command, now=datetime.datetime.now(datetime.UTC))


if __name__ == "__main__":
    main()
