"""Other mixes of a finished demo's generated and real images: `python -m cloud.demo.drawn.mix_effect`.

Repeats the campaign's training with other seeds, as it was, without generated images, and with other mixes.
Trainings that have finished in the demo's folder are not repeated.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from cloud.demo.drawn.control_effect import (
    CANDIDATE,
    CONTROL,
    NOTHING,
    campaign_training,
    pooled_boxes,
    targets_of,
    verification_footage,
    write_measured,
)
from cloud.demo.drawn.truth import Key, TrueMetrics, true_metrics
from cloud.training.plan import PLAN_FILE, TrainedWeights, TrainingPlan, finished, read_result, train
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure

SEEDS = (2, 3)
HALF, REAL_ONLY, LONG = "half", "real_only", "long"


def variants(plan: TrainingPlan, trained: TrainedWeights, seed: int) -> dict[str, TrainingPlan]:
    """The plans by name, each with as many optimiser steps as the finished training, except `long`.

    `candidate`: the training as it was; `control`: without generated images; `half`: half of each batch is
    generated; `real_only`: the last third of the epochs uses real images only; `long`: a third more steps
    in the epochs with generated images, so that each real image is used about as often as in the control.
    """
    recipe = replace(plan.recipe, seed=seed, steps=trained.steps, batch=trained.batch)
    mixed = recipe.epochs - recipe.real_only_epochs
    longer = (*(round(steps * 4 / 3) for steps in trained.steps[:mixed]), *trained.steps[mixed:])
    same = replace(plan, recipe=recipe)
    found = {
        CONTROL: replace(same, synthetic=()),
        CANDIDATE: same,
        HALF: replace(same, synthetic=plan.synthetic * 4),
        REAL_ONLY: replace(same, recipe=replace(recipe, real_only_epochs=recipe.epochs // 3)),
        LONG: replace(same, recipe=replace(recipe, steps=longer)),
    }
    return {name: replace(one, name=f"{name}-{seed}") for name, one in found.items()}


def measured(demo: Path, seeds: Sequence[int]) -> list[Figure]:
    """The figures of a finished demo's folder. Raises `DemoFailed`, `TrainingFailed`."""
    training = campaign_training(demo)
    plan, trained = TrainingPlan.from_json((training / PLAN_FILE).read_text()), read_result(training)
    footage = verification_footage(demo / "work")
    found: dict[str, list[TrueMetrics]] = defaultdict(list)
    for seed in seeds:
        for name, variant in variants(plan, trained, seed).items():
            out = (demo / "work" / "detectors" / variant.name).absolute()
            bundle = (finished(variant, out) or train(variant, out)).bundle
            found[name].extend(true_metrics([OnnxDetector(bundle, threads=2)], footage))
    return list(figures(found, targets_of(demo)))


def figures(found: Mapping[str, Sequence[TrueMetrics]], targets: frozenset[Key]) -> Iterator[Figure]:
    """Of each variant: recall of the targets, recall and false boxes by class and condition.

    A value is the mean over the seeds, its interval their smallest and largest value, n their number.
    """
    for name, runs in found.items():
        pooled = [pooled_boxes(metrics, targets) for metrics in runs]
        yield _over_seeds(f"target_recall_{name}", [100 * hits / truth for hits, truth in pooled], "%")
    for key in sorted({key for runs in found.values() for metrics in runs for key in metrics.boxes}):
        for name, runs in found.items():
            scores = [metrics.boxes.get(key, NOTHING) for metrics in runs]
            recalls = [100 * score.recall for score in scores if score.recall is not None]
            if recalls:
                yield _over_seeds(f"recall_{key[0]}_{key[1]}_{name}", recalls, "%")
            yield _over_seeds(
                f"false_{key[0]}_{key[1]}_{name}", [float(one.false) for one in scores], "boxes"
            )


def _over_seeds(name: str, values: Sequence[float], unit: str) -> Figure:
    return Figure(name, mean(values), unit, n=len(values), interval=(min(values), max(values)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the figures to a file and to standard output; returns the exit code."""
    parser = argparse.ArgumentParser(prog="cloud.demo.drawn.mix_effect", description=__doc__)
    parser.add_argument("--demo", type=Path, required=True, help="folder of a finished `blindspot demo`")
    parser.add_argument("--out", type=Path, required=True, help="file for the figures")
    parser.add_argument("--seed", type=int, action="append", help="of a training; may be repeated")
    given = parser.parse_args(arguments)
    seeds = given.seed or SEEDS
    return write_measured(lambda: measured(given.demo, seeds), given.out, command="make demo-mixes")


if __name__ == "__main__":
    raise SystemExit(main())
