"""A model that keeps a thread for good: the node starts again by itself, on the model before."""

from pathlib import Path

import pytest

from edge.updates.weights_state import WeightsState, read_state
from messaging.reports import SwapOutcome, SwapReason
from tests.support.edge.tiny_bundles import one_endless_operator, tiny_bundle
from tests.support.trouble.node_folder import NodeFolder
from tests.support.waiting import wait_until

# Opening takes up to the limit of 5 s, then 10 s of grace, then a restart.
LIMIT_S = 60.0


@pytest.mark.slow
def test_a_model_that_never_opens_is_refused_by_a_restart_that_nobody_asks_for(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "site")
    first = node.sign_model()
    node.write_config(updates={"poll_s": 0.2, "trial_s": 0.0, "trial_frames": 1, "load_limit_s": 5.0})

    def state() -> WeightsState:
        return read_state(node.data / "weights" / "state.json")

    with node.running() as process:
        wait_until(lambda: state().active == first and state().trial is None, LIMIT_S)
        second = node.sign_model(tiny_bundle(change=one_endless_operator), version=2)
        wait_until(lambda: len(state().receipts) == 2, LIMIT_S)
        wait_until(lambda: node.page("/healthz")[0] == 200, LIMIT_S)
        assert process.poll() is None
    assert state().active == first
    assert state().staged is None
    refused = state().receipts[-1]
    assert (refused.digest, refused.outcome, refused.reason) == (
        second.digest,
        SwapOutcome.REFUSED,
        SwapReason.SELF_TEST_FAILED,
    )
    assert "does not return and cannot be ended; the node starts again" in node.log.read_text()
