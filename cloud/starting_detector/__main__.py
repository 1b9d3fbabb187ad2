"""`python -m cloud.starting_detector`: trains the shipped detectors again, from COCO weights and data.

    python -m cloud.starting_detector --coco yolo11n.pt --photographs data/hazards \
        --photographs data/hazards_licensed --work out/detectors

Draws the scenes, prepares the photographs, trains the detectors, evaluates each on a world that none was
trained on, and writes the weights, the digests of the images that each learned from and `evaluations.json`
into the work folder; with `--install` weights and digests replace the shipped ones. Finished parts are not
made again.
"""

import argparse
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.data.labelled_images import open_labelled
from cloud.detector.bundle_export import bundle_bytes, export_bundle
from cloud.detector.weights import read_weights
from cloud.evaluation.evaluate import Evaluation, evaluate
from cloud.starting_detector import JUDGE_WEIGHTS, REFERENCE_WEIGHTS, STARTING_WEIGHTS
from cloud.starting_detector.coco import coco_start, untrained
from cloud.starting_detector.embedding import with_public_basis
from cloud.starting_detector.learned_images import (
    image_digests,
    learned_list,
    require_disjoint,
    was_learned,
    write_digests,
)
from cloud.starting_detector.photograph_folders import training_folder
from cloud.starting_detector.photographs import (
    SOURCES,
    TRAIN,
    HazardPhotograph,
    read_photographs,
)
from cloud.starting_detector.scenes import (
    BASE_CALIBRATION,
    BASE_TRAINING,
    HOLDOUT,
    JUDGE_CALIBRATION,
    JUDGE_TRAINING,
    REFERENCE_CALIBRATION,
    REFERENCE_TRAINING,
    SceneSet,
    draw_folder,
)
from cloud.starting_detector.thresholds import thresholds_for_both
from cloud.training.plan import FIRST_TRAINING, Recipe, TrainingPlan, TrainingProgress, train
from edge.vision.onnx_detector import OnnxDetector
from messaging.runtime.program import configure_logging, exit_code_of

logger = logging.getLogger(__name__)

LICENCE = "AGPL-3.0-or-later"
NO_STREETS = frozenset({"trash"})
"""Photographs of the inside of a collection truck, full of bags: no threshold is chosen on them."""
START_RECIPE = replace(FIRST_TRAINING, epochs=10, mosaic=0.3, seed=7)
REFERENCE_RECIPE = replace(FIRST_TRAINING, epochs=10, frozen_layers=0, seed=11)
JUDGE_RECIPE = replace(FIRST_TRAINING, epochs=40, frozen_layers=0, seed=13)


@dataclass(frozen=True)
class ShippedDetector:
    """How to train one of the shipped detectors.

    Attributes:
        photographs: which photographs of the split `train` it learns from. No two detectors share one.
        from_coco: whether it starts from the COCO weights; if not, from random ones of `architecture`.
    """

    name: str
    shipped: Path
    training: SceneSet
    calibration: SceneSet
    recipe: Recipe
    photographs: Callable[[HazardPhotograph], bool]
    from_coco: bool = True
    architecture: str = "yolo11n"


def _for_the_judge(photograph: HazardPhotograph) -> bool:
    """Certain ones that the starting detector only chooses thresholds on, and has never learned from."""
    kept = photograph.for_thresholds and SOURCES[photograph.source].certain
    return kept and not was_learned(photograph.path, STARTING_WEIGHTS)


DETECTORS = (
    ShippedDetector(
        "street-start",
        STARTING_WEIGHTS,
        BASE_TRAINING,
        BASE_CALIBRATION,
        START_RECIPE,
        photographs=lambda p: not p.for_thresholds,
    ),
    ShippedDetector(
        "street-reference",
        REFERENCE_WEIGHTS,
        REFERENCE_TRAINING,
        REFERENCE_CALIBRATION,
        REFERENCE_RECIPE,
        photographs=lambda _: False,
    ),
    ShippedDetector(
        "street-judge",
        JUDGE_WEIGHTS,
        JUDGE_TRAINING,
        JUDGE_CALIBRATION,
        JUDGE_RECIPE,
        photographs=_for_the_judge,
        from_coco=False,
        architecture="yolov8n",
    ),
)


@dataclass(frozen=True)
class Inputs:
    """What the command was given.

    Attributes:
        work: folder for all intermediate files.
        parent: the starting detector is trained on from these weights instead of from COCO's.
        seed: of the copies of the photographs.
    """

    coco: Path
    work: Path
    parent: Path | None = None
    seed: int = 0
    photographs: tuple[HazardPhotograph, ...] = ()
    threads: int = 2
    new_basis: bool = False


def start(detector: ShippedDetector, inputs: Inputs) -> Path:
    """Write the weights that a detector is trained from, once. Returns the file."""
    if detector.from_coco and inputs.parent is not None:
        return inputs.parent
    path = inputs.work / f"{'start' if detector.from_coco else detector.architecture}.safetensors"
    if not path.exists():
        if detector.from_coco:
            weights = read_weights(coco_start(inputs.coco, inputs.work / "coco.safetensors", licence=LICENCE))
            (with_public_basis(weights) if inputs.new_basis else weights).write(path)
        else:
            with_public_basis(untrained(detector.architecture, licence=LICENCE)).write(path)
    return path


