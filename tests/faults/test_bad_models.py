"""Bad models in a real node: it goes back to the model before by itself, and by a restart if it must."""

import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edge.updates.weights_state import Step, UpdateJournal, WeightsState, read_state
from messaging.reports import SwapOutcome, SwapReason
from tests.support.edge.tiny_bundles import (
    not_a_number_on_bright,
    one_endless_operator,
    slow_on_bright,
    tiny_bundle,
)
from tests.support.trouble.node_folder import NodeFolder
from tests.support.waiting import wait_until

LIMIT_S = 60.0
DARK, BRIGHT = 90, 255
SOME_300_MS, ENDLESS = 30_000, 2**62


class BadModel(NodeFolder):
    """A site whose first model is in service; its updates are seen in the state file."""

    def configure(self, **updates: float) -> None:
        quick = {"poll_s": 0.2, "trial_s": 0.0, "trial_frames": 1, "latency_factor": 100.0}
        self.write_config(updates={**quick, **updates}, evidence={"motion_filter": False})

    @property
    def state(self) -> WeightsState:
        return read_state(self.data / "weights" / "state.json")

    def receipt_of(self, digest: str) -> tuple[SwapOutcome, SwapReason] | None:
        """Outcome and reason of the last receipt of a model."""
        found = [(r.outcome, r.reason) for r in self.state.receipts if r.digest == digest]
        return found[-1] if found else None

    def add_images(self, level: int, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.add_image(f"{number:04}.png", level)


@pytest.fixture
def node(tmp_path: Path) -> BadModel:
    return BadModel(tmp_path / "site")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "frames", "reason"),
    [
        pytest.param(not_a_number_on_bright, 1000, SwapReason.CRASHED, id="not a number"),
        pytest.param(not_a_number_on_bright, 1, SwapReason.CRASHED, id="not a number, after its trial"),
        pytest.param(slow_on_bright(ENDLESS), 1000, SwapReason.CRASHED, id="never returns"),
        pytest.param(slow_on_bright(SOME_300_MS), 1, SwapReason.WORSE_IN_SERVICE, id="many times slower"),
    ],
)
def test_a_model_that_is_bad_on_real_frames_only_goes_back(
    node: BadModel, change: Callable[[onnx.ModelProto], None], frames: int, reason: SwapReason
) -> None:
    first = node.sign_model()
    node.configure(trial_frames=1, inference_limit_s=1.0)
    with node.running():
        wait_until(lambda: node.state.active == first and node.state.trial is None, LIMIT_S)
    node.configure(trial_frames=frames, inference_limit_s=1.0)
    with node.running():
        second = node.sign_model(tiny_bundle(change=change), version=2)
        wait_until(lambda: node.state.active == second, LIMIT_S)
        node.add_images(DARK, 2, 5)
        if frames == 1:
            wait_until(lambda: node.state.trial is None, LIMIT_S)
        node.add_images(BRIGHT, 10, 60)
        bright_s = time.monotonic()
        wait_until(lambda: node.state.active == first, LIMIT_S)
        assert time.monotonic() - bright_s < LIMIT_S
        assert node.receipt_of(second.digest) == (SwapOutcome.ROLLED_BACK, reason)


@pytest.mark.slow
def test_a_model_that_never_opens_is_refused_by_a_restart_that_nobody_asks_for(node: BadModel) -> None:
    first = node.sign_model()
    node.configure(load_limit_s=5.0)
    with node.running() as process:
        wait_until(lambda: node.state.active == first and node.state.trial is None, LIMIT_S)
        second = node.sign_model(tiny_bundle(change=one_endless_operator), version=2)
        wait_until(lambda: node.receipt_of(second.digest) is not None, LIMIT_S)
        wait_until(lambda: node.page("/healthz")[0] == 200, LIMIT_S)
        assert process.poll() is None
    assert node.state.active == first
    assert node.state.staged is None
    assert node.receipt_of(second.digest) == (SwapOutcome.REFUSED, SwapReason.SELF_TEST_FAILED)
    assert "does not return and cannot be ended; the node starts again" in node.log.read_text()


@pytest.mark.slow
def test_a_node_that_is_killed_on_probation_starts_on_the_model_before(node: BadModel) -> None:
    first = node.sign_model()
    node.configure()
    with node.running():
        wait_until(lambda: node.state.active == first and node.state.trial is None, LIMIT_S)
    node.configure(trial_frames=1000)
    second = node.sign_model(tiny_bundle(change=not_a_number_on_bright), version=2)
    journal = UpdateJournal(node.data / "weights" / "journal.jsonl")
    for trial in range(1, 4):
        with node.running() as process:
            wait_until(lambda trial=trial: journal.steps().count(Step.TRIAL) == 1 + trial, LIMIT_S)
            process.kill()
    with node.running():
        wait_until(lambda: node.page("/healthz")[0] == 200, LIMIT_S)
    assert node.state.active == first
    assert node.receipt_of(second.digest) == (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
