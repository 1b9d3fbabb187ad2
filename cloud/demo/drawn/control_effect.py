"""What the generated images of a finished demo contribute: `python -m cloud.demo.drawn.control_effect`.

Trains the control model of the demo's campaign and counts parent, control and candidate on the cameras'
verification footage, by its ground truth.
"""

import argparse
import datetime
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cloud.demo.control import first_training, train_control
from cloud.demo.drawn.footage import truths
from cloud.demo.drawn.truth import Key, TrueMetrics, true_metrics
from cloud.demo.result import Score
from cloud.demo.script import CAMERAS, FootagePhase
from cloud.detector.weights import BUNDLE_FILE
from cloud.errors import DemoFailed
from cloud.settings import DataFolder
from cloud.training.plan import PLAN_FILE, TrainingPlan
from edge.vision.onnx_detector import OnnxDetector
from messaging.errors import BlindspotError
from messaging.figures import Figure, write_figures
from messaging.intervals import newcombe_difference, wilson
from synth.street import Truth

logger = logging.getLogger(__name__)
PARENT, CONTROL, CANDIDATE = "parent", "control", "candidate"
NOTHING = Score(0, 0, 0)


def measured(demo: Path) -> list[Figure]:
    """The figures of a finished demo's folder, of its first round.

    Raises `DemoFailed` if it holds no training, and `TrainingFailed`.
    """
    work = demo / "work"
    training = campaign_training(demo)
    plan = TrainingPlan.from_json((training / PLAN_FILE).read_text())
    bundles = {
        PARENT: plan.parent.parent / BUNDLE_FILE,
        CONTROL: train_control(work, training).bundle,
        CANDIDATE: training / BUNDLE_FILE,
    }
    detectors = [OnnxDetector(path, threads=2) for path in bundles.values()]
    found = dict(zip(bundles, true_metrics(detectors, verification_footage(work)), strict=True))
    return list(figures(found, targets_of(demo)))


def campaign_training(demo: Path) -> Path:
    """The folder of the training of the first campaign. Raises `DemoFailed` without one."""
    training = first_training(DataFolder(demo / "work" / "cloud").campaigns)
    if training is None:
        raise DemoFailed(f"{demo} holds no campaign that has trained; run `make demo` first")
    return training


def verification_footage(work: Path) -> list[tuple[Path, Truth]]:
    """The footage of all cameras in the first round after the rollout, with its ground truth."""
    return [pair for one in CAMERAS for pair in truths(work, one.name, FootagePhase.VERIFY, 0)]


def figures(found: Mapping[str, TrueMetrics], targets: frozenset[Key]) -> Iterator[Figure]:
    """Recall of each model over the boxes of the targets, the two differences, and recall by key.

    Boxes of one hazard in consecutive frames are not independent, so that intervals are too narrow.
    """
    pooled = {kind: pooled_boxes(metrics, targets) for kind, metrics in found.items()}
    for kind, (hits, truth) in pooled.items():
        yield _recall(f"target_recall_{kind}", hits, truth)
    for name, before, after in (
        ("gain_by_generated_images_points", CONTROL, CANDIDATE),
        ("gain_by_further_training_points", PARENT, CONTROL),
    ):
        yield _gain(name, pooled[before], pooled[after])
    for key in sorted(found[PARENT].boxes):
        for kind, metrics in found.items():
            score = metrics.boxes.get(key, NOTHING)
            if score.truth:
                yield _recall(f"recall_{key[0]}_{key[1]}_{kind}", score.found, score.truth)


def pooled_boxes(metrics: TrueMetrics, targets: frozenset[Key]) -> tuple[int, int]:
    """Found and true boxes of the targets together."""
    scores = [metrics.boxes.get(key, NOTHING) for key in targets]
    return sum(one.found for one in scores), sum(one.truth for one in scores)


def _recall(name: str, found: int, truth: int) -> Figure:
    low, high = wilson(found, truth)
    return Figure(name, 100 * found / truth, "%", n=truth, interval=(100 * low, 100 * high))


def _gain(name: str, before: tuple[int, int], after: tuple[int, int]) -> Figure:
    low, high = newcombe_difference(before, after)
    change = 100 * (after[0] / after[1] - before[0] / before[1])
    return Figure(name, change, "points", n=after[1], interval=(100 * low, 100 * high))


def targets_of(demo: Path) -> frozenset[Key]:
    """Class and condition of the failure modes that the campaign aimed at, from the demo's report."""
    rows = json.loads((demo / "report.json").read_text())["rows"]
    return frozenset((row["class_name"], row["condition"]) for row in rows if row["target"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the figures to a file and to standard output; returns the exit code."""
    parser = argparse.ArgumentParser(prog="cloud.demo.drawn.control_effect", description=__doc__)
    parser.add_argument("--demo", type=Path, required=True, help="folder of a finished `blindspot demo`")
    parser.add_argument("--out", type=Path, required=True, help="file for the figures")
    given = parser.parse_args(arguments)
    return write_measured(lambda: measured(given.demo), given.out, command="make demo-control")


def write_measured(measure: Callable[[], list[Figure]], out: Path, *, command: str) -> int:
    """Write the figures to `out` and to standard output; returns the exit code."""
    try:
        found = measure()
    except (BlindspotError, OSError) as error:
        logger.error("%s", error)
        return 1
    write_figures(out, found, command=command, now=datetime.datetime.now(datetime.UTC))
    for one in found:
        sys.stdout.write(f"{one.name}: {one.value_text} (n = {one.n})\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