def make(detector: ShippedDetector, inputs: Inputs) -> Path:
    """Train one detector, unless its folder has a finished training. Returns its weights file."""
    out, work = inputs.work / detector.name, inputs.work
    weights = out / "weights.safetensors"
    if not (out / "result.json").exists():
        drawn = _drawn(detector.training, work / f"{detector.name}-training")
        learned = [p for p in inputs.photographs if detector.photographs(p)]
        folder = work / f"{detector.name}-photographs"
        calibration = _drawn(detector.calibration, work / f"{detector.name}-calibration")
        plan = TrainingPlan(
            parent=start(detector, inputs),
            name=detector.name,
            replay=(drawn,),
            public=_photographs(learned, folder, inputs.seed),
            calibration=(calibration,),
            recipe=replace(detector.recipe, threads=inputs.threads),
        )
        train(plan, out, progress=_log_progress)
        if learned:
            _choose_thresholds(weights, calibration, inputs, frozenset(learned))
        images = [*(drawn / "images").iterdir(), *(p.path for p in learned)]
        write_digests(learned_list(weights), image_digests(images))
    return weights


def _photographs(learned: Sequence[HazardPhotograph], folder: Path, seed: int) -> tuple[Path, ...]:
    return (_once(folder, lambda: training_folder(learned, folder, seed=seed)),) if learned else ()


def _choose_thresholds(path: Path, drawn: Path, inputs: Inputs, learned: frozenset[HazardPhotograph]) -> None:
    """Replace the thresholds, chosen on drawn scenes alone, by those for drawn scenes and photographs.

    None is chosen on a photograph that the detector has learned from.
    """
    weights = read_weights(path)
    found = (p for p in inputs.photographs if p.for_thresholds and p not in learned)
    kept = [p.file.open() for p in found if p.source not in NO_STREETS]
    detector = OnnxDetector(bundle_bytes(weights))
    weights.with_card(thresholds=thresholds_for_both(detector, list(open_labelled(drawn)), kept)).write(path)


def measure(weights: Path, work: Path) -> Evaluation:
    """Evaluate a detector on scenes of a world that neither detector was trained on."""
    export_bundle(read_weights(weights), weights.with_name("model.onnx"))
    detector = OnnxDetector(weights.with_name("model.onnx"))
    return evaluate(detector, open_labelled(_drawn(HOLDOUT, work / "holdout")))


def run(inputs: Inputs, names: Sequence[str], *, install: bool) -> None:
    """Make, evaluate and perhaps install the detectors of these names."""
    evaluations, lists = {}, []
    for detector in (one for one in DETECTORS if one.name in names):
        began = time.monotonic()
        weights = make(detector, inputs)
        logger.info("%s: made in %.0f s", detector.name, time.monotonic() - began)
        evaluations[detector.name] = json.loads(measure(weights, inputs.work).to_json())
        lists.append(learned_list(weights))
        if install:
            shutil.copyfile(weights, detector.shipped)
            shutil.copyfile(learned_list(weights), learned_list(detector.shipped))
    require_disjoint(lists)
    (inputs.work / "evaluations.json").write_text(json.dumps(evaluations, indent=1))


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloud.starting_detector", description=__doc__)
    parser.add_argument("--coco", type=Path, required=True, help="yolo11n COCO weights (.pt)")
    parser.add_argument(
        "--photographs",
        type=Path,
        action="append",
        default=[],
        help="a data set of photographs, may be repeated; without any, drawn scenes only",
    )
    parser.add_argument(
        "--only-certain",
        action="store_true",
        help="leave out sources whose licence only their uploader declares",
    )
    parser.add_argument("--parent", type=Path, help="train on from these weights instead of from COCO's")
    parser.add_argument("--seed", type=int, default=0, help="of the copies of photographs (default 0)")
    parser.add_argument("--work", type=Path, required=True, help="folder for all intermediate files")
    names = [detector.name for detector in DETECTORS]
    parser.add_argument("--only", choices=names, action="append", help="this detector; may be repeated")
    parser.add_argument("--threads", type=int, default=2, help="threads for training (default 2)")
    parser.add_argument(
        "--new-basis",
        action="store_true",
        help="fit the embedding basis again; the small Stable Diffusion must then be trained again too",
    )
    parser.add_argument("--install", action="store_true", help="replace the shipped weights")
    given = parser.parse_args()
    configure_logging()

    def work() -> None:
        given.work.mkdir(parents=True, exist_ok=True)
        photographs = read_photographs(given.photographs, TRAIN, only_certain=given.only_certain)
        inputs = Inputs(
            given.coco,
            given.work,
            given.parent and given.parent.absolute(),
            given.seed,
            photographs,
            given.threads,
            given.new_basis,
        )
        run(inputs, given.only or names, install=given.install)

    return exit_code_of(work)


def _once(folder: Path, make_folder: Callable[[], Path]) -> Path:
    """A folder whose index is written last: made unless it is there."""
    return folder if (folder / "index.csv").exists() else make_folder()


def _drawn(scenes: SceneSet, folder: Path) -> Path:
    """The scenes as a labelled folder, drawn once; the index is written last."""
    return _once(folder, lambda: draw_folder(scenes, folder))


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
    raise SystemExit(main())
