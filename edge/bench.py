"""The frame rate of a node's configuration on this machine: percentiles of every stage, and memory.

Every camera of the configuration has its thread, which decodes a clip and runs the whole pipeline on its
frames as fast as it can; one more thread compares frames beside them, as in a node. Models are those of the
configuration. Cameras, broker and data folder are not touched. A node decodes a live camera in a thread of
its own; here a camera's frame is decoded, then processed, so that the rate is that of one core per camera.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from edge import start_checks
from edge.camera.health import CameraMetrics
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import BundleRefused, EdgeError, SourceError
from edge.health import give_way, resident_mb
from edge.ids import ids_of_a_run
from edge.metrics import NodeMetrics
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.settings import CameraSettings, EvidenceSettings, NodeSettings, PrivacySettings, TeacherSettings
from edge.tracking.open_hazards import OpenHazards
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.vision.detection_speed import FRAME_SIZE, drawn_frame
from edge.vision.detector import Detector
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure
from messaging.plurals import quantity
from messaging.releases import Role

_ONE_CAMERA = (CameraSettings(name="camera-1", source="/dev/video0"),)
_EXPORT_LIMIT_S = 300.0
_JOIN_S = 60.0
_CLIP_FRAMES, _CLIP_FPS, _STEP_PX = 50, 25.0, 8
_WARM_UP_FRAMES = 3


@dataclass
class BenchCamera:
    """The pipeline of one camera with its metrics, in a folder of its own."""

    pipeline: CameraPipeline
    health: CameraMetrics

    @classmethod
    def of(
        cls,
        camera: CameraSettings,
        folder: Path,
        service: Detector,
        teacher: Detector | None,
        *,
        cameras: int = 1,
        settings: NodeSettings | None = None,
    ) -> Self:
        """A pipeline that runs inference on every frame; `teacher` is the model that is compared with.

        `cameras`: how many share the processor time of the comparisons.
        """
        policy = SwapPolicy(latency_factor=2.5)
        in_service = SwappableDetector(OnnxDetector, policy)
        taught_by = SwappableDetector(OnnxDetector, policy)
        in_service.serve(service)
        if teacher is not None:
            taught_by.serve(teacher)
        evidence = EvidenceSettings() if settings is None else settings.evidence
        privacy = PrivacySettings() if settings is None else settings.privacy
        parts = PipelineParts(
            in_service,
            taught_by,
            PrivacyAccountant(folder / f"{camera.name}-account.json", privacy, utc=time.time),
            NodeMetrics(),
            ids_of_a_run(),
            evidence.model_copy(update={"motion_filter": False}),
            TeacherSettings() if settings is None else settings.teacher,
            OpenHazards(folder / f"{camera.name}-hazards.json"),
            cameras,
        )
        health = CameraMetrics()
        return cls(CameraPipeline(camera, parts, health), health)


class ComparisonThread:
    """The thread that compares frames beside those of the cameras, with less priority; a context manager."""

    def __init__(self, cameras: Sequence[BenchCamera]) -> None:
        self._pipelines = [camera.pipeline for camera in cameras]
        self._stop, self._idle = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._compare, name="comparisons", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_JOIN_S)

    def rest(self) -> None:
        """Wait until nothing waits to be compared."""
        for _ in range(2):  # what the thread found before the last frame does not count
            self._idle.clear()
            self._idle.wait(_JOIN_S)

    def _compare(self) -> None:
        give_way()
        while not self._stop.is_set():
            compared = [pipeline.compare() for pipeline in self._pipelines]
            if not any(reports is not None for reports in compared):
                self._idle.set()
                self._stop.wait(0.02)


@dataclass
class StageTimes:
    """Seconds of each stage, one entry a frame; `frame` is decoding and everything after it."""

    decode: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)
    tracking: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)

    def add(self, other: "StageTimes") -> None:
        """Count the frames of another camera too."""
        for name, times in vars(self).items():
            times.extend(getattr(other, name))

    def figures(self) -> list[Figure]:
        """p50 and p95 of each stage in milliseconds."""
        return [
            Figure(
                f"{name}_p{percent}_ms", 1000 * float(np.percentile(times, percent)), "ms", None, len(times)
            )
            for name, times in vars(self).items()
            for percent in (50, 95)
        ]


@dataclass(frozen=True)
class BenchModels:
    """The models to measure with, and the configuration that they are from, if there is one."""

    service: OnnxDetector
    teacher: OnnxDetector | None = None
    settings: NodeSettings | None = None

    @property
    def cameras(self) -> tuple[CameraSettings, ...]:
        """The configured cameras; one without a configuration."""
        return _ONE_CAMERA if self.settings is None else self.settings.cameras

    def __str__(self) -> str:
        teacher = "" if self.teacher is None else f", teacher {self.teacher.description.name}"
        cameras = quantity(len(self.cameras), "camera")
        return f"{self.service.description.name} on {self.service.provider}{teacher}, {cameras}"


def models_of(settings: NodeSettings | None, bundle: Path | None) -> BenchModels:
    """The models of a configuration, with `bundle` in place of the one in service.

    Without either, the detector that the cloud's package ships, which torch exports. Raises `BundleRefused`.
    """
    if settings is None:
        if bundle is not None:
            return BenchModels(OnnxDetector(bundle))
        with tempfile.TemporaryDirectory() as folder:
            return BenchModels(OnnxDetector(_shipped_bundle(Path(folder))))
    if bundle is not None:
        service: OnnxDetector | None = start_checks.open_detector(bundle, settings)
    else:
        service = start_checks.model_in_service(settings)
    if service is None:
        raise BundleRefused("the site has no model in service yet; name a bundle with --bundle")
    own = settings.teacher.own_bundle
    if own is not None:
        return BenchModels(service, start_checks.open_detector(own, settings, Role.TEACHER), settings)
    taught = start_checks.model_in_service(settings, Role.TEACHER) if settings.teacher.enabled else None
    return BenchModels(service, taught, settings)


def measure(
    models: BenchModels,
    video: Path | None = None,
    *,
    seconds: float,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Figure]:
    """Run every camera for so many seconds on a clip, or on the drawn one; the figures of this machine.

    `progress` is called with the fraction that is done. Raises `SourceError` for a clip without frames and
    `DetectorError` if inference fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = video or _drawn_clip(folder / "clip.mp4")
        cameras = [
            BenchCamera.of(
                camera,
                folder,
                models.service,
                models.teacher,
                cameras=len(models.cameras),
                settings=models.settings,
            )
            for camera in models.cameras
        ]
        runs = [_CameraRun(camera, clip) for camera in cameras]
        with ComparisonThread(cameras):
            counted_s = _run(runs, seconds, progress)
        memory = resident_mb()
    times = StageTimes()
    for run in runs:
        times.add(run.times)
    count = len(times.frame)
    processed = sum(camera.health.frames for camera in cameras)
    taught = sum(camera.health.taught for camera in cameras)
    teacher = Figure("frames_with_teacher", taught / processed, "fraction", None, processed)
    return [
        Figure("cameras", len(runs), ""),
        Figure("frames_per_second", count / counted_s, "frames/s", None, count),
        Figure("frames_per_second_per_camera", count / counted_s / len(runs), "frames/s", None, count),
        *times.figures(),
        *([] if models.teacher is None else [teacher]),
        Figure("resident_mb", memory, "MiB"),
        Figure("load_average", os.getloadavg()[0], "processes"),
    ]


