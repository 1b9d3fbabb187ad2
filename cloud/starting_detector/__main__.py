"""`python -m cloud.starting_detector`: trains the shipped detectors again, from COCO weights and data.

    python -m cloud.starting_detector --coco yolo11n.pt --photographs data/hazards --work out/detectors

Draws the scenes, trains the starting and the reference detector, evaluates both on a world that neither was
trained on, and writes the weights and `evaluations.json` into the work folder; with `--install` the weights
replace the shipped ones. Finished parts are not made again.
"""

import argparse
import json
import logging
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.data.labelled_images import open_labelled
from cloud.detector.bundle_export import export_bundle
from cloud.detector.weights import read_weights
from cloud.evaluation.evaluate import Evaluation, evaluate
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from cloud.starting_detector.coco import coco_start
from cloud.starting_detector.embedding import with_public_basis
from cloud.starting_detector.photographs import certain_photographs
from cloud.starting_detector.scenes import (
    BASE_CALIBRATION,
    BASE_TRAINING,
    HOLDOUT,
    REFERENCE_CALIBRATION,
    REFERENCE_TRAINING,
    SceneSet,
    draw_folder,
)
from cloud.training.plan import FIRST_TRAINING, Recipe, TrainingPlan, TrainingProgress, train
from edge.vision.onnx_detector import OnnxDetector
from messaging.runtime.program import configure_logging

logger = logging.getLogger(__name__)

LICENCE = "AGPL-3.0-or-later"
BASE_RECIPE = replace(FIRST_TRAINING, epochs=9, mosaic=0.4, seed=7)
REFERENCE_RECIPE = replace(FIRST_TRAINING, epochs=10, frozen_layers=0, seed=11)


@dataclass(frozen=True)
class ShippedDetector:
    """How to train one of the shipped detectors."""

    name: str
    training: SceneSet
    calibration: SceneSet
    recipe: Recipe
    photographs: bool
    shipped: Path


DETECTORS = (
    ShippedDetector("street-start", BASE_TRAINING, BASE_CALIBRATION, BASE_RECIPE, True, STARTING_WEIGHTS),
    ShippedDetector(
        "street-reference",
        REFERENCE_TRAINING,
        REFERENCE_CALIBRATION,
        REFERENCE_RECIPE,
        False,
        REFERENCE_WEIGHTS,
    ),
)


def start(coco: Path, work: Path, *, new_basis: bool) -> None:
    """Write the weights that both detectors are trained from, once."""
    path = work / "start.safetensors"
    if not path.exists():
        weights = read_weights(coco_start(coco, work / "coco.safetensors", licence=LICENCE))
        (with_public_basis(weights) if new_basis else weights).write(path)


def make(detector: ShippedDetector, work: Path, photographs: Path | None, *, threads: int) -> Path:
    """Train one detector, unless its folder has a finished training. Returns its weights file."""
    out = work / detector.name
    if not (out / "result.json").exists():
        folders = [_drawn(detector.training, work / f"{detector.name}-training")]
        public: tuple[Path, ...] = ()
        if detector.photographs and photographs is not None:
            public = (certain_photographs(photographs, work / "photographs"),)
        plan = TrainingPlan(
            parent=work / "start.safetensors",
            name=detector.name,
            replay=tuple(folders),
            public=public,
            calibration=(_drawn(detector.calibration, work / f"{detector.name}-calibration"),),
            recipe=replace(detector.recipe, threads=threads),
        )
        train(plan, out, progress=_log_progress)
    return out / "weights.safetensors"


def measure(weights: Path, work: Path) -> Evaluation:
    """Evaluate a detector on scenes of a world that neither detector was trained on."""
    export_bundle(read_weights(weights), weights.with_name("model.onnx"))
    detector = OnnxDetector(weights.with_name("model.onnx"))
    return evaluate(detector, open_labelled(_drawn(HOLDOUT, work / "holdout")))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m cloud.starting_detector", description=__doc__)
    parser.add_argument("--coco", type=Path, required=True, help="yolo11n COCO weights (.pt)")
    parser.add_argument(
        "--photographs", type=Path, help="the hazards data set; without it, drawn scenes only"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for all intermediate files")
    parser.add_argument("--threads", type=int, default=2, help="threads for training (default 2)")
    parser.add_argument(
        "--new-basis",
        action="store_true",
        help="fit the embedding basis again; the small Stable Diffusion must then be trained again too",
    )
    parser.add_argument("--install", action="store_true", help="replace the shipped weights")
    arguments = parser.parse_args()
    configure_logging()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    start(arguments.coco, work, new_basis=arguments.new_basis)
    evaluations = {}
    for detector in DETECTORS:
        began = time.monotonic()
        weights = make(detector, work, arguments.photographs, threads=arguments.threads)
        logger.info("%s: made in %.0f s", detector.name, time.monotonic() - began)
        evaluations[detector.name] = json.loads(measure(weights, work).to_json())
        if arguments.install:
            shutil.copyfile(weights, detector.shipped)
    (work / "evaluations.json").write_text(json.dumps(evaluations, indent=1))


def _drawn(scenes: SceneSet, folder: Path) -> Path:
    """The scenes as a labelled folder, drawn once; the index is written last."""
    return folder if (folder / "index.csv").exists() else draw_folder(scenes, folder)


def _log_progress(progress: TrainingProgress) -> None:
    logger.info(
        "epoch %d/%d, step %d/%d, loss %.3f, %.0f s left",
        progress.epoch,
        progress.epochs,
        progress.step,
        progress.steps,
        progress.loss,
        progress.seconds_left,
    )


if __name__ == "__main__":
    main()
