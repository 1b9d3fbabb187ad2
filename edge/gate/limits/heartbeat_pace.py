"""Heartbeats as they may leave: fresh in what matters at once, and everything else a limited number of times.

A heartbeat leaves every few seconds, so its counters would be the widest way out of all. Each heartbeat that
leaves has the gate's time. Models and connections are renewed when they change, counters when their bucket
has a token, and with these the privacy budgets if they have changed and theirs has one; otherwise they are
those of the last heartbeat that left, which is kept on disk.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from edge.gate.limits.coarse import ERROR_COUNTS, LIGHT_STEP, RATES, STATE_DIGITS, nearest, on_grid, rounded
from edge.gate.limits.count_caps import SITE
from edge.gate.limits.kept_buckets import CountLimit, KeptBuckets
from messaging.errors import FileFault
from messaging.reports import CameraHealth, FrameFlow, Heartbeat
from messaging.runtime.state_files import PatientFile, StateFile

logger = logging.getLogger(__name__)

LAST_FILE = "last_heartbeat.json"
CHANGES = CountLimit(at_once=60, per_day=48)
COUNTERS = CountLimit(at_once=60, per_day=60)
BUDGETS = CountLimit(at_once=24, per_day=12)
_CHANGES, _COUNTERS, _BUDGETS = "heartbeat_changes", "heartbeat_counters", "heartbeat_budgets"
HEARTBEAT_LIMITS: Mapping[str, CountLimit] = {_CHANGES: CHANGES, _COUNTERS: COUNTERS, _BUDGETS: BUDGETS}
_SITE_STATE = (
    *("model_digest", "previous_digest", "candidate_digest", "channel"),
    *("provider", "provider_wanted", "teacher_digest"),
)
_SITE_COUNTERS = ("teacher_fraction", "uptime_s", "epsilon_spent")
_SITE_METRICS = ("resident_mb", "outbox_messages", "shed")
_CAMERA_COUNTERS = ("frames", "skipped", "dropped", "failures", "detections", "misdetections")
_CAMERA_METRICS = ("inference_p50_ms", "inference_p95_ms", "frame_age_s")


class HeartbeatPace:
    """The last heartbeat that left, and what may be renewed of it."""

    def __init__(self, folder: Path, buckets: KeptBuckets) -> None:
        """Args: where the last heartbeat is kept, and buckets with `HEARTBEAT_LIMITS`."""
        self._buckets = buckets
        self._file = PatientFile(folder / LAST_FILE, "the last heartbeat that left")
        self._last = _kept(folder / LAST_FILE)

    def paced(self, beat: Heartbeat, now_utc: int) -> Heartbeat:
        """The heartbeat that leaves in place of the node's. Raises `OSError` for a full disk: none may leave.

        The first one of a site has no earlier one to keep to, and is charged also to an empty bucket.
        """
        fresh, last = coarse_heartbeat(beat), self._last
        if last is None or self._buckets.has(_COUNTERS, SITE, 1, now_utc):
            self._buckets.charge(_COUNTERS, {SITE: 1}, now_utc)
            fresh = self._with_budgets(fresh, last, now_utc)
        else:
            fresh = self._held(fresh, last, now_utc)
        self._last = fresh.model_copy(update={"at_utc": now_utc})
        if fresh is not last:
            self._file.write(self._last.model_dump_json().encode())
        self._file.retry()
        return self._last

    def _with_budgets(self, fresh: Heartbeat, last: Heartbeat | None, now_utc: int) -> Heartbeat:
        """With its own privacy budgets if these may be renewed, else with the last ones."""
        before = None if last is None else _with_budgets_of(fresh, last)
        if fresh == before:
            return fresh
        if before is None or self._buckets.has(_BUDGETS, SITE, 1, now_utc):
            self._buckets.charge(_BUDGETS, {SITE: 1}, now_utc)
            return fresh
        return before

    def _held(self, fresh: Heartbeat, last: Heartbeat, now_utc: int) -> Heartbeat:
        """The last counters with the present state, if that has changed and may be renewed."""
        state = {name: getattr(fresh, name) for name in _SITE_STATE}
        connected = {camera.camera: camera.connected for camera in fresh.cameras}
        cameras = tuple(
            camera.model_copy(update={"connected": connected.get(camera.camera, False)})
            for camera in last.cameras
        )
        renewed = last.model_copy(update={**state, "cameras": cameras})
        if renewed == last or not self._buckets.has(_CHANGES, SITE, 1, now_utc):
            return last
        self._buckets.charge(_CHANGES, {SITE: 1}, now_utc)
        return renewed


def _kept(path: Path) -> Heartbeat | None:
    """The last heartbeat that left before this start; None without one, and for a damaged file."""
    try:
        return StateFile(path, Heartbeat).read()
    except FileFault as fault:
        logger.warning("%s; the next heartbeat replaces it", str(fault).partition("; ")[0])
        return None


def coarse_heartbeat(beat: Heartbeat) -> Heartbeat:
    """A heartbeat with counters of three digits, other metrics coarser, and its cameras by name."""
    cameras = sorted((_coarse_camera(camera) for camera in beat.cameras), key=lambda one: one.camera)
    changes = {**rounded(beat, _SITE_COUNTERS), **rounded(beat, _SITE_METRICS, STATE_DIGITS)}
    return beat.model_copy(update={**changes, "cameras": tuple(cameras)})


def _with_budgets_of(beat: Heartbeat, last: Heartbeat) -> Heartbeat:
    budgets = {camera.camera: camera.budget for camera in last.cameras}
    cameras = tuple(
        camera.model_copy(update={"budget": budgets.get(camera.camera)}) for camera in beat.cameras
    )
    return beat.model_copy(update={"epsilon_spent": last.epsilon_spent, "cameras": cameras})


def _coarse_camera(camera: CameraHealth) -> CameraHealth:
    changes = {**rounded(camera, _CAMERA_COUNTERS), **rounded(camera, _CAMERA_METRICS, STATE_DIGITS)}
    flow = None if camera.flow is None else _coarse_flow(camera.flow)
    return camera.model_copy(update={**changes, "fps": nearest(camera.fps, RATES), "flow": flow})


def _coarse_flow(flow: FrameFlow) -> FrameFlow:
    return FrameFlow(
        processed_fps=nearest(flow.processed_fps, RATES),
        skipped_fps=nearest(flow.skipped_fps, RATES),
        decode_errors=int(nearest(flow.decode_errors, ERROR_COUNTS)),
        day_fraction=on_grid(flow.day_fraction, LIGHT_STEP),
        night_fraction=on_grid(flow.night_fraction, LIGHT_STEP),
    )
