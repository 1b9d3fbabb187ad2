"""The training loop, in this process: embeddings stay, the last epochs use real images only."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cloud.detector.weights import EMBEDDING_LAYERS, layer_of, read_weights
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.training import loop as training_loop
from cloud.training.batches import Sample
from cloud.training.loop import Reporter, epoch_parts, fit, rate_factor
from cloud.training.plan import FIRST_TRAINING
from messaging.hazard_classes import HazardClass

TINY = replace(
    FIRST_TRAINING, epochs=2, learning_rate=5e-4, batch=2, real_only_epochs=1, threads=1, mosaic=0.0
)


def _samples(count: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    box = np.asarray([[0, 10, 10, 40, 40]], np.float32)
    return [Sample(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), box) for _ in range(count)]


@pytest.mark.parametrize("frozen", [EMBEDDING_LAYERS, 3])
def test_training_leaves_frozen_layers_their_statistics_and_the_embeddings_alone(
    tmp_path: Path, frozen: int
) -> None:
    parent, recipe = read_weights(STARTING_WEIGHTS), replace(TINY, frozen_layers=frozen)
    trained, losses = fit(parent, _samples(2), _samples(2), recipe, report=tmp_path / "progress.jsonl")
    kept = parent.first_layers(frozen)
    assert all(trained.tensors[n].tobytes() == v.tobytes() for n, v in kept.items())
    assert any(n.endswith("running_var") for n in kept)
    free = {n: v for n, v in parent.tensors.items() if n not in kept}
    assert {layer_of(n) for n, v in free.items() if (trained.tensors[n] != v).any()} > {frozen, 23}
    assert any((trained.tensors[n] != v).any() for n, v in free.items() if n.endswith("running_mean"))
    assert trained.embedding_digest == parent.embedding_digest
    assert bool(trained.embedder) is (frozen < EMBEDDING_LAYERS)
    assert len(losses) == 2
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(("epochs", "real_only", "mixed"), [(5, 1, 4), (5, 2, 3), (2, 0, 2), (1, 0, 1)])
def test_the_last_epochs_use_real_images_only(epochs: int, real_only: int, mixed: int) -> None:
    recipe = replace(TINY, epochs=epochs, real_only_epochs=real_only)
    used = [bool(epoch_parts(e, _samples(1), _samples(1), recipe)[1]) for e in range(epochs)]
    assert used == [True] * mixed + [False] * (epochs - mixed)


def test_the_learning_rate_warms_up_and_falls_to_its_floor() -> None:
    rates = [rate_factor(done / 100) for done in range(101)]
    assert rates[0] < 0.05
    assert max(rates) > 0.98
    assert rates[100] == pytest.approx(0.05)
    assert all(a >= b for a, b in pairwise(rates[5:]))


def test_the_last_step_is_always_reported(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path / "progress.jsonl", steps=3, epochs=1)
    for step in (1, 2, 3):
        reporter.report(1, step, 0.5)
    assert '"step": 3' in (tmp_path / "progress.jsonl").read_text().splitlines()[-1]


def test_parent_weight_interpolates_between_the_parent_and_the_tuned_network(tmp_path: Path) -> None:
    parent = read_weights(STARTING_WEIGHTS)

    def drift(parent_weight: float) -> float:
        recipe = replace(TINY, parent_weight=parent_weight)
        trained, _ = fit(parent, _samples(2), _samples(2), recipe, report=tmp_path / "p.jsonl")
        return sum(float(np.abs(trained.tensors[n] - v).sum()) for n, v in parent.tensors.items())

    assert drift(0.75) == pytest.approx(drift(0.0) / 4, rel=0.05)


def test_a_new_class_is_trained_and_its_output_is_not_pulled_back_to_the_parent(tmp_path: Path) -> None:
    parent = read_weights(STARTING_WEIGHTS)
    known = len(parent.card.class_names)
    tree = HazardClass(name="fallen_tree", severity=4, words=("a fallen tree",))
    classes = (*parent.card.taxonomy.classes, tree)
    samples = [replace(s, boxes=np.asarray([[known, 10, 10, 40, 40]], np.float32)) for s in _samples(2)]

    def outputs(parent_weight: float) -> dict[str, np.ndarray]:
        recipe = replace(TINY, parent_weight=parent_weight, real_only_epochs=0)
        report = tmp_path / "progress.jsonl"
        trained, _ = fit(parent, samples, samples, recipe, report=report, classes=classes)
        assert trained.card.class_names[-1] == "fallen_tree"
        assert trained.embedding_digest == parent.embedding_digest
        grown = [n for n, v in trained.tensors.items() if v.shape != parent.tensors[n].shape]
        return {name: trained.tensors[name] for name in grown}

    free, held = outputs(0.0), outputs(0.9)
    assert free
    for name, value in free.items():
        assert np.array_equal(held[name][known:], value[known:])
        assert not np.array_equal(held[name][:known], value[:known])
    assert any(value[known:].any() for name, value in free.items() if name.endswith("weight"))


def test_kept_statistics_stay_while_kernels_learn(tmp_path: Path) -> None:
    parent, recipe = read_weights(STARTING_WEIGHTS), replace(TINY, keep_statistics=True)
    trained, _ = fit(parent, _samples(2), _samples(2), recipe, report=tmp_path / "progress.jsonl")
    statistics = [n for n in parent.tensors if n.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 100
    assert all((trained.tensors[n] == parent.tensors[n]).all() for n in statistics)
    assert any((trained.tensors[n] != v).any() for n, v in parent.tensors.items() if "model.23." in n)


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

    monkeypatch.setattr(training_loop, "thresholds_as_precise", thresholds)
    parent, recipe = read_weights(STARTING_WEIGHTS), replace(TINY, precision_margin=0.03)
    here, there = (tmp_path / "here",), (tmp_path / "there",)
    child = training_loop.calibrated(parent, parent, here, recipe)
    child.write(tmp_path / "child.safetensors")
    child = read_weights(tmp_path / "child.safetensors")
    training_loop.calibrated(child, child, here, recipe)
    training_loop.calibrated(child, child, there, recipe)
    assert asked == [(0.03, False), (0.03, True), (0.03, False)]
