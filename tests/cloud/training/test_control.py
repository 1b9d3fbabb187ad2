"""A control model takes the steps of the training that it is compared with, without some generated images."""

from dataclasses import replace
from pathlib import Path

import pytest

from cloud.training.control import control_plan
from cloud.training.plan import PLAN_FILE, TrainedWeights, finished, train, write_result
from tests.support.cloud.labelled_images import square_images
from tests.support.cloud.trainings import TINY, tiny_plan


def result(out: Path, *, batch: int = 2, steps: tuple[int, ...] = (7, 3)) -> TrainedWeights:
    return TrainedWeights(out / "w", "a" * 64, out / "b", "b" * 64, "e" * 64, 1.0, 9, (1.0,), batch, steps)


def test_the_control_has_steps_and_batch_of_the_training_and_all_but_the_named_images(tmp_path: Path) -> None:
    own, earlier = tmp_path / "own", tmp_path / "earlier"
    plan = tiny_plan(tmp_path, synthetic=(own, earlier), streets=5)
    control = control_plan(plan, result(tmp_path), {own})
    assert control.synthetic == (earlier,)
    assert control.name == "tiny-control"
    assert control.recipe == replace(plan.recipe, batch=2, steps=(7, 3))
    assert replace(control, name=plan.name, synthetic=plan.synthetic, recipe=plan.recipe) == plan


def test_only_the_same_plan_has_finished(tmp_path: Path) -> None:
    plan, out = tiny_plan(tmp_path), tmp_path / "out"
    assert finished(plan, out) is None
    out.mkdir()
    (out / PLAN_FILE).write_text(plan.to_json())
    assert finished(plan, out) is None
    write_result(out, result(out))
    assert finished(plan, out) == result(out)
    assert finished(replace(plan, streets=1), out) is None
    (out / "result.json").write_bytes(b"{")
    assert finished(plan, out) is None


@pytest.mark.parametrize("steps", [(3,), (3, 0), (3, 3, 3)])
def test_steps_are_stated_for_each_epoch(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="steps must be >= 1 for each of 2 epochs"):
        replace(TINY, steps=steps)


@pytest.mark.slow
def test_a_control_trains_as_many_steps_on_fewer_images(tmp_path: Path) -> None:
    generated = square_images(tmp_path / "many", 12, seed=3)
    plan = tiny_plan(tmp_path, synthetic=(generated,))
    trained = train(plan, tmp_path / "out")
    without = replace(plan, synthetic=())
    alone = train(without, tmp_path / "alone")
    assert sum(alone.steps) < sum(trained.steps), "leaving images out alone leaves steps out too"
    control = train(control_plan(plan, trained, plan.synthetic), tmp_path / "control")
    assert (control.steps, control.batch) == (trained.steps, trained.batch)
    assert (trained.images, control.images) == (18, 6)
    assert len({trained.bundle_digest, control.bundle_digest, alone.bundle_digest}) == 3
