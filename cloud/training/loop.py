"""The training itself, in a process of its own: `python -m cloud.training.loop PLAN OUT`.

Started by `cloud.training.plan.train`. It writes only under OUT, downloads nothing and writes its progress as
JSON lines. The layers that embeddings are pooled from are never changed.
"""

import copy
import itertools
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from cloud.data.empty_streets import empty_streets
from cloud.data.labelled_images import LabelledImage, open_labelled
from cloud.detector.bundle_export import bundle_bytes, export_bundle
from cloud.detector.head_growth import grown
from cloud.detector.ultralytics.network import YoloNetwork, network_of
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
from cloud.training.batches import (
    Augmentation,
    Mix,
    Sample,
    augmented,
    epoch_batches,
    epoch_steps,
    load_samples,
    targets_of,
)
from cloud.training.calibration import choose_thresholds, thresholds_as_precise
from cloud.training.plan import (
    PROGRESS_FILE,
    Recipe,
    TrainedWeights,
    TrainingPlan,
    TrainingProgress,
    write_result,
)
from edge.vision.onnx_detector import OnnxDetector
from messaging.hazard_classes import HazardClass
from synth.torch_device import choose_device

WEIGHT_DECAY = 5e-4
WARM_UP_FRACTION = 0.05
FINAL_RATE = 0.05
AVERAGE_DECAY = 0.99
GRADIENT_LIMIT = 10.0


@dataclass
class Reporter:
    """Appends progress lines to a file, at most one per second."""

    path: Path
    steps: int
    epochs: int
    started_s: float = field(default_factory=time.monotonic)
    last_s: float = 0.0

    def report(self, epoch: int, step: int, loss: float) -> None:
        """Write one line, unless the last line is younger than 1 s and this is not the last step."""
        now = time.monotonic()
        if now - self.last_s < 1.0 and step < self.steps:
            return
        self.last_s = now
        left = (now - self.started_s) / step * (self.steps - step)
        line = TrainingProgress(epoch, self.epochs, step, self.steps, round(loss, 4), round(left, 1))
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")


class MovingAverage:
    """Exponential moving average of the trained tensors; this average is the result of a training."""

    def __init__(self, network: YoloNetwork) -> None:
        self.average = copy.deepcopy(network.module).requires_grad_(False)
        self.updates = 0

    def update(self, network: YoloNetwork) -> None:
        """Move towards the network's present tensors; early steps weigh more."""
        self.updates += 1
        decay = min(AVERAGE_DECAY, (1 + self.updates) / (10 + self.updates))
        own = self.average.state_dict()
        for name, value in network.module.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].lerp_(value.detach(), 1 - decay)

    def copy_to(self, network: YoloNetwork) -> None:
        """Replace the network's tensors by the average."""
        network.module.load_state_dict(self.average.state_dict())


def fit(
    weights: DetectorWeights,
    real: Sequence[Sample],
    synthetic: Sequence[Sample],
    recipe: Recipe,
    *,
    report: Path,
    classes: Sequence[HazardClass] = (),
) -> tuple[DetectorWeights, tuple[float, ...]]:
    """Train on samples in memory. Returns the new weights and the mean loss of each epoch.

    With `classes`, the head grows by those that the weights do not have.
    """
    start = grown(weights, classes) if classes else weights
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = network_of(
        start,
        frozen_layers=recipe.frozen_layers,
        keep_statistics=recipe.keep_statistics,
        device=choose_device(recipe.device, recipe.precision),
    )
    optimiser = _optimiser(network, recipe.learning_rate)
    mix = Mix(recipe.batch, recipe.synthetic_fraction)
    plan = [epoch_parts(epoch, real, synthetic, recipe) for epoch in range(recipe.epochs)]
    reporter = Reporter(report, sum(epoch_steps(len(r), len(s), mix) for r, s in plan), recipe.epochs)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_factor(step / reporter.steps))
    average = MovingAverage(network)
    network.train_mode()
    losses, step = [], 0
    for epoch, (some_real, some_synthetic) in enumerate(plan, start=1):
        total, images_done = 0.0, 0
        how = Augmentation(mosaic=recipe.mosaic if epoch < recipe.epochs else 0.0, weather=recipe.weather)
        for images, targets in _tensors(some_real, some_synthetic, mix, how, rng):
            total += _step(network, optimiser, images, targets)
            images_done += len(images)
            schedule.step()
            average.update(network)
            step += 1
            reporter.report(epoch, step, total / images_done)
        losses.append(total / max(images_done, 1))
    average.copy_to(network)
    retrained = recipe.frozen_layers < EMBEDDING_LAYERS
    embedder = weights.embedding_layers if retrained else weights.embedder
    return replace(start, tensors=_interpolated(weights, network, recipe), embedder=embedder), tuple(losses)


