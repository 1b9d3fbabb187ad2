"""Runs a detector on a video, offline: detections, hazards by the node's rules, speed, memory."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import SourceError
from edge.evidence.recall_counter import above_threshold
from edge.health import resident_mb
from edge.ids import ids_of_a_run
from edge.tracking.hazard_rules import CameraView, HazardRules
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.vision.conditions import FrameConditions
from edge.vision.frames import SizeChange
from edge.vision.onnx_detector import OnnxDetector
from messaging.reports import HazardState


@dataclass(frozen=True)
class Replay:
    """The result of a replay; times in milliseconds or seconds, memory in MiB.

    Attributes:
        footage_s: length of the processed footage.
        detections: detections by class.
        frames_with: frames with at least one detection, by class.
        hazards: hazard events that the node's default rules open, by class.
    """

    frames: int
    footage_s: float
    detections: dict[str, int]
    frames_with: dict[str, int]
    hazards: dict[str, int]
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
    rules = HazardRules("replay", detector.description, ids_of_a_run())
    stop, inference_ms = threading.Event(), []
    found_of_class, frames_with, hazards = Counter[str](), Counter[str](), Counter[str]()
    first_s, tracks, times_s = 0.0, set[int](), []
    size: tuple[int, int] | None = None
    for frame in open_source(str(video), SourceSettings(speed=None), camera="replay").frames(stop):
        if isinstance(frame, SourceError):
            raise frame
        started = time.perf_counter()
        found = detector.detect([frame.image], floor=tracker.floor)[0]
        inference_ms.append(1000 * (time.perf_counter() - started))
        times_s.append(frame.time_s)
        reported = [names[class_id] for class_id in above_threshold(found, detector.description).class_id]
        found_of_class.update(reported)
        frames_with.update(set(reported))
        before, size = size, (frame.image.shape[1], frame.image.shape[0])
        change = SizeChange.between(before or size, size)
        tracker.resize(change)
        rules.resize(change)
        update = tracker.update(found, frame.time_s)
        tracks |= {track.id for track in update.active}
        events = rules.observe(update, CameraView(*size, FrameConditions(), frame.time_s), detector.digest)
        hazards.update(event.class_name for event in events if event.state is HazardState.OPENED)
        first_s = first_s or time.perf_counter() - began
        if len(inference_ms) >= frames:
            stop.set()
    p50, p95 = (round(float(np.percentile(inference_ms, percent)), 2) for percent in (50, 95))
    return Replay(
        len(inference_ms),
        round(_length_s(times_s), 2),
        dict(found_of_class),
        dict(frames_with),
        dict(hazards),
        len(tracks),
        p50,
        p95,
        round(first_s, 3),
        round(resident_mb(), 1),
    )


def _length_s(times_s: Sequence[float]) -> float:
    """Length of footage from the times of its frames: the last frame lasts as long as the mean one."""
    if len(times_s) < 2:
        return 0.0
    return (times_s[-1] - times_s[0]) * len(times_s) / (len(times_s) - 1)
