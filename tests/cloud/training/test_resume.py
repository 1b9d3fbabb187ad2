"""A training whose process is killed goes on at its last whole epoch, to the weights of one that was not."""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.detector.weights import read_weights
from cloud.errors import TrainingFailed
from cloud.training.plan import PROGRESS_FILE, TrainingProgress, train
from cloud.training.run import STATE_FILE
from tests.support.cloud.trainings import TINY, tiny_plan


def _training_process(out: Path) -> int:
    """The process that trains in a folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"cloud.training.run" in command and str(out).encode() in command:
                return int(entry.name)
    raise AssertionError(f"nothing trains in {out}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_repeats_no_whole_epoch_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path, recipe=replace(TINY, epochs=4, mosaic=0.5, weather=0.5), streets=2)
    out = tmp_path / "out"

    def kill_after_two_epochs() -> None:
        while (
            not (out / STATE_FILE).exists() or b'"epochs\\":2' not in (out / STATE_FILE).read_bytes()[:9999]
        ):
            time.sleep(0.02)
        os.kill(_training_process(out), signal.SIGKILL)

    killer = threading.Thread(target=kill_after_two_epochs, daemon=True)
    killer.start()
    with pytest.raises(TrainingFailed, match="ended with code -9"):
        train(plan, out)
    killer.join()
    again: list[TrainingProgress] = []
    resumed = train(plan, out, progress=again.append)
    lines = [json.loads(line) for line in (out / PROGRESS_FILE).read_text().splitlines()]
    assert min(line["epoch"] for line in lines) >= 3
    assert again[-1].step == again[-1].steps
    assert not (out / STATE_FILE).exists()
    whole = train(plan, tmp_path / "whole")
    assert len(resumed.losses) == 4
    assert resumed.losses == whole.losses
    assert all(one.losses == whole.losses[: one.epoch - 1] for one in again), "none lost, none twice"
    assert resumed.weights_digest == whole.weights_digest
    tensors = read_weights(resumed.weights).tensors
    assert {n: v.shape for n, v in tensors.items()} == {
        n: v.shape for n, v in read_weights(plan.parent).tensors.items()
    }
