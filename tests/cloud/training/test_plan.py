"""A training changes only what it may, reports its progress, and ends when stop is requested."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.detector.weights import read_weights
from cloud.errors import TrainingFailed, TrainingStopped
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.training.plan import (
    RESULT_FILE,
    TrainingPlan,
    TrainingProgress,
    read_result,
    train,
)
from edge.vision.onnx_detector import OnnxDetector
from tests.support.cloud.labelled_images import square_images
from tests.support.cloud.trainings import TINY, tiny_plan


@pytest.mark.slow
def test_a_training_writes_a_bundle_and_leaves_the_embedding_layers_bit_for_bit_unchanged(
    tmp_path: Path,
) -> None:
    reported: list[TrainingProgress] = []
    recipe = replace(TINY, weather=0.5, precision_margin=0.0)
    own = square_images(tmp_path / "own", 4, seed=2)
    plan = tiny_plan(tmp_path, recipe=recipe, streets=2, calibration=(own,))
    result = train(plan, tmp_path / "out", progress=reported.append)
    before, after = read_weights(tmp_path / "parent.safetensors"), read_weights(result.weights)
    assert (after.card.input_width, after.card.input_height) == (96, 64)
    kept = before.embedding_layers
    assert set(kept) == set(after.embedding_layers)
    assert all(after.embedding_layers[name].tobytes() == value.tobytes() for name, value in kept.items())
    changed = [name for name, value in before.tensors.items() if (after.tensors[name] != value).any()]
    assert changed
    assert not set(changed) & set(kept)
    assert (reported[-1].epoch, reported[-1].seconds_left) == (2, 0.0)
    detector = OnnxDetector(result.bundle)
    assert detector.digest == result.bundle_digest
    assert detector.description.parent_digest == before.digest
    assert detector.description.embedding_digest == result.embedding_digest
    assert read_result(tmp_path / "out") == result
    assert len(result.losses) == 2
    assert result.images == 6 + 4 + 2
    assert all(t >= before.card.thresholds[name] for name, t in after.card.thresholds.items())


def test_a_training_that_is_stopped_leaves_no_process_and_no_result(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match="stopped as asked"):
        train(tiny_plan(tmp_path), tmp_path / "out", should_stop=lambda: True)
    with pytest.raises(TrainingFailed, match="no finished training"):
        read_result(tmp_path / "out")


@pytest.mark.slow
def test_a_failure_in_the_process_is_raised_with_the_end_of_its_log(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path, parent=tmp_path / "gone.safetensors")
    with pytest.raises(TrainingFailed, match=r"there is no weights file .*gone\.safetensors"):
        train(plan, tmp_path / "out")


def test_a_plan_without_replay_is_refused() -> None:
    with pytest.raises(ValueError, match="destroys old classes"):
        TrainingPlan(parent=STARTING_WEIGHTS, name="x", replay=(), recipe=TINY)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"synthetic_fraction": 0.6},
        {"real_only_epochs": 5},
        {"learning_rate": 0},
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        replace(TINY, **changes)  # type: ignore[arg-type]  # the test names the fields


def test_a_plan_is_equal_after_a_round_trip_through_json(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path, calibration=(tmp_path,))
    assert TrainingPlan.from_json(plan.to_json()) == plan


def test_the_parent_process_needs_no_torch() -> None:
    script = (
        "import cloud.training.plan, cloud.evaluation.promotion, cloud.evaluation.evaluate, sys\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\0", b'{"weights": 7}'])
def test_a_damaged_result_is_no_finished_training(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESULT_FILE).write_bytes(content)
    with pytest.raises(TrainingFailed, match=r"holds no finished training \(state file .*run the plan"):
        read_result(tmp_path)
