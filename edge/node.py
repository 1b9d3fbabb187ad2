"""The running node: one thread per camera, one for updates, one for reports that come on a schedule.

Capture and inference never wait for the network: reports are handed to the outbox, which never blocks. The
threads run under one supervisor: one that fails is counted, logged and started again after a growing wait,
and while it fails, or does not respond for too long, the node is not ready. A failing camera affects no
other. How a frame is processed is in `edge.pipeline`, how a release is verified in `edge.updates`.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from edge.answers import RequestAnswers
from edge.camera.health import CameraMetrics, SourceTotals
from edge.camera.sources import FrameSource
from edge.errors import SourceError
from edge.health import Readiness, give_way, resident_mb, running_s
from edge.live.frames import LiveFrames
from edge.metrics import NodeMetrics
from edge.outbox.outbox import Outbox
from edge.pipeline import CameraPipeline
from edge.privacy.accountant import AccountStatement, PrivacyAccountant
from edge.settings import NodeSettings
from edge.updates.hot_swap import SwappableDetector
from edge.updates.model_updates import ModelUpdates
from edge.updates.weights_store import WeightsStore
from edge.vision.frames import Frame
from messaging.errors import BlindspotError
from messaging.releases import Channel, Role
from messaging.reports import CameraHealth, Heartbeat, Report, SwapReceipt
from messaging.runtime.start_checks import DiskAlarm
from messaging.runtime.supervisor import Activity, Supervisor, ThreadState
from messaging.wire_format.codec import kind_of

logger = logging.getLogger(__name__)

FIRST_WAIT_S, MAX_WAIT_S = 1.0, 30.0
SILENCE_LIMIT_S = 60.0
ANSWER_LIMIT_S = 600.0
DISK_S = 2.0
_IDLE_BEATS = 2.9
JOIN_S = 5.0
_IDLE_S = 0.02
_ANSWER_S = 1.0


@dataclass(frozen=True)
class CameraParts:
    """One camera. Its source is opened, and its pipeline made, once the node has a model.

    `silence_limit_s`: without a processed frame for so long it has a fault; None if its frames are rare.
    """

    name: str
    health: CameraMetrics
    accountant: PrivacyAccountant
    open: Callable[[], FrameSource]
    make_pipeline: Callable[[], CameraPipeline]
    live: LiveFrames = field(default_factory=LiveFrames)
    silence_limit_s: float | None = None


@dataclass(frozen=True)
class NodeParts:
    """What `edge.app` builds a node from.

    `teacher_updates` is None if the site runs no teacher, or one of its own.
    """

    settings: NodeSettings
    cameras: tuple[CameraParts, ...]
    detector: SwappableDetector
    updates: ModelUpdates
    teacher: SwappableDetector
    teacher_updates: ModelUpdates | None
    outbox: Outbox
    metrics: NodeMetrics
    disk: DiskAlarm
    answers: RequestAnswers


class Node:
    """Start, run, stop. All times are seconds."""

    def __init__(self, parts: NodeParts, *, utc: Callable[[], float] = time.time) -> None:
        self._parts, self._utc = parts, utc
        self._stop = threading.Event()
        self._threads = Supervisor(
            self._stop, on_failure=self._count_failure, first_s=FIRST_WAIT_S, max_s=MAX_WAIT_S
        )
        self._sources: dict[str, FrameSource] = {}
        self._pipelines: dict[str, CameraPipeline] = {}
        self._faults: dict[str, str] = {}
        self._seeing: set[str] = set()
        self._sending: dict[SwapReceipt, Future[bool]] = {}
        self._started = time.monotonic()
        self._last_state: tuple[object, ...] = ()
        self._beat_s = 0.0

    @property
    def cameras(self) -> tuple[CameraParts, ...]:
        """Its cameras."""
        return self._parts.cameras

    def start(self) -> None:
        """Load what served before, then start all threads."""
        parts = self._parts
        for updates in self._all_updates():
            updates.start(int(self._utc()))
        parts.outbox.start()
        self._repeat("updates", parts.settings.updates.poll_s, self._update, last=self._stop_updates)
        self._repeat("reports", 0.5, self._schedule())
        self._threads.start("comparisons", self._compare, silence_limit_s=SILENCE_LIMIT_S)
        self._threads.start("requests", self._answer, silence_limit_s=ANSWER_LIMIT_S)
        for camera in parts.cameras:
            self._threads.start(
                f"camera-{camera.name}",
                partial(self._watch, camera),
                silence_limit_s=camera.silence_limit_s,
            )

    def stop(self) -> None:
        """End all threads, then the outbox; what was not sent stays on disk."""
        self._stop.set()
        self._threads.join(JOIN_S)
        self._parts.outbox.stop()

    def readiness(self) -> Readiness:
        """Whether frames are processed, reports leave and the disk has room, and if not, why."""
        full = self._parts.disk.problem
        reasons = [full] if full else []
        if not self._parts.detector.ready:
            reasons.append("no model yet: the site waits for its first release")
        lost = set()
        for camera in self._parts.cameras:
            if not camera.health.connected:
                lost.add(f"camera-{camera.name}")
                why = f": {camera.health.problem}" if camera.health.problem else ""
                reasons.append(f"camera {camera.name} gives no frames{why}")
        for state in self.threads():
            waits_for_camera = state.name in lost and state.problem is None
            if state.fault is not None and not waits_for_camera:
                reasons.append(state.fault)
        return Readiness(tuple(reasons))

    def threads(self) -> tuple[ThreadState, ...]:
        """The states of all threads, that of the outbox included."""
        return (*self._threads.states(), *self._parts.outbox.threads)

    def read_metrics(self) -> None:
        """Set the metrics that are counted elsewhere, for a scrape."""
        parts, metrics = self._parts, self._parts.metrics
        counts, granted = parts.outbox.counts, parts.detector.provider
        metrics.outbox.set(counts.waiting)
        for counter, by_kind in ((metrics.shed, counts.shed), (metrics.outbox_refused, counts.refused)):
            for kind, number in by_kind.items():
                counter.set(number, kind)
        metrics.ready.set(self.readiness().ready)
        metrics.success_age_s.clear()
        for thread in self.threads():
            if not thread.finished:
                metrics.success_age_s.labels(thread.name).set(thread.success_age_s)
        models = {Role.DETECTOR: parts.detector, Role.TEACHER: parts.teacher}
        metrics.note_models({role: model.digest for role, model in models.items() if model.ready})
        if granted is not None:
            metrics.note_provider(granted)
        for camera in parts.cameras:
            self._read_camera(camera)

    def _read_camera(self, camera: CameraParts) -> None:
        metrics, source = self._parts.metrics, self._sources.get(camera.name)
        metrics.note_health(camera.name, camera.health)
        metrics.epsilon_spent.labels(camera.name).set(camera.accountant.epsilon_spent())
        metrics.epsilon_limit.labels(camera.name).set(camera.accountant.settings.epsilon_per_camera)
        if (pipeline := self._pipelines.get(camera.name)) is not None:
            metrics.kept_bytes.labels(camera.name).set(pipeline.kept.length_bytes)
        if source is not None:
            metrics.note_source(camera.name, source)

    def _count_failure(self, thread: str) -> None:
        self._parts.metrics.failures.labels(thread).inc()

    def _repeat(
        self, name: str, every_s: float, tick: Callable[[], None], *, last: Callable[[], None] = lambda: None
    ) -> None:
        def loop(activity: Activity) -> None:
            while not self._stop.wait(every_s):
                tick()
                activity.succeeded()
            last()

        self._threads.start(name, loop, silence_limit_s=max(SILENCE_LIMIT_S, 10 * every_s))

    def _watch(self, camera: CameraParts, activity: Activity) -> None:
        while not self._parts.detector.ready:
            activity.succeeded()
            if self._stop.wait(0.1):
                return
        source, pipeline = camera.open(), camera.make_pipeline()
        self._sources[camera.name], self._pipelines[camera.name] = source, pipeline
        with contextlib.closing(source.frames(self._stop)) as items:
            for item in items:
                if isinstance(item, SourceError):
                    camera.health.lost(str(item))
                    continue
                if self._infer(camera, pipeline, item):
                    activity.succeeded()
        camera.health.lost(source.ended)
        if source.ended:
            logger.info("camera %s: %s", camera.name, source.ended)
        self._send(pipeline.stop(self._utc()) if self._stop.is_set() else pipeline.end(self._utc()))

    def _infer(self, camera: CameraParts, pipeline: CameraPipeline, frame: Frame) -> bool:
        """Process one frame and hand over its reports; whether it was processed."""
        metrics, began = self._parts.metrics, time.perf_counter()
        try:
            result = pipeline.process(frame, self._parts.updates.shadow)
        except Exception as error:  # noqa: BLE001  # the top of one frame: a fault costs this frame only
            self._note_failed_frame(camera, frame, error)
            return False
        if camera.name not in self._seeing and not result.skipped:
            self._seeing.add(camera.name)
            metrics.first_frame_s.labels(camera.name).set(running_s())
        metrics.frames.labels(camera.name, "skipped" if result.skipped else "processed").inc()
        metrics.frame_s.labels(camera.name).observe(time.perf_counter() - began)
        if result.inference_s is not None:
            metrics.inference_s.observe(result.inference_s)
        self._send(result.reports)
        while pipeline.comparisons.inline and (reports := pipeline.compare()) is not None:
            self._send(reports)
        return True

    def _compare(self, activity: Activity) -> None:
        """Compare frames beside the camera threads, with less priority than theirs."""
        give_way()
        while not self._stop.is_set():
            busy = False
            for pipeline in list(self._pipelines.values()):
                if not pipeline.comparisons.inline and (reports := pipeline.compare()) is not None:
                    self._send(reports)
                    busy = True
            activity.succeeded()
            if not busy:
                self._stop.wait(_IDLE_S)

    def _answer(self, activity: Activity) -> None:
        """Answer verdict requests, and drop old frames also of cameras that give none."""
        give_way()
        while not self._stop.wait(_ANSWER_S):
            kept = {name: pipeline.kept for name, pipeline in list(self._pipelines.items())}
            for frames in kept.values():
                frames.forget_old()
            self._parts.answers.step({camera.name: kept.get(camera.name) for camera in self._parts.cameras})
            activity.succeeded()

    def _note_failed_frame(self, camera: CameraParts, frame: Frame, error: Exception) -> None:
        camera.health.failures += 1
        self._parts.metrics.frames.labels(camera.name, "failed").inc()
        before, self._faults[camera.name] = self._faults.get(camera.name), repr(error)
        expected = isinstance(error, BlindspotError) or before == repr(error)
        logger.log(
            logging.WARNING if expected else logging.ERROR,
            "camera %s: frame %d was not processed: %s",
            *(camera.name, frame.index, error if isinstance(error, BlindspotError) else repr(error)),
            exc_info=None if expected else error,
        )

    def _send(self, reports: list[Report]) -> None:
        for report in reports:
            self._parts.metrics.reports.labels(kind_of(report)).inc()
            self._parts.outbox.put(report)

    def _update(self) -> None:
        for updates in self._all_updates():
            updates.tick(int(self._utc()))
            for receipt in updates.store.receipts():
                self._hand_over(receipt, updates.store)

    def _stop_updates(self) -> None:
        for updates in self._all_updates():
            updates.stop()

    def _all_updates(self) -> list[ModelUpdates]:
        """Those of the detector, then those of the teacher."""
        both = (self._parts.updates, self._parts.teacher_updates)
        return [updates for updates in both if updates is not None]

    def _hand_over(self, receipt: SwapReceipt, store: WeightsStore) -> None:
        """A receipt leaves the store once the broker has it; until then it survives restarts."""
        future = self._sending.get(receipt)
        if future is None:
            self._count_update(receipt, store)
            self._sending[receipt] = self._parts.outbox.put(receipt)
        elif future.done():
            store.sent(receipt)
            del self._sending[receipt]

    def _count_update(self, receipt: SwapReceipt, store: WeightsStore) -> None:
        metrics, role = self._parts.metrics, store.role
        metrics.swaps.labels(role, receipt.outcome, receipt.reason).inc()
        if receipt.sequence == store.state.last_sequence:
            seconds = max(0, receipt.at_utc - store.state.last_issued_at_utc)
            metrics.update_s.labels(role, receipt.outcome).observe(seconds)

    def _schedule(self) -> Callable[[], None]:
        """What is due at its own rate: heartbeat, tallies, prototypes, shadow runs and guard, the disk."""
        times = self._parts.settings.reports
        due = {
            self._beat: times.heartbeat_s,
            self._tally: times.tally_s,
            self._prototypes: times.prototype_s,
            self._shadow: times.shadow_s,
            self._check_disk: DISK_S,
        }
        last = dict.fromkeys(due, float("-inf"))

        def tick() -> None:
            for task, every_s in due.items():
                if time.monotonic() - last[task] >= every_s:
                    last[task] = time.monotonic()
                    task()

        return tick

    def _check_disk(self) -> None:
        self._parts.disk.check()
        self._parts.metrics.disk_free_bytes.set(self._parts.disk.free_bytes)

    def _tally(self) -> None:
        for pipeline in list(self._pipelines.values()):
            self._send(pipeline.tallies(self._utc()))

    def _prototypes(self) -> None:
        for pipeline in list(self._pipelines.values()):
            self._send(pipeline.prototypes(self._utc()))

    def _shadow(self) -> None:
        updates, now = self._parts.updates, int(self._utc())
        self._send([*updates.shadow_reports(now), *updates.guard_reports(now)])

    def _beat(self) -> None:
        """Send the site's state; less often while nothing happens, yet within the cloud's minute."""
        parts = self._parts
        now_s, alive = time.monotonic(), self._signs_of_life()
        if (
            alive == self._last_state
            and now_s - self._beat_s < _IDLE_BEATS * parts.settings.reports.heartbeat_s
        ):
            return
        self._last_state, self._beat_s = alive, now_s
        store = parts.updates.store
        active, previous, staged = store.active(), store.previous(), store.staged()
        counts, granted = parts.outbox.counts, parts.detector.provider
        accounts = [camera.accountant.statement() for camera in parts.cameras]
        self._send(
            [
                Heartbeat(
                    model_digest=active.digest if active else None,
                    previous_digest=previous.digest if previous else None,
                    candidate_digest=staged.digest if staged else None,
                    channel=Channel.TRIAL if staged else Channel.SERVICE if active else None,
                    provider=granted.provider if granted else None,
                    provider_wanted=granted.wanted if granted else None,
                    teacher_digest=parts.teacher.digest if parts.teacher.ready else None,
                    teacher_fraction=self._taught_fraction(),
                    uptime_s=int(time.monotonic() - self._started),
                    resident_mb=round(resident_mb(), 1),
                    outbox_messages=counts.waiting,
                    shed=sum(counts.shed.values()),
                    epsilon_spent=round(sum(one.epsilon_spent for one in accounts), 3),
                    cameras=tuple(map(self._camera_health, parts.cameras, accounts)),
                    at_utc=int(self._utc()),
                )
            ]
        )

    def _signs_of_life(self) -> tuple[object, ...]:
        """What makes a heartbeat worth sending: models, and what each camera gives."""
        parts, store = self._parts, self._parts.updates.store
        used = (parts.detector.provider, parts.teacher.digest if parts.teacher.ready else None)
        cameras = ((camera.health.frames, camera.health.connected) for camera in parts.cameras)
        return (store.active(), store.previous(), store.staged(), *used, *cameras)

    def _taught_fraction(self) -> float | None:
        """Frames that the teacher has processed, as a fraction of all processed ones."""
        if not self._parts.settings.teacher.enabled:
            return None
        cameras = [camera.health for camera in self._parts.cameras]
        processed = sum(health.frames - health.skipped for health in cameras)
        return min(1.0, sum(health.taught for health in cameras) / processed) if processed else 0.0

    def _camera_health(self, camera: CameraParts, account: AccountStatement) -> CameraHealth:
        source = self._sources.get(camera.name)
        counts = SourceTotals(source.dropped, source.decode_errors) if source else SourceTotals()
        return camera.health.heartbeat(camera.name, counts, budget=account.budget)
