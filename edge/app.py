"""The composition root of the edge node: settings in, a running node out."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.answers import RequestAnswers
from edge.camera.health import CameraMetrics
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import FrameSource, open_source
from edge.health import let_no_frame_wait
from edge.ids import ids_of_a_run
from edge.live.frames import LiveFrames
from edge.metrics import NodeMetrics
from edge.node import SILENCE_LIMIT_S, CameraParts, Node, NodeParts
from edge.outbox.batching import BatchingDelays
from edge.outbox.outbox import Outbox
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.accounts import account_path, begin_accounts
from edge.settings import CameraSettings, NodeSettings
from edge.source_address import parse_source
from edge.start_checks import broker_link, needed, open_detector, secret_files, weights_folder
from edge.tracking.open_hazards import OpenHazards
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.incoming_orders import WeightsPlace
from edge.updates.incoming_requests import IncomingRequests
from edge.updates.model_updates import ModelUpdates, TrialPolicy
from edge.updates.service_guard import GuardPolicy
from edge.updates.weights_store import WeightsStore, note_stuck
from edge.vision.time_limits import CallWatch
from messaging.bus import Bus
from messaging.errors import StartRefused
from messaging.nats.bus import NatsBus
from messaging.releases import BundleDescription, Role
from messaging.runtime.locks import FileLock
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.program import freeze_garbage_collection
from messaging.runtime.start_checks import DiskAlarm, listen_on, require, warn_of_readable
from messaging.trust.mirrored_requests import MirroredRequests
from messaging.trust.site_trust import SiteTrust

if TYPE_CHECKING:
    from messaging.runtime.http_server import BackgroundServer

logger = logging.getLogger(__name__)

TEACHER_FINE_MS = 1000.0


def build_node(settings: NodeSettings, restart: Callable[[], None]) -> tuple[Node, NodeMetrics]:
    """A node and its counters, not started yet; `restart` starts the program again from the beginning.

    Raises `ConfigurationError` for files that are not there.
    """
    metrics, new_id = NodeMetrics(), ids_of_a_run()
    watch = CallWatch(lambda digest: _leave_stuck(digest, settings, restart))
    _begin_accounts(settings)
    policy = SwapPolicy(latency_factor=settings.updates.latency_factor)
    detector = SwappableDetector(lambda data: open_detector(data, settings, watch=watch), policy)
    teacher, teacher_updates = _teacher(settings, watch)

    def taught_by() -> BundleDescription | None:
        return teacher.description if teacher.ready else None

    updates = ModelUpdates(
        _store(settings, Role.DETECTOR),
        detector,
        policy=TrialPolicy(settings.updates.trial_s, settings.updates.trial_frames),
        guard=GuardPolicy(**settings.updates.guard.model_dump()),
        teacher=taught_by,
    )
    outbox = Outbox(
        settings.site,
        settings.data / "outbox",
        lambda: _connect(settings),
        now_utc=time.time,
        new_id=new_id,
        patience=BatchingDelays(
            settings.reports.urgent_s, settings.reports.hazard_s, settings.reports.evidence_s
        ),
        on_failure=lambda name: metrics.failures.labels(name).inc(),
    )
    cameras = tuple(
        _camera(camera, settings, detector=detector, teacher=teacher, metrics=metrics, new_id=new_id)
        for camera in settings.cameras
    )
    mirrored = MirroredRequests(settings.mirror, settings.site, SiteTrust.read(settings.trust).director)
    parts = NodeParts(
        *(settings, cameras, detector, updates, teacher, teacher_updates, outbox, metrics),
        disk=DiskAlarm(settings.data),
        answers=RequestAnswers(
            IncomingRequests(mirrored, settings.data),
            teacher,
            outbox.put,
            lambda outcome: metrics.answers.labels(outcome).inc(),
        ),
    )
    return Node(parts), metrics


def run_node(settings: NodeSettings, stop: threading.Event, restart: Callable[[], None]) -> None:
    """Run until `stop`; everything is closed when this returns.

    The page's port and the data folder are taken before anything else starts. `restart` is called when a
    model keeps a thread for good; it starts the program again. Raises `StartRefused`.
    """
    with contextlib.ExitStack() as held:
        listener = None
        if settings.page_port is not None:
            listener = held.enter_context(listen_on("page_port", settings.page_host, settings.page_port))
        held.callback(_locked(settings.data).release)
        require(needed(settings))
        let_no_frame_wait()
        node, metrics = build_node(settings, restart)
        metrics.secrets_readable.set(len(warn_of_readable(secret_files(settings))))
        held.callback(node.stop)
        node.start()
        if listener is not None:
            held.callback(_serve_api(settings, listener, node, metrics).stop)
        logger.info("node of site %s runs with %d cameras", settings.site, len(settings.cameras))
        freeze_garbage_collection()
        stop.wait()


def _locked(data: Path) -> FileLock:
    try:
        return FileLock(data / "lock")
    except BlockingIOError:
        raise StartRefused(
            f"another node runs on data folder {data}; stop it or choose another folder"
        ) from None


def _serve_api(
    settings: NodeSettings, listener: socket.socket, node: Node, metrics: NodeMetrics
) -> "BackgroundServer":
    """The node's HTTP API. Its web framework loads after the cameras have started."""
    from edge.api import build_api
    from edge.live.page import LiveCamera, LivePage
    from messaging.runtime.http_server import BackgroundServer, url_of

    def count(thread: str) -> None:
        metrics.failures.labels(thread).inc()

    live = None
    if settings.live_view is not None:
        cameras = {camera.name: LiveCamera(camera.live, camera.health) for camera in node.cameras}
        token = settings.live_view.token.get_secret_value()
        live = LivePage(settings.site, token, cameras, lambda name: metrics.live_images.labels(name).inc())
        logger.info("the live view is at %s/live", url_of(settings.page_host, listener))
    api = build_api(node.readiness, metrics, node.threads, node.read_metrics, live)
    server = BackgroundServer(api, listener, on_failure=count)
    server.start()
    return server