class _CameraRun:
    """The thread of one camera: decodes and processes until it is stopped."""

    def __init__(self, camera: BenchCamera, clip: Path) -> None:
        self.times, self.warm, self.counted = StageTimes(), threading.Event(), threading.Event()
        self.fault: Exception | None = None
        self._pipeline, self._clip, self._stop = camera.pipeline, clip, threading.Event()
        self.thread = threading.Thread(target=self._top, name=f"camera-{clip.name}", daemon=True)

    def stop(self) -> None:
        """End the thread after its frame."""
        self._stop.set()
        self.thread.join(_JOIN_S)

    def _top(self) -> None:
        """The thread's top: what fails is raised by the caller of `measure`."""
        try:
            self._process_all()
        except Exception as error:  # noqa: BLE001  # a thread's top; it is raised again
            self.fault = error
        finally:
            self.warm.set()

    def _process_all(self) -> None:
        source = open_source(str(self._clip), SourceSettings(speed=None, loop=True), camera="bench")
        began = time.perf_counter()
        for number, frame in enumerate(source.frames(self._stop)):
            if isinstance(frame, SourceError):
                raise frame
            decoded = time.perf_counter()
            result = self._pipeline.process(frame)
            while self._pipeline.comparisons.inline and self._pipeline.compare() is not None:
                pass
            ended = time.perf_counter()
            if number >= _WARM_UP_FRAMES:
                self.warm.set()
            if self.counted.is_set():
                self.times.decode.append(decoded - began)
                self.times.inference.append(result.inference_s or 0.0)
                self.times.tracking.append(result.tracking_s or 0.0)
                self.times.frame.append(ended - began)
            began = time.perf_counter()


def _run(runs: Sequence[_CameraRun], seconds: float, progress: Callable[[float], None]) -> float:
    """Run all threads until `seconds` after the warm-up of the slowest; the seconds that were counted."""
    for run in runs:
        run.thread.start()
    try:
        for run in runs:
            run.warm.wait()
        began = time.perf_counter()
        for run in runs:
            run.counted.set()
        while (passed_s := time.perf_counter() - began) < seconds and all(run.fault is None for run in runs):
            progress(passed_s / seconds)
            time.sleep(min(0.2, seconds - passed_s))
    finally:  # also after Ctrl-C: a process that ends while a thread runs a model is aborted
        for run in runs:
            run.stop()
    counted_s = time.perf_counter() - began
    faults = [run.fault for run in runs if run.fault is not None]
    if faults:
        raise faults[0]
    if not all(run.times.frame for run in runs):
        raise EdgeError(f"a camera had no frame in {seconds:g} s; measure for longer with --seconds")
    progress(1.0)
    return counted_s


def _drawn_clip(path: Path) -> Path:
    """Two seconds of waves of 1280x720 pixels that move, as MPEG-4."""
    image = drawn_frame(FRAME_SIZE)
    size = (FRAME_SIZE[1], FRAME_SIZE[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), _CLIP_FPS, size)
    for number in range(_CLIP_FRAMES):
        writer.write(np.roll(image, number * _STEP_PX, axis=1))
    writer.release()
    return path


def _shipped_bundle(folder: Path) -> Path:
    """The shipped detector as a bundle. Raises `BundleRefused` where the cloud's package is not installed."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("cloud") is None:
        raise BundleRefused(
            "the shipped detector needs the package with extra `cloud`; name a node's file with --config, or "
            "a bundle with --bundle"
        )
    found = importlib.util.find_spec("cloud.starting_detector")
    places = [] if found is None else list(found.submodule_search_locations or ())
    weights = Path(places[0]) / "weights.safetensors" if places else folder / "weights.safetensors"
    bundle = folder / "model.onnx"
    command = [sys.executable, "-m", "cloud.detector.bundle_export", str(weights), str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_EXPORT_LIMIT_S, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ")
        raise BundleRefused(f"the shipped detector cannot be exported: {why}")
    return bundle
