"""kill -9 at any moment of an update: exactly one valid model is active, and the next update works."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.updates.weights_state import WeightsState
from edge.updates.weights_store import WeightsStore
from messaging.blobs import digest_of
from tests.support.faults.update_kills import faults, killed_updates
from tests.support.faults.update_site import fault_of
from tests.support.release_fleet import NOW, Fleet

ROOT = Path(__file__).parents[2]
KILLS = 8


@pytest.mark.slow
def test_a_node_killed_at_random_moments_always_has_exactly_one_valid_model(tmp_path: Path) -> None:
    check_kills(tmp_path, KILLS, random.Random(7))


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.timeout(900)
def test_a_site_ends_on_the_model_of_the_last_order_whenever_its_gate_or_node_is_killed(
    tmp_path: Path,
) -> None:
    updates = killed_updates(tmp_path, 9, seed=7)
    assert len(updates) == 9
    assert faults(updates) == []


def test_a_model_that_is_not_verified_or_not_the_active_one_is_a_fault(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    release = fleet.release("one")
    state, file = WeightsState(active=release), tmp_path / "models" / f"{release.digest}.onnx"
    file.parent.mkdir()
    file.write_bytes(fleet.target(release).read_bytes())
    signed, other = [release.digest], "0" * 64
    assert fault_of(tmp_path, state, release.digest, signed) is None
    assert fault_of(tmp_path, state, None, signed) is None
    assert "is in service" in str(fault_of(tmp_path, state, other, signed))
    assert "no release" in str(fault_of(tmp_path, state, release.digest, [other]))
    assert "no model" in str(fault_of(tmp_path, WeightsState(), None, signed))
    file.write_bytes(b"damaged")
    assert "other bytes" in str(fault_of(tmp_path, state, release.digest, signed))


def check_kills(folder: Path, kills: int, chance: random.Random) -> None:
    """Kill an updating node `kills` times; after each kill inspect the files on disk."""
    fleet = Fleet(folder)
    valid = {fleet.release(name).digest for name in ("one", "two", "three", "four")}
    last_sequence = 0
    for _ in range(kills):
        command = [sys.executable, "-m", "tests.support.faults.update_loop", str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as node:
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n"
            assert node.stdout.readline() == "updated\n"
            time.sleep(chance.uniform(0.0, 0.8))
            node.kill()
        store = WeightsStore(fleet.place(), now_utc=NOW)
        active = store.active()
        if active is not None:
            assert active.digest in valid
            assert digest_of(store.read(active)) == active.digest
        assert store.state.last_sequence >= last_sequence
        last_sequence = store.state.last_sequence
    assert last_sequence >= kills
