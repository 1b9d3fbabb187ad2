"""Heartbeats as they may leave: fresh in what matters at once, and everything else a limited number of times.

A heartbeat leaves every few seconds, so its counters would be the widest way out of all. Each heartbeat that
leaves has the gate's time. Models and connections are renewed when they change, counters when their bucket
has a token; otherwise they are those of the last heartbeat that left. Pure; time is an argument.
"""

from typing import Any

from edge.gate.limits.coarse import significant
from edge.gate.limits.count_caps import CountLimit
from messaging.reports import CameraHealth, Heartbeat

CHANGES = CountLimit(at_once=60, per_day=48)
COUNTERS = CountLimit(at_once=60, per_day=60)
_SITE_STATE = (
    *("model_digest", "previous_digest", "candidate_digest", "channel"),
    *("provider", "provider_wanted", "teacher_digest"),
)
_SITE_COUNTERS = (
    *("teacher_fraction", "uptime_s", "resident_mb", "outbox_messages", "shed", "epsilon_spent"),
)
_CAMERA_COUNTERS = (
    *("frames", "skipped", "dropped", "failures", "detections", "misdetections"),
    *("fps", "inference_p50_ms", "inference_p95_ms", "frame_age_s"),
)
_DAY_S = 86_400.0


class HeartbeatPace:
    """The last heartbeat that left, and what may be renewed of it."""

    def __init__(self) -> None:
        self._last: Heartbeat | None = None
        self._changes, self._counters = float(CHANGES.at_once), float(COUNTERS.at_once)
        self._at_utc = 0

    def paced(self, beat: Heartbeat, now_utc: int) -> Heartbeat:
        """The heartbeat that leaves in place of the node's."""
        self._fill(now_utc)
        fresh, last = coarse_heartbeat(beat), self._last
        if last is not None and self._counters >= 1:
            self._counters -= 1
        elif last is not None:
            fresh = self._held(fresh, last)
        self._last = fresh.model_copy(update={"at_utc": now_utc})
        return self._last

    def _held(self, fresh: Heartbeat, last: Heartbeat) -> Heartbeat:
        """The last counters with the present state, if that has changed and may be renewed."""
        state = {name: getattr(fresh, name) for name in _SITE_STATE}
        connected = {camera.camera: camera.connected for camera in fresh.cameras}
        cameras = tuple(
            camera.model_copy(update={"connected": connected.get(camera.camera, False)})
            for camera in last.cameras
        )
        renewed = last.model_copy(update={**state, "cameras": cameras})
        if renewed == last or self._changes < 1:
            return last
        self._changes -= 1
        return renewed

    def _fill(self, now_utc: int) -> None:
        passed_s = max(0, now_utc - self._at_utc) if self._at_utc else 0
        self._at_utc = max(self._at_utc, now_utc)
        self._changes = min(CHANGES.at_once, self._changes + passed_s * CHANGES.per_day / _DAY_S)
        self._counters = min(COUNTERS.at_once, self._counters + passed_s * COUNTERS.per_day / _DAY_S)


def coarse_heartbeat(beat: Heartbeat) -> Heartbeat:
    """A heartbeat with counters of three digits and its cameras by name."""
    cameras = sorted((_coarse_camera(camera) for camera in beat.cameras), key=lambda one: one.camera)
    changes: dict[str, Any] = {name: significant(getattr(beat, name)) for name in _SITE_COUNTERS}
    return beat.model_copy(update={**changes, "cameras": tuple(cameras)})


def _coarse_camera(camera: CameraHealth) -> CameraHealth:
    return camera.model_copy(update={name: significant(getattr(camera, name)) for name in _CAMERA_COUNTERS})
