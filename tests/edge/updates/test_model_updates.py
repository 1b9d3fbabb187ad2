"""Orders carried out: weights, detector and shadow run moved together, over restarts."""

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.errors import DetectorError
from edge.updates import hot_swap
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.model_updates import ModelUpdates, TrialPolicy
from edge.updates.weights_store import MAX_STARTS_IN_TRIAL, WeightsStore
from edge.vision.onnx_detector import OnnxDetector
from messaging.blobs import digest_of
from messaging.releases import Channel
from messaging.reports import SwapOutcome, SwapReason
from messaging.taxonomy import Condition
from messaging.trust.manifest import ReleaseManifest
from tests.support.fake_detector import FakeDetector, describe, load_fake
from tests.support.release_fleet import NOW, Fleet
from tests.support.waiting import wait_until

IMAGE = np.zeros((48, 64, 3), np.uint8)


class Node:
    """What a node's main loop does, with its own clock."""

    def __init__(self, fleet: Fleet) -> None:
        self.time_s = 0.0
        self.fleet = fleet
        self.loaded: list[FakeDetector] = []
        policy = SwapPolicy(latency_factor=2.5, repeats=1, golden_every_s=0.0)
        self.store = WeightsStore(fleet.place(), now_utc=NOW)
        self.detector = SwappableDetector(
            lambda data: self.load(data),  # noqa: PLW0108  # a test may replace load
            policy,
            clock=lambda: self.time_s,
        )
        self.updates = ModelUpdates(self.store, self.detector, policy=TrialPolicy(trial_s=60, frames=3))
        self.updates.start(NOW)

    def load(self, data: bytes) -> FakeDetector:
        self.loaded.append(load_fake(data))
        return self.loaded[-1]

    def run(self, seconds: int = 70) -> None:
        """A tick and a frame every ten seconds."""
        for _ in range(seconds // 10):
            self.updates.tick(NOW)
            if self.detector.ready:
                self.detector.detect_frame(IMAGE)
            self.time_s += 10
        self.updates.tick(NOW)

    def new_reports(self) -> list[tuple[SwapOutcome, SwapReason]]:
        receipts = self.store.receipts()
        for receipt in receipts:
            assert receipt.frames_lost == 0
            self.store.sent(receipt)
        return [(receipt.outcome, receipt.reason) for receipt in receipts]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node whose first release is in service."""
    fleet = Fleet(tmp_path)
    node = Node(fleet)
    fleet.order(fleet.release("one").digest)
    node.run()
    assert node.new_reports() == [(SwapOutcome.INSTALLED, SwapReason.NONE)]
    return node


def test_a_node_starts_without_a_model_and_gets_its_first_as_a_release(node: Node) -> None:
    assert node.detector.description.name == "one"
    assert Node(node.fleet).detector.description.name == "one"


def test_a_release_goes_from_shadow_to_service(node: Node) -> None:
    two = node.fleet.release("two", Channel.TRIAL)
    node.fleet.order(two.digest, Channel.TRIAL)
    node.run(20)
    shadow = node.updates.shadow
    assert shadow is not None
    found = node.detector.detect_frame(IMAGE)[1]
    for second in range(4):
        shadow.process("gate", IMAGE, found, condition=Condition(), time_s=second, incumbent_ms=1.0)
    (so_far,) = node.updates.shadow_reports(NOW)
    assert (so_far.frames, so_far.final) == (4, False)
    node.fleet.promote(two)
    node.fleet.order(two.digest)
    node.run()
    (final,) = node.updates.shadow_reports(NOW)
    assert (final.final, final.candidate_digest) == (True, two.digest)
    assert final.tallies[0].supported == 1
    assert node.updates.shadow is None
    assert node.detector.description.name == "two"
    assert node.new_reports() == [
        (SwapOutcome.SHADOWING, SwapReason.NONE),
        (SwapOutcome.INSTALLED, SwapReason.NONE),
    ]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("broken", SwapReason.BAD_BUNDLE),
        ("unsafe", SwapReason.UNSAFE_GRAPH),
        ("nan", SwapReason.SELF_TEST_FAILED),
        ("slow", SwapReason.TOO_SLOW),
    ],
)
@pytest.mark.parametrize("channel", list(Channel))
def test_a_bad_candidate_is_refused_and_the_incumbent_stays(
    node: Node, kind: str, reason: SwapReason, channel: Channel
) -> None:
    node.fleet.order(node.fleet.release("two", channel, kind=kind).digest, channel)
    node.run()
    assert node.new_reports() == [(SwapOutcome.REFUSED, reason)]
    assert node.detector.description.name == "one"
    assert Node(node.fleet).detector.description.name == "one"


def test_a_model_that_fails_in_its_first_minutes_is_rolled_back(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    node.run(20)
    assert node.detector.description.name == "two"
    node.loaded[-1].kind = "failing"
    for _ in range(3):
        assert len(node.detector.detect_frame(IMAGE)[1]) == 1
    node.updates.tick(NOW)
    assert node.new_reports() == [(SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)]
    assert node.detector.description.name == "one"
    assert Node(node.fleet).detector.description.name == "one"


def test_time_without_frames_does_not_end_probation(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    node.updates.tick(NOW)
    for _ in range(2):
        node.detector.detect_frame(IMAGE)
    node.time_s += 86_400
    node.updates.tick(NOW)
    assert node.new_reports() == []
    node.detector.detect_frame(IMAGE)
    node.updates.tick(NOW)
    assert node.new_reports() == [(SwapOutcome.INSTALLED, SwapReason.NONE)]


def test_a_crash_on_probation_restarts_the_previous_model_and_then_the_probation(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    node.run(20)
    again = Node(node.fleet)
    assert again.detector.description.name == "one"
    again.updates.tick(NOW)
    assert again.detector.description.name == "two"
    assert again.detector.probation_s == 0.0
    again.detector.roll_back(SwapReason.CRASHED)
    again.updates.tick(NOW)
    assert again.detector.description.name == "one"
    assert again.new_reports() == [(SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)]


def test_a_model_that_ends_the_process_on_probation_is_given_up_after_a_few_starts(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    again, tries = node, 0
    while again.store.receipts() == ():
        again.updates.tick(NOW)
        tries += again.detector.description.name == "two"
        again = Node(node.fleet)
        assert again.detector.description.name == "one"
    assert tries == MAX_STARTS_IN_TRIAL
    assert again.new_reports() == [(SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)]
    again.updates.tick(NOW)
    assert again.detector.description.name == "one"


def test_stops_that_were_asked_for_do_not_count_against_a_model_on_probation(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    again = node
    for _ in range(3 * MAX_STARTS_IN_TRIAL):
        again.updates.tick(NOW)
        assert again.detector.description.name == "two"
        again.updates.stop()
        again = Node(node.fleet)
    again.run()
    assert again.new_reports() == [(SwapOutcome.INSTALLED, SwapReason.NONE)]


def test_a_restart_in_the_probation_of_an_order_back_does_not_start_what_was_ordered_away(node: Node) -> None:
    one = node.detector.digest
    node.fleet.order(node.fleet.release("two").digest)
    node.run()
    node.new_reports()
    node.fleet.order(one, downgrade=True)
    node.updates.tick(NOW)
    again = Node(node.fleet)
    assert again.detector.digest == one
    assert [model.description.name for model in again.loaded] == ["one"]
    again.run()
    assert again.new_reports() == [(SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)]


def test_a_model_that_fails_after_its_probation_is_replaced_by_the_previous(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    node.run()
    node.new_reports()
    node.loaded[-1].kind = "failing"
    for _ in range(10):
        with pytest.raises(DetectorError):
            node.detector.detect_frame(IMAGE)
    node.updates.tick(NOW)
    assert node.detector.description.name == "one"
    assert len(node.detector.detect_frame(IMAGE)[1]) == 1
    assert [(r.outcome, r.reason) for r in node.store.receipts()] == [
        (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    ]
    assert Node(node.fleet).detector.description.name == "one"


def test_an_order_back_is_carried_out_while_a_model_hangs(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_swap, "TURN_LIMIT_S", 0.1)
    one, release = node.detector.digest, threading.Event()
    node.fleet.order(node.fleet.release("two").digest)
    node.run(20)
    node.loaded[-1].waits_for = release
    camera = threading.Thread(target=node.detector.detect_frame, args=(IMAGE,), daemon=True)
    camera.start()
    wait_until(lambda: node.loaded[-1].waiting)
    node.time_s += 600
    node.fleet.order(one, downgrade=True)
    updates = threading.Thread(target=node.updates.tick, args=(NOW,), daemon=True)
    updates.start()
    updates.join(5.0)
    assert not updates.is_alive()
    assert node.detector.digest == one
    assert node.detector.detect_frame(IMAGE)[0].digest == one
    release.set()
    camera.join(5.0)
    assert not camera.is_alive()


def test_a_restart_within_a_shadow_run_continues_it(node: Node) -> None:
    two = node.fleet.release("two", Channel.TRIAL)
    node.fleet.order(two.digest, Channel.TRIAL)
    node.run(20)
    again = Node(node.fleet)
    again.run(20)
    assert again.updates.shadow is not None
    assert again.updates.shadow.candidate_digest == two.digest
    assert again.new_reports() == [(SwapOutcome.SHADOWING, SwapReason.NONE)]


def test_a_model_in_service_that_no_longer_loads_is_replaced_by_the_previous(node: Node) -> None:
    node.fleet.order(node.fleet.release("two").digest)
    node.run()
    node.new_reports()

    class Picky(Node):
        def load(self, data: bytes) -> FakeDetector:
            return super().load(data.replace(b'"good"', b'"broken"') if b"two" in data else data)

    again = Picky(node.fleet)
    assert again.detector.description.name == "one"
    assert again.new_reports() == [(SwapOutcome.ROLLED_BACK, SwapReason.BAD_BUNDLE)]


def test_an_operator_orders_a_downgrade_and_the_older_model_is_in_service(node: Node) -> None:
    one = node.detector.digest
    node.fleet.order(node.fleet.release("two").digest)
    node.run()
    node.new_reports()
    node.fleet.order(one, downgrade=True)
    node.run()
    assert node.detector.digest == one
    assert node.new_reports() == [(SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)]


@pytest.mark.parametrize("attack", ["external data", "sparse tensors", "foreign operators"])
def test_a_signed_onnx_graph_that_reaches_outside_itself_is_refused_before_it_is_opened(
    node: Node, attack: str
) -> None:
    data = _hostile_onnx(attack)
    manifest = ReleaseManifest.of(
        describe("hostile"),
        digest=digest_of(data),
        length_bytes=len(data),
        channel=Channel.SERVICE,
        version=9,
    )
    node.fleet.repository.publish(manifest)
    node.fleet.target(manifest).write_bytes(data)
    node.fleet.mirror_metadata()
    node.fleet.order(manifest.digest)
    node.load = OnnxDetector
    node.run(10)
    assert node.new_reports() == [(SwapOutcome.REFUSED, SwapReason.UNSAFE_GRAPH)]
    assert node.detector.description.name == "one"


def _hostile_onnx(attack: str) -> bytes:
    weights = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    domain = "evil" if attack == "foreign operators" else ""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"], domain=domain)],
        "hostile",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
        initializer=[weights],
    )
    if attack == "external data":
        tensor = graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../etc/passwd")
    if attack == "sparse tensors":
        index = onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0])
        graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(weights, index, [1]))
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def test_a_shadow_run_waits_for_an_incumbent(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    node = Node(fleet)
    fleet.order(fleet.release("one", Channel.TRIAL).digest, Channel.TRIAL)
    node.run(20)
    assert node.updates.shadow is None
    with pytest.raises(DetectorError):
        node.detector.detect_frame(IMAGE)
    assert node.new_reports() == []
