"""Other mixes of generated and real images: their plans, and their figures over the seeds."""

from pathlib import Path

import pytest

from cloud.demo.drawn.mix_effect import figures, main, variants
from cloud.demo.drawn.truth import TrueMetrics
from cloud.demo.result import Score
from cloud.training.plan import Recipe, TrainedWeights, TrainingPlan

TARGET = ("garbage", "night-rain")
RECIPE = Recipe(
    epochs=3,
    learning_rate=1e-3,
    batch=16,
    synthetic_fraction=0.5,
    frozen_layers=3,
    parent_weight=0.5,
    weather=0.5,
    precision_margin=0.03,
    threads=2,
)
PLAN = TrainingPlan(
    Path("parent"), "campaign", replay=(Path("replay"),), recipe=RECIPE, synthetic=(Path("generated"),)
)
TRAINED = TrainedWeights(Path("w"), "", Path("b"), "", "", 1.0, 9, (), batch=8, steps=(30, 30, 21))


def test_every_variant_has_the_steps_and_batch_of_the_finished_training_but_the_longer_one() -> None:
    plans = variants(PLAN, TRAINED, 5)
    steps = {name: plan.recipe.steps for name, plan in plans.items()}
    assert steps.pop("long") == (40, 40, 21)
    assert set(steps.values()) == {(30, 30, 21)}
    assert {(plan.recipe.seed, plan.recipe.batch) for plan in plans.values()} == {(5, 8)}


def test_the_variants_differ_in_their_generated_images() -> None:
    plans = variants(PLAN, TRAINED, 5)
    folders = {name: len(plan.synthetic) for name, plan in plans.items()}
    assert folders == {"control": 0, "candidate": 1, "half": 4, "real_only": 1, "long": 1}
    assert len({plan.name for plan in plans.values()}) == len(plans)


def test_a_figure_is_the_mean_over_the_seeds_with_their_smallest_and_largest() -> None:
    runs = [TrueMetrics({TARGET: Score(200, found, false)}, {}) for found, false in ((100, 3), (120, 9))]
    made = {one.name: one for one in figures({"half": runs}, frozenset({TARGET}))}
    recall = made["target_recall_half"]
    assert (recall.value, recall.interval, recall.n) == (pytest.approx(55.0), (50.0, 60.0), 2)
    assert made["false_garbage_night-rain_half"].value == pytest.approx(6.0)


def test_a_folder_without_a_finished_demo_is_one_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["--demo", str(tmp_path), "--out", str(tmp_path / "figures.json")]) == 1
    assert "holds no campaign that has trained; run `make demo` first" in caplog.text