def _interpolated(parent: DetectorWeights, tuned: YoloNetwork, recipe: Recipe) -> dict[str, Floats]:
    """The tuned tensors interpolated with the parent's by `parent_weight`; frozen layers are the parent's.

    Outputs that the parent does not have stay as tuned.
    """
    moved = tuned.tensors()
    for name, value in moved.items():
        before = parent.tensors[name]
        own = value[: len(before)] if before.shape != value.shape else value
        own += np.float32(recipe.parent_weight) * (before - own)
        moved[name] = half_exact(value)
    return moved | parent.first_layers(recipe.frozen_layers)


def _step(
    network: YoloNetwork,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    targets: Tensor,
) -> float:
    loss = network.loss(images, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.item()


def _tensors(
    real: Sequence[Sample],
    synthetic: Sequence[Sample],
    mix: Mix,
    how: Augmentation,
    rng: np.random.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (b, 3, h, w) and targets (m, 6) of each step."""
    for batch in epoch_batches(real, synthetic, mix, rng):
        bent = [augmented(sample, batch, how, rng) for sample in batch]
        images = np.stack([sample.image for sample in bent]).transpose(0, 3, 1, 2)
        scaled = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
        yield scaled, torch.from_numpy(targets_of(bent))


def epoch_parts(
    epoch: int, real: Sequence[Sample], synthetic: Sequence[Sample], recipe: Recipe
) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Real and synthetic samples of an epoch (from 0); no synthetic ones in the last `real_only_epochs`."""
    return real, synthetic if epoch < recipe.epochs - recipe.real_only_epochs else ()


def rate_factor(done: float) -> float:
    """Factor of the learning rate at a fraction of all steps: linear warm-up, then cosine to `FINAL_RATE`."""
    if done < WARM_UP_FRACTION:
        return max(done / WARM_UP_FRACTION, 0.02)
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * done)) / 2


def _optimiser(network: YoloNetwork, rate: float) -> torch.optim.Optimizer:
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate)


def run(plan: TrainingPlan, out: Path) -> TrainedWeights:
    """Load the samples, train, choose thresholds, export the bundle; writes only under `out`."""
    started = time.monotonic()
    recipe = plan.recipe
    torch.set_num_threads(recipe.threads)
    cv2.setNumThreads(1)
    parent = read_weights(plan.parent)
    real, synthetic = _load(plan, parent.card)
    trained, losses = fit(parent, real, synthetic, recipe, report=out / PROGRESS_FILE, classes=plan.classes)
    trained = trained.with_card(name=plan.name, parent_digest=parent.digest)
    trained = calibrated(trained, parent, plan.calibration, recipe)
    weights_digest = trained.write(out / WEIGHTS_FILE)
    result = TrainedWeights(
        weights=out / WEIGHTS_FILE,
        weights_digest=weights_digest,
        bundle=out / BUNDLE_FILE,
        bundle_digest=export_bundle(trained, out / BUNDLE_FILE),
        embedding_digest=trained.embedding_digest,
        seconds=round(time.monotonic() - started, 1),
        images=len(real) + len(synthetic),
        losses=losses,
    )
    write_result(out, result)
    return result


def _load(plan: TrainingPlan, card: WeightsCard) -> tuple[list[Sample], list[Sample]]:
    """Real samples, and those made for the campaign: generated images and hazard-free streets."""

    names = tuple(one.name for one in plan.classes) or card.class_names

    def samples(labelled: Iterable[LabelledImage], *, keeps_weather: bool) -> list[Sample]:
        return load_samples(labelled, names, card.input_width, card.input_height, keeps_weather=keeps_weather)

    real = samples(_opened((*plan.replay, *plan.public)), keeps_weather=False)
    made = itertools.chain(_opened(plan.synthetic), empty_streets(plan.streets, plan.backgrounds))
    return real, samples(made, keeps_weather=True)


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


def main(arguments: Sequence[str]) -> None:
    """Entry point of the process."""
    plan_file, out = arguments
    run(TrainingPlan.from_json(Path(plan_file).read_text()), Path(out))


if __name__ == "__main__":
    main(sys.argv[1:])
