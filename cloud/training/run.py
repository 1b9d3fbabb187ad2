"""The training itself, in a process of its own: `python -m cloud.training.run PLAN OUT`.

Started by `cloud.training.plan.train`. It writes only under OUT, downloads nothing and writes its progress as
JSON lines. The layers that embeddings are pooled from are never changed. A plan that is run again in the same
folder goes on after its last whole epoch.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from cloud.data.empty_streets import empty_streets
from cloud.data.labelled_images import (
    LabelledFile,
    LabelledImage,
    list_labelled,
    open_labelled,
    write_index,
    write_labelled,
)
from cloud.detector.bundle_export import bundle_bytes, export_bundle
from cloud.detector.head_growth import grown
from cloud.detector.ultralytics.network import YoloNetwork, network_of
from cloud.detector.ultralytics.resume_state import TrainingCounters
from cloud.detector.ultralytics.trainer import StepDone, TrainerOptions, fine_tune
from cloud.detector.weights import (
    BUNDLE_FILE,
    EMBEDDING_LAYERS,
    WEIGHTS_FILE,
    DetectorWeights,
    Floats,
    WeightsCard,
    half_exact,
    read_weights,
)
from cloud.training.augmentation import Augmentation
from cloud.training.calibration import choose_thresholds, thresholds_as_precise
from cloud.training.epochs import EpochImages
from cloud.training.mix import Mix
from cloud.training.plan import (
    PROGRESS_FILE,
    Recipe,
    TrainedWeights,
    TrainingPlan,
    TrainingProgress,
    write_result,
)
from cloud.training.samples import TrainingImages
from edge.vision.onnx_detector import OnnxDetector
from messaging.runtime.program import configure_logging, exit_code_of
from synth.torch_device import TorchDevice, choose_device

STREETS, STATE_FILE = "streets", "training.safetensors"
MOST_WORKERS = 8


@dataclass
class Reporter:
    """Appends progress lines to a file, at most one per second."""

    path: Path
    epochs: int
    last_s: float = 0.0

    def report(self, done: StepDone) -> None:
        """Write one line, unless the last line is younger than 1 s and this is not the last step."""
        now = time.monotonic()
        if now - self.last_s < 1.0 and done.step < done.steps:
            return
        self.last_s = now
        left = done.seconds * (done.steps - done.step)
        line = TrainingProgress(
            done.epoch, self.epochs, done.step, done.steps, round(done.loss(), 4), round(left, 1), done.losses
        )
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")


def run(plan: TrainingPlan, out: Path) -> TrainedWeights:
    """List the images, train, choose thresholds, export the bundle; writes only under `out`."""
    started = time.monotonic()
    torch.set_num_threads(plan.recipe.threads)
    cv2.setNumThreads(1)
    parent = read_weights(plan.parent)
    start = grown(parent, plan.classes) if plan.classes else parent
    images = listed(plan, start.card, out)
    tuned, counters = fit(plan, parent, start, images, out)
    trained = calibrated(tuned, parent, plan.calibration, plan.recipe)
    weights_digest = trained.write(out / WEIGHTS_FILE)
    result = TrainedWeights(
        weights=out / WEIGHTS_FILE,
        weights_digest=weights_digest,
        bundle=out / BUNDLE_FILE,
        bundle_digest=export_bundle(trained, out / BUNDLE_FILE),
        embedding_digest=trained.embedding_digest,
        seconds=round(time.monotonic() - started, 1),
        images=len(images),
        losses=counters.losses,
        batch=counters.batch,
        steps=steps_of(images, plan.recipe, counters.batch),
    )
    write_result(out, result)
    (out / STATE_FILE).unlink()
    return result


def fit(
    plan: TrainingPlan, parent: DetectorWeights, start: DetectorWeights, images: TrainingImages, out: Path
) -> tuple[DetectorWeights, TrainingCounters]:
    """The parent fine-tuned on images by the plan's recipe, under the plan's name.

    `start` is the parent, its head grown by the plan's classes.
    """
    recipe = plan.recipe
    device = choose_device(recipe.device, recipe.precision)
    network = network_of(start, frozen_layers=recipe.frozen_layers, keep_statistics=recipe.keep_statistics)
    identity = f"{plan.to_json()}\n{parent.digest}\n{images.digest}"
    options = TrainerOptions(
        training=hashlib.sha256(identity.encode()).hexdigest(),
        state=out / STATE_FILE,
        folder=out / "ultralytics",
        epochs=recipe.epochs,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        workers=_workers(recipe, device),
        device=device,
    )
    reporter = Reporter(out / PROGRESS_FILE, recipe.epochs)
    counters = fine_tune(network, epochs_of(images, recipe), options, reporter.report)
    tuned = interpolated(parent, start, network, recipe)
    return tuned.with_card(name=plan.name, parent_digest=parent.digest), counters


def _workers(recipe: Recipe, device: TorchDevice) -> int:
    if recipe.workers is not None:
        return recipe.workers
    return min(MOST_WORKERS, os.cpu_count() or 1) if device.device.type == "cuda" else 0


def listed(plan: TrainingPlan, card: WeightsCard, out: Path) -> TrainingImages:
    """Real images, and those made for the campaign: generated images and hazard-free streets."""
    real = _files((*plan.replay, *plan.public))
    streets = _streets(plan, card.class_names, out / STREETS) if plan.streets else ()
    left_out = frozenset(plan.left_out)
    made = [file for file in _files((*plan.synthetic, *streets)) if file.path not in left_out]
    return TrainingImages(real, made, card)


def _files(folders: Iterable[Path]) -> list[LabelledFile]:
    return [file for folder in folders for file in list_labelled(folder)]


def _streets(plan: TrainingPlan, class_names: Sequence[str], folder: Path) -> tuple[Path]:
    """The folder of hazard-free streets, drawn or copied."""
    rows = []
    for street in empty_streets(plan.streets, plan.backgrounds):
        write_labelled(folder, street.name, street.image, (), class_names)
        rows.append((f"{street.name}.jpg", street.name, street.condition))
    write_index(folder, rows)
    return (folder,)


def epochs_of(images: TrainingImages, recipe: Recipe) -> EpochImages:
    """The batches that a recipe makes of images."""
    mix = Mix(
        images.real,
        images.synthetic,
        fraction=recipe.synthetic_fraction,
        epochs=recipe.epochs,
        real_only_epochs=recipe.real_only_epochs,
        seed=recipe.seed,
        stated_steps=recipe.steps,
    )
    return EpochImages(images, mix, Augmentation(mosaic=recipe.mosaic, weather=recipe.weather))


def steps_of(images: TrainingImages, recipe: Recipe, batch: int) -> tuple[int, ...]:
    """The optimiser steps of each epoch, with so many images per batch."""
    epochs = epochs_of(images, recipe)
    return tuple(epochs.steps(epoch, batch) for epoch in range(recipe.epochs))


def interpolated(
    parent: DetectorWeights, start: DetectorWeights, tuned: YoloNetwork, recipe: Recipe
) -> DetectorWeights:
    """The tuned network interpolated with its parent by `parent_weight`.

    Outputs that the parent does not have stay as tuned. Frozen layers are the parent's, and once embedding
    layers have been trained, the parent's are kept beside.
    """
    moved = tuned.tensors()
    for name, value in moved.items():
        before = parent.tensors[name]
        own = value[: len(before)] if before.shape != value.shape else value
        own += np.float32(recipe.parent_weight) * (before - own)
        moved[name] = half_exact(value)
    tensors: dict[str, Floats] = moved | parent.first_layers(recipe.frozen_layers)
    retrained = recipe.frozen_layers < EMBEDDING_LAYERS
    embedder = parent.embedding_layers if retrained else parent.embedder
    return replace(start, tensors=tensors, embedder=embedder)


def _opened(folders: Iterable[Path]) -> Iterator[LabelledImage]:
    return (image for folder in folders for image in open_labelled(folder))


def calibrated(
    weights: DetectorWeights, parent: DetectorWeights, folders: Sequence[Path], recipe: Recipe
) -> DetectorWeights:
    """The same network with thresholds chosen on labelled folders; unchanged without folders.

    If the parent's thresholds were chosen on the same folders, thresholds may fall by the margin but need not
    rise for it; otherwise they would rise with every campaign.
    """
    if not folders:
        return weights
    own = OnnxDetector(bundle_bytes(weights), providers=recipe.providers)
    if recipe.precision_margin is None:
        return weights.with_card(thresholds=choose_thresholds(own, _opened(folders)), calibrated_on=())
    before = OnnxDetector(bundle_bytes(parent), providers=recipe.providers)
    names = tuple(sorted(folder.name for folder in folders))
    again = parent.card.calibrated_on == names
    chosen = thresholds_as_precise(own, before, _opened(folders), margin=recipe.precision_margin, again=again)
    return weights.with_card(thresholds=chosen, calibrated_on=names)


def main(arguments: Sequence[str]) -> int:
    """Entry point of the process; returns the exit code."""
    plan_file, out = arguments
    configure_logging()
    return exit_code_of(lambda: run(TrainingPlan.from_json(Path(plan_file).read_text()), Path(out)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
