"""A training in this process: what it may not change stays, and it goes on exactly where it ended."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.detector.head_growth import grown
from cloud.detector.ultralytics.resume_state import TrainingCounters
from cloud.detector.ultralytics.trainer import StepDone
from cloud.detector.weights import EMBEDDING_LAYERS, DetectorWeights, layer_of, read_weights
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.training import run as training_run
from cloud.training.plan import PROGRESS_FILE, Recipe
from cloud.training.run import Reporter, fit, listed
from messaging.hazard_classes import HazardClass
from tests.support.cloud.labelled_images import square_images
from tests.support.cloud.trainings import TINY, tiny_plan

SHORT = replace(TINY, mosaic=0.0)


def _trained(
    folder: Path, recipe: Recipe, **changes: object
) -> tuple[DetectorWeights, DetectorWeights, TrainingCounters]:
    """The parent, the trained weights and their counters."""
    plan = tiny_plan(folder, recipe=recipe, **changes)
    parent = read_weights(plan.parent)
    (folder / "out").mkdir(exist_ok=True)
    start = grown(parent, plan.classes) if plan.classes else parent
    images = listed(plan, start.card, folder / "out")
    return parent, *fit(plan, parent, start, images, folder / "out")


@pytest.mark.parametrize("frozen", [EMBEDDING_LAYERS, 3])
def test_training_leaves_frozen_layers_their_statistics_and_the_embeddings_alone(
    tmp_path: Path, frozen: int
) -> None:
    parent, trained, counters = _trained(tmp_path, replace(SHORT, frozen_layers=frozen))
    kept = parent.first_layers(frozen)
    assert all(trained.tensors[n].tobytes() == v.tobytes() for n, v in kept.items())
    assert any(n.endswith("running_var") for n in kept)
    free = {n: v for n, v in parent.tensors.items() if n not in kept}
    assert {layer_of(n) for n, v in free.items() if (trained.tensors[n] != v).any()} > {frozen, 23}
    assert any((trained.tensors[n] != v).any() for n, v in free.items() if n.endswith("running_mean"))
    assert trained.embedding_digest == parent.embedding_digest
    assert bool(trained.embedder) is (frozen < EMBEDDING_LAYERS)
    assert (counters.epochs, counters.batch, len(counters.losses)) == (2, 4, 2)
    assert np.isfinite(counters.losses).all()


def test_kept_statistics_stay_while_kernels_learn(tmp_path: Path) -> None:
    parent, trained, _ = _trained(tmp_path, replace(SHORT, keep_statistics=True))
    statistics = [n for n in parent.tensors if n.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 100
    assert all((trained.tensors[n] == parent.tensors[n]).all() for n in statistics)
    assert any((trained.tensors[n] != v).any() for n, v in parent.tensors.items() if "model.23." in n)


def test_parent_weight_interpolates_between_the_parent_and_the_tuned_network(tmp_path: Path) -> None:
    def drift(parent_weight: float) -> float:
        parent, trained, _ = _trained(tmp_path, replace(SHORT, parent_weight=parent_weight))
        return sum(float(np.abs(trained.tensors[n] - v).sum()) for n, v in parent.tensors.items())

    assert drift(0.75) == pytest.approx(drift(0.0) / 4, rel=0.05)


def test_a_new_class_is_trained_and_its_output_is_not_pulled_back_to_the_parent(tmp_path: Path) -> None:
    own = square_images(tmp_path / "trees", 4)
    (own / "classes.json").write_text('["fallen_tree", "smoke"]')
    tree = HazardClass(name="fallen_tree", severity=4, words=("a fallen tree",))
    classes = (*read_weights(STARTING_WEIGHTS).card.taxonomy.classes, tree)
    known = len(classes) - 1

    def outputs(parent_weight: float) -> dict[str, np.ndarray]:
        recipe = replace(SHORT, parent_weight=parent_weight)
        parent, trained, _ = _trained(tmp_path, recipe, replay=(own,), synthetic=(), classes=classes)
        assert trained.card.class_names[-1] == "fallen_tree"
        assert trained.embedding_digest == parent.embedding_digest
        larger = [n for n, v in trained.tensors.items() if v.shape != parent.tensors[n].shape]
        return {name: trained.tensors[name] for name in larger}

    free, held = outputs(0.0), outputs(0.9)
    assert free
    for name, value in free.items():
        assert np.array_equal(held[name][known:], value[known:])
        assert not np.array_equal(held[name][:known], value[:known])
    assert any(value[known:].any() for name, value in free.items() if name.endswith("weight"))


def test_progress_is_written_up_to_the_last_step(tmp_path: Path) -> None:
    _trained(tmp_path, SHORT)
    lines = [json.loads(line) for line in (tmp_path / "out" / PROGRESS_FILE).read_text().splitlines()]
    assert (lines[-1]["epoch"], lines[-1]["step"], lines[-1]["steps"]) == (2, 5, 5)
    assert len(lines[-1]["losses"]) == 1, "the last epoch has not ended at its last step"


def test_the_last_step_is_always_reported(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path / "progress.jsonl", epochs=2)
    for step in (11, 12, 13):
        reporter.report(StepDone(2, step, 13, 0.5, lambda: 0.25, (1.25,)))
    lines = [json.loads(line) for line in reporter.path.read_text().splitlines()]
    assert [(line["step"], line["seconds_left"]) for line in lines] == [(11, 1.0), (13, 0.0)]
    assert [line["losses"] for line in lines] == [[1.25], [1.25]]


def test_thresholds_need_not_rise_for_the_margin_twice_on_the_same_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child of a parent that was calibrated on the same folders, or on others."""
    asked = []

    def thresholds(
        _own: object, _parent: object, _images: object, *, margin: float, again: bool
    ) -> dict[str, float]:
        asked.append((margin, again))
        return dict(read_weights(STARTING_WEIGHTS).card.thresholds)

    monkeypatch.setattr(training_run, "thresholds_as_precise", thresholds)
    parent, recipe = read_weights(STARTING_WEIGHTS), replace(TINY, precision_margin=0.03)
    here, there = (tmp_path / "here",), (tmp_path / "there",)
    child = training_run.calibrated(parent, parent, here, recipe)
    child.write(tmp_path / "child.safetensors")
    child = read_weights(tmp_path / "child.safetensors")
    training_run.calibrated(child, child, here, recipe)
    training_run.calibrated(child, child, there, recipe)
    assert asked == [(0.03, False), (0.03, True), (0.03, False)]
