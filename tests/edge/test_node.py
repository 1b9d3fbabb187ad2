"""The node's own reports: a heartbeat when there is something to report, and rarely when there is not."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from edge import node as node_module
from edge.api import build_api
from edge.camera.health import CameraMetrics
from edge.errors import SourceError
from edge.health import Readiness
from edge.metrics import NodeMetrics
from edge.node import CameraParts, Node, NodeParts
from edge.outbox.outbox import OutboxCounts
from edge.settings import TeacherSettings
from edge.vision.frames import Frame
from edge.vision.providers import GrantedProvider
from messaging.releases import Channel, ExecutionProvider, Role
from messaging.reports import Heartbeat, Report, SwapOutcome, SwapReason, SwapReceipt
from messaging.runtime.backoff import Backoff
from messaging.runtime.supervisor import Activity, ThreadState
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import wait_until

ROOMY = SimpleNamespace(problem=None)
_ACCOUNT = SimpleNamespace(
    epsilon_spent=lambda: 0.5,
    statement=lambda: SimpleNamespace(epsilon_spent=0.5, budget=None),
    settings=SimpleNamespace(epsilon_per_camera=8.0),
)


class RecordingOutbox:
    """An outbox that keeps the reports that it is given."""

    counts, threads = OutboxCounts({}, {}, {}, 0, True), ()

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def put(self, report: Report) -> "Future[bool]":
        self.reports.append(report)
        return Future()


def test_a_site_without_frames_sends_fewer_heartbeats_yet_one_per_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, health, outbox = [100.0], CameraMetrics(), RecordingOutbox()
    monkeypatch.setattr(node_module.time, "monotonic", lambda: now[0])
    camera = cast(
        CameraParts,
        SimpleNamespace(name="bridge", health=health, accountant=_ACCOUNT),
    )
    store = SimpleNamespace(active=lambda: None, previous=lambda: None, staged=lambda: None)
    reports = SimpleNamespace(heartbeat_s=15.0)
    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(reports=reports, teacher=TeacherSettings()),
        updates=SimpleNamespace(store=store),
        teacher=SimpleNamespace(ready=False),
        detector=SimpleNamespace(provider=None),
        outbox=outbox,
        cameras=(camera,),
        metrics=NodeMetrics(),
    )
    node = Node(cast(NodeParts, parts), utc=lambda: 1_800_000_000.0)
    beats: list[float] = []
    for second in range(0, 300, 15):
        now[0] = 100.0 + second
        if 60 <= second < 120:
            health.received()
        before = len(outbox.reports)
        node._beat()
        beats += [second] * (len(outbox.reports) - before)
    assert beats[:2] == [0, 45]
    assert {60, 75, 90, 105} <= set(beats)
    assert max(b - a for a, b in itertools.pairwise(beats)) <= 45
    assert len(beats) < 12
    assert all(isinstance(report, Heartbeat) for report in outbox.reports)


class _SkippingPipeline:
    """A pipeline that skips the first frame, as the motion filter does, and processes the next ones."""

    comparisons = SimpleNamespace(inline=False)

    def __init__(self) -> None:
        self.seen = 0

    def process(self, frame: object, shadow: object) -> SimpleNamespace:
        self.seen += 1
        return SimpleNamespace(skipped=self.seen == 1, inference_s=None, reports=[])


def test_the_time_to_the_first_frame_is_that_of_the_first_processed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics, pipeline = NodeMetrics(), _SkippingPipeline()
    times = iter([2.5, 7.0])
    monkeypatch.setattr(node_module, "running_s", lambda: next(times))
    parts: Any = SimpleNamespace(
        metrics=metrics, updates=SimpleNamespace(shadow=None), outbox=RecordingOutbox()
    )
    node = Node(cast(NodeParts, parts))
    camera = cast(CameraParts, SimpleNamespace(name="bridge", health=CameraMetrics()))
    for _ in range(3):
        node._infer(camera, cast(Any, pipeline), cast(Any, object()))
    page = TestClient(build_api(lambda: Readiness(()), metrics)).get("/metrics").text
    assert 'blindspot_edge_first_frame_seconds{camera="bridge"} 2.5' in page
    assert 'blindspot_edge_frames_total{camera="bridge",result="processed"} 2.0' in page


class _Source:
    """Footage of no frames; while it is read a stop may be requested."""

    ended, dropped = "over", 0

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        self._meanwhile()
        yield from ()


@pytest.mark.parametrize(("stopped", "expected"), [(True, "stop"), (False, "end")])
def test_events_are_closed_by_the_end_of_the_footage_and_not_by_a_stop(stopped: bool, expected: str) -> None:
    called: list[str] = []
    pipeline = SimpleNamespace(
        stop=lambda at_utc: called.append("stop") or [], end=lambda at_utc: called.append("end") or []
    )
    parts: Any = SimpleNamespace(
        metrics=NodeMetrics(), outbox=RecordingOutbox(), detector=SimpleNamespace(ready=True)
    )
    node = Node(cast(NodeParts, parts))
    source = _Source(node._stop.set if stopped else lambda: None)
    camera = SimpleNamespace(
        name="bridge", health=CameraMetrics(), open=lambda: source, make_pipeline=lambda: pipeline
    )
    node._watch(cast(CameraParts, camera), Activity("camera-bridge", Backoff(), lambda: 0.0))
    assert called == [expected]


def test_a_thread_that_fails_is_counted_and_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "FIRST_WAIT_S", 0.001)
    metrics, tries = NodeMetrics(), iter([True, True, False])
    parts: Any = SimpleNamespace(
        metrics=metrics,
        outbox=SimpleNamespace(threads=()),
        cameras=(),
        detector=SimpleNamespace(ready=True),
        disk=ROOMY,
    )
    node = Node(cast(NodeParts, parts))

    def tick() -> None:
        if next(tries):
            raise ValueError("broken")
        node._stop.set()

    node._repeat("camera-bridge", 0.001, tick)
    wait_until(lambda: node.threads()[0].finished)
    assert node.readiness().ready
    assert b'blindspot_edge_thread_failures_total{thread="camera-bridge"} 2.0' in metrics.exposition()


def test_the_page_gives_the_reason_why_a_node_is_not_ready() -> None:
    why = "no model yet: the site waits for its first release"
    page = TestClient(build_api(lambda: Readiness((why,)), NodeMetrics()))
    assert page.get("/healthz").json() == {"status": "alive"}
    answer = page.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": [why], "threads": {}}


class _LosingSource:
    """A camera that is frozen and then lost until the test has looked."""

    ended, dropped, reconnects, failures, frozen, decode_errors = None, 3, 1, 2, True, 4

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def frames(self, stop: threading.Event) -> Iterator[SourceError]:
        yield SourceError("camera rtsp://***@10.0.0.5/*** refuses the connection; check the port")
        self._look()


def test_a_lost_camera_is_a_reason_why_the_node_is_not_ready_and_its_state_is_counted() -> None:
    metrics, reasons = NodeMetrics(), []
    parts: Any = SimpleNamespace(
        metrics=metrics,
        outbox=SimpleNamespace(
            threads=(), put=lambda report: None, counts=OutboxCounts({}, {"misdetection": 7}, {}, 0, True)
        ),
        detector=SimpleNamespace(ready=True, provider=None, digest="a" * 64),
        teacher=SimpleNamespace(ready=False),
        disk=ROOMY,
    )
    node = Node(cast(NodeParts, parts))
    source = _LosingSource(lambda: reasons.extend(node.readiness().reasons))
    camera = cast(
        CameraParts,
        SimpleNamespace(
            name="bridge",
            health=CameraMetrics(),
            accountant=_ACCOUNT,
            open=lambda: source,
            make_pipeline=lambda: SimpleNamespace(
                end=lambda at_utc: [], kept=SimpleNamespace(length_bytes=0)
            ),
        ),
    )
    parts.cameras = (camera,)
    node._watch(camera, cast(Any, SimpleNamespace(succeeded=lambda: None)))
    assert reasons == [
        "camera bridge gives no frames: camera rtsp://***@10.0.0.5/*** refuses the connection; check the port"
    ]
    health = node._camera_health(camera, _ACCOUNT.statement())
    assert (health.connected, health.dropped) == (False, 3)
    assert health.flow is not None
    assert health.flow.decode_errors == 4
    node.read_metrics()
    lines = metrics.exposition().decode().splitlines()
    for line in (
        'camera_failures_total{camera="bridge"} 2.0',
        'camera_reconnects_total{camera="bridge"} 1.0',
        'dropped_frames_total{camera="bridge"} 3.0',
        'camera_frozen{camera="bridge"} 1.0',
        'decode_errors_total{camera="bridge"} 4.0',
        'frames_by_light_total{camera="bridge",light="night"} 0.0',
        'camera_connected{camera="bridge"} 0.0',
        'privacy_epsilon_limit{camera="bridge"} 8.0',
        'outbox_shed_reports_total{kind="misdetection"} 7.0',
        "ready 0.0",
    ):
        assert f"blindspot_edge_{line}" in lines
    assert not [line for line in lines if line.startswith("blindspot_edge_frame_age_seconds{")]


def test_a_thread_that_waits_for_its_lost_camera_is_no_second_reason() -> None:
    waiting = ThreadState("camera-bridge", False, 0, 90.0, None, silence_limit_s=60.0)
    hanging = ThreadState("camera-yard", False, 0, 90.0, None, silence_limit_s=60.0)
    parts: Any = SimpleNamespace(
        detector=SimpleNamespace(ready=True),
        outbox=SimpleNamespace(threads=(waiting, hanging)),
        disk=ROOMY,
        cameras=[SimpleNamespace(name=name, health=CameraMetrics()) for name in ("bridge", "yard")],
    )
    parts.cameras[0].health.lost("camera bridge is frozen")
    parts.cameras[1].health.received()
    assert Node(cast(NodeParts, parts)).readiness().reasons == (
        "camera bridge gives no frames: camera bridge is frozen",
        "camera-yard has done nothing for 90 s; restart the program if it lasts",
    )


def test_a_heartbeat_and_the_metrics_state_the_execution_provider() -> None:
    outbox, metrics = RecordingOutbox(), NodeMetrics()
    store = SimpleNamespace(active=lambda: None, previous=lambda: None, staged=lambda: None)
    fallen_back = GrantedProvider(ExecutionProvider.CPU, ExecutionProvider.CUDA)
    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(reports=SimpleNamespace(heartbeat_s=15.0), teacher=TeacherSettings()),
        updates=SimpleNamespace(store=store),
        teacher=SimpleNamespace(ready=False),
        detector=SimpleNamespace(provider=fallen_back, ready=False),
        disk=ROOMY,
        outbox=outbox,
        cameras=(),
        metrics=metrics,
    )
    node = Node(cast(NodeParts, parts), utc=lambda: 1_800_000_000.0)
    node._beat()
    (beat,) = cast(list[Heartbeat], outbox.reports)
    assert (beat.provider, beat.provider_wanted) == ("cpu", "cuda")
    node.read_metrics()
    lines = metrics.exposition().decode().splitlines()
    assert 'blindspot_edge_execution_provider{provider="cpu"} 1.0' in lines
    assert 'blindspot_edge_execution_provider{provider="cuda"} 0.0' in lines
    assert "blindspot_edge_execution_provider_fallback 1.0" in lines


def test_frames_are_compared_by_a_thread_of_their_own_and_unpaced_footage_by_the_camera() -> None:
    outbox, compared = RecordingOutbox(), list[str]()
    report = HAZARD

    def pipeline(name: str, *, inline: bool) -> SimpleNamespace:
        waiting = [[report], None]

        def compare() -> list[Report] | None:
            found = waiting.pop(0) if waiting else None
            compared.extend([name] if found else [])
            return found

        return SimpleNamespace(comparisons=SimpleNamespace(inline=inline), compare=compare)

    parts: Any = SimpleNamespace(metrics=NodeMetrics(), outbox=outbox)
    node = Node(cast(NodeParts, parts))
    live, footage = pipeline("live", inline=False), pipeline("footage", inline=True)
    node._pipelines = {"live": cast(Any, live), "footage": cast(Any, footage)}
    thread = threading.Thread(target=node._compare, args=(Activity("comparisons", Backoff(), lambda: 0.0),))
    thread.start()
    wait_until(lambda: bool(outbox.reports))
    node._stop.set()
    thread.join(5)
    assert (compared, outbox.reports) == (["live"], [report])


def test_a_full_disk_is_a_reason_why_the_node_is_not_ready() -> None:
    full = SimpleNamespace(problem="the disk of /data is full; free space on it")
    parts: Any = SimpleNamespace(
        detector=SimpleNamespace(ready=True), outbox=SimpleNamespace(threads=()), cameras=(), disk=full
    )
    assert Node(cast(NodeParts, parts)).readiness().reasons == (full.problem,)


def test_an_update_is_counted_once_with_the_time_since_its_order() -> None:
    metrics = NodeMetrics()
    parts: Any = SimpleNamespace(metrics=metrics, outbox=RecordingOutbox())
    state = SimpleNamespace(last_sequence=7, last_issued_at_utc=1_800_000_000)
    store: Any = SimpleNamespace(role=Role.TEACHER, state=state)
    receipt = SwapReceipt(
        sequence=7,
        digest="a" * 64,
        previous_digest=None,
        channel=Channel.SERVICE,
        outcome=SwapOutcome.INSTALLED,
        reason=SwapReason.NONE,
        frames_lost=0,
        at_utc=1_800_000_090,
    )
    node = Node(cast(NodeParts, parts))
    for _ in range(3):
        node._hand_over(receipt, store)
    earlier = receipt.model_copy(update={"sequence": 6, "outcome": SwapOutcome.REFUSED})
    node._hand_over(earlier, store)
    lines = metrics.exposition().decode().splitlines()
    labels = 'outcome="installed",role="teacher"'
    assert f"blindspot_edge_update_seconds_sum{{{labels}}} 90.0" in lines
    assert f"blindspot_edge_update_seconds_count{{{labels}}} 1.0" in lines
    assert 'blindspot_edge_swaps_total{outcome="refused",reason="none",role="teacher"} 1.0' in lines
    assert not [
        line for line in lines if line.startswith('blindspot_edge_update_seconds_sum{outcome="refused"')
    ]