def _begin_accounts(settings: NodeSettings) -> None:
    names = [camera.name for camera in settings.cameras]
    used = (weights_folder(settings.data, Role.DETECTOR) / "state.json").exists()
    begin_accounts(settings.data, names, settings.privacy, used=used, now_utc=time.time())


def _camera(
    camera: CameraSettings,
    settings: NodeSettings,
    *,
    detector: SwappableDetector,
    teacher: SwappableDetector,
    metrics: NodeMetrics,
    new_id: Callable[[], str],
) -> CameraParts:
    health, live = CameraMetrics(), LiveFrames()
    account = PrivacyAccountant(account_path(settings.data, camera.name), settings.privacy, utc=time.time)
    parts = PipelineParts(
        detector,
        teacher,
        account,
        metrics,
        new_id,
        settings.evidence,
        settings.teacher,
        OpenHazards(settings.data / "hazards" / f"{camera.name}.json"),
        len(settings.cameras),
        settings.data / "prototypes" / f"{camera.name}.json",
        live,
    )
    return CameraParts(
        camera.name,
        health,
        account,
        lambda: _source(camera, settings.data),
        lambda: CameraPipeline(camera, parts, health),
        live,
        silence_limit_s=SILENCE_LIMIT_S if parse_source(camera.source).is_camera else None,
    )


def _source(camera: CameraSettings, data: Path) -> FrameSource:
    journal = data / "segments" / f"{camera.name}.txt"
    how = SourceSettings(
        speed=camera.speed,
        fps=camera.fps,
        loop=camera.loop,
        segments=camera.segments,
        journal=journal,
        frozen_after_s=camera.frozen_after_s,
    )
    return open_source(camera.source, how, camera=camera.name)


def _leave_stuck(digest: str, settings: NodeSettings, restart: Callable[[], None]) -> None:
    """A model keeps its thread for good: write it down for the store of its role, and restart without it."""
    logger.critical("model %s does not return and cannot be ended; the node starts again", digest[:12])
    for role in Role:
        try:
            note_stuck(weights_folder(settings.data, role), digest)
        except OSError as error:
            logger.error("the stuck model is not written down: %s", os_error_sentence(error))
    restart()


def _teacher(settings: NodeSettings, watch: CallWatch) -> tuple[SwappableDetector, ModelUpdates | None]:
    """The teacher and its updates; without updates it is the site's own file, or there never is one."""
    policy = SwapPolicy(settings.updates.latency_factor, latency_always_fine_ms=TEACHER_FINE_MS)
    teacher = SwappableDetector(lambda data: open_detector(data, settings, Role.TEACHER, watch), policy)
    own = settings.teacher.own_bundle
    if own is not None:
        teacher.serve(open_detector(own, settings, Role.TEACHER, watch))
    if own is not None or not settings.teacher.enabled:
        return teacher, None
    trial = TrialPolicy(settings.updates.trial_s, settings.updates.trial_frames)
    return teacher, ModelUpdates(_store(settings, Role.TEACHER), teacher, policy=trial)


def _store(settings: NodeSettings, role: Role) -> WeightsStore:
    place = WeightsPlace(
        weights_folder(settings.data, role),
        settings.mirror,
        settings.site,
        SiteTrust.read(settings.trust),
        role=role,
    )
    return WeightsStore(place, now_utc=int(time.time()))


async def _connect(settings: NodeSettings) -> Bus:
    return await NatsBus.connect(broker_link(settings))
