"""Runs a detector on a video, offline: detections, speed, time to the first frame, memory."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import SourceError
from edge.health import resident_mb
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.vision.frames import SizeChange
from edge.vision.onnx_detector import OnnxDetector


@dataclass(frozen=True)
class Replay:
    """The result of a replay; times in milliseconds or seconds, memory in MiB."""

    frames: int
    detections: dict[str, int]
    tracks: int
    inference_p50_ms: float
    inference_p95_ms: float
    first_frame_s: float
    resident_mb: float


def replay_video(video: Path, bundle: Path, frames: int) -> Replay:
    """Run the detector on the first `frames` frames of a video file or image folder, without skipping any.

    Raises:
        SourceError: nothing can be read there.
        BundleRefused: the bundle breaks its contract.
    """
    began = time.perf_counter()
    detector = OnnxDetector(bundle)
    names = detector.description.class_names
    tracker = ByteTracker(detector.description, TrackerSettings())
    stop, inference_ms, found_of_class = threading.Event(), [], Counter[str]()
    first_s, tracks = 0.0, set[int]()
    size: tuple[int, int] | None = None
    for frame in open_source(str(video), SourceSettings(speed=None), camera="replay").frames(stop):
        if isinstance(frame, SourceError):
            raise frame
        started = time.perf_counter()
        found = detector.detect([frame.image])[0]
        inference_ms.append(1000 * (time.perf_counter() - started))
        found_of_class.update(names[class_id] for class_id in found.class_id)
        before, size = size, (frame.image.shape[1], frame.image.shape[0])
        tracker.resize(SizeChange.between(before or size, size))
        tracks |= {track.id for track in tracker.update(found, frame.time_s).active}
        first_s = first_s or time.perf_counter() - began
        if len(inference_ms) >= frames:
            stop.set()
    p50, p95 = (round(float(np.percentile(inference_ms, percent)), 2) for percent in (50, 95))
    return Replay(
        len(inference_ms),
        dict(found_of_class),
        len(tracks),
        p50,
        p95,
        round(first_s, 3),
        round(resident_mb(), 1),
    )
