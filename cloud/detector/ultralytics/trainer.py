"""Fine-tuning by ultralytics' own trainer, with our images, and a state file from which it goes on.

Ultralytics' loop trains: optimiser, warm-up, schedule, gradient scaling, moving average, frozen layers, and
smaller batches when memory runs out in the first epoch. Its datasets, validation, checkpoints (pickles) and
reports to services are replaced; what it writes is under the folder of the options.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor
from ultralytics.data.build import InfiniteDataLoader, seed_worker
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.torch_utils import ModelEMA

from cloud.detector.ultralytics.network import YoloNetwork
from cloud.detector.ultralytics.resume_state import (
    TrainingCounters,
    TrainingState,
    read_state,
    write_state,
)
from cloud.errors import TrainingFailed
from synth.torch_device import TorchDevice

logger = logging.getLogger(__name__)

WEIGHT_DECAY = 5e-4
WARM_UP_FRACTION = 0.05
FINAL_RATE = 0.05
ADAM_BETA = 0.9
MOST_AVERAGE_DECAY = 0.99


class EpochOrder(Protocol):
    """A sampler: each iteration gives one epoch; its length is that of the epoch in training."""

    def set_epoch(self, epoch: int) -> None:
        """State which epoch is in training."""

    def __len__(self) -> int:
        """Images of that epoch, repeated ones counted."""

    def __iter__(self) -> Iterator[Any]:
        """The keys of the next epoch."""


class EpochSource(Protocol):
    """The images of a training as a torch dataset; epochs count from 0."""

    def __len__(self) -> int:
        """Number of images."""

    def steps(self, epoch: int, batch: int) -> int:
        """Batches of an epoch."""

    def sampler(self, batch: int, first_epoch: int) -> EpochOrder:
        """The order of the images from an epoch on, in whole batches."""

    @staticmethod
    def collate_fn(samples: Sequence[Any]) -> dict[str, Tensor]:
        """A batch: `img` uint8 (b, 3, h, w) RGB; `batch_idx`, `cls`, `bboxes` per box, xywh normalised."""


@dataclass(frozen=True)
class TrainerOptions:
    """How to train; see `cloud.training.plan.Recipe`.

    Attributes:
        training: names plan, parent and images, so that only the same training is continued.
        state: the file that a training goes on from.
        folder: for whatever ultralytics writes.
        workers: processes that read images, 0 for none.
    """

    training: str
    state: Path
    folder: Path
    epochs: int
    batch: int
    learning_rate: float
    seed: int
    workers: int
    device: TorchDevice


@dataclass(frozen=True)
class StepDone:
    """One optimiser step of a training.

    Attributes:
        epoch: from 1.
        step, steps: steps done and planned, over all epochs.
        seconds: mean time of a step of this process, setting up not counted.
        loss: computes the mean loss per image of the epoch so far.
        losses: mean loss per image of each finished epoch, those before a restart included.
    """

    epoch: int
    step: int
    steps: int
    seconds: float
    loss: Callable[[], float]
    losses: tuple[float, ...] = ()


def fine_tune(
    network: YoloNetwork, images: EpochSource, options: TrainerOptions, report: Callable[[StepDone], None]
) -> TrainingCounters:
    """Train a network, or go on where its state file ends; leaves the moving average in the network.

    Raises:
        TrainingFailed: the loss is not finite.
    """
    state = read_state(options.state, options.training)
    if state is None or state.counters.epochs < options.epochs:
        FineTuner(network, images, options, state, report).train()
        state = read_state(options.state, options.training)
    if state is None:
        raise TrainingFailed(f"the state {options.state} of the training is gone; run the plan again")
    network.module.load_state_dict(state.average)
    return state.counters


class FineTuner(DetectionTrainer):  # type: ignore[misc]  # ultralytics has no types
    """Ultralytics' trainer of one network. Overrides only what its docstring's module replaces."""

    def __init__(
        self,
        network: YoloNetwork,
        images: EpochSource,
        options: TrainerOptions,
        state: TrainingState | None,
        report: Callable[[StepDone], None],
    ) -> None:
        self._network, self._images, self._options, self._state = network, images, options, state
        self._report = report
        self._losses = list(state.counters.losses) if state else []
        self._total, self._seen = torch.zeros(()), 0
        self._steps_done, self._steps_here, self._started_s = 0, 0, 0.0
        super().__init__(overrides=_overrides(network, options, state))
        self.args.workers = options.workers  # ultralytics allows none on a CPU

    def run_callbacks(self, event: str) -> None:
        """Count steps; ultralytics' callbacks report to services and are never run."""
        if event == "on_train_epoch_start":
            self._begin_epoch()
        elif event == "on_train_batch_end":
            self._count_step()

    def get_dataset(self) -> dict[str, Any]:
        """Ultralytics wants a description of its datasets; images come from the source."""
        names = self._network.module.names
        return {"train": None, "val": None, "nc": len(names), "names": names, "channels": 3}

    def setup_model(self) -> None:
        """Train the network as it is."""
        self.model = self._network.module

    def get_dataloader(self, _path: None, *, batch_size: int, mode: str, **_: object) -> InfiniteDataLoader:
        """The source's batches; there is no validation, so its loader is the same."""
        if mode == "val":
            return self.train_loader
        if batch_size < self._options.batch:
            logger.warning("memory ran out: training goes on with %d images per batch", batch_size)
        self._steps_done, self._steps_here = self._steps_before(self._first_epoch), 0
        return InfiniteDataLoader(
            dataset=self._images,
            batch_size=batch_size,
            sampler=self._images.sampler(batch_size, self._first_epoch),
            collate_fn=self._images.collate_fn,
            num_workers=self.args.workers,
            worker_init_fn=seed_worker,
            pin_memory=self.device.type == "cuda",
        )

    def preprocess_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch on the device, in the layout of the network's kernels."""
        moved: dict[str, Tensor] = super().preprocess_batch(batch)
        return moved | {"img": moved["img"].contiguous(memory_format=torch.channels_last)}

    def get_validator(self) -> SimpleNamespace:
        """No validation: thresholds and promotion have images of their own."""
        return SimpleNamespace(metrics=SimpleNamespace(keys=[]))

    def validate(self) -> tuple[dict[str, float], None]:
        """Nothing to report."""
        return {}, None

    def final_eval(self) -> None:
        """Nothing to evaluate."""

    def resume_training(self, _checkpoint: None) -> None:
        """Set up precision and moving average, and go on after the epochs of the state."""
        dtype = self._options.device.dtype
        self.amp = dtype != torch.float32
        torch.set_autocast_dtype(self.device.type, dtype if self.amp else torch.bfloat16)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.model.criterion = SinglePrecisionLoss(self.model.init_criterion(), self.device.type)
        self.ema = ModelEMA(self.model)
        self.ema.decay = average_decay
        if self._state is None:
            return
        counters = self._state.counters
        self.model.load_state_dict(self._state.network)
        self.ema.ema.load_state_dict(self._state.average)
        self.ema.updates = counters.average_updates
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": self._state.optimiser})
        self.scaler.load_state_dict(counters.loss_scale)
        for _ in range(counters.epochs):
            self.model.criterion.update()
        self.start_epoch = counters.epochs

    def save_model(self) -> bool:
        """Write the state after an epoch, instead of a pickle."""
        counters = TrainingCounters(
            training=self._options.training,
            epochs=self.epoch + 1,
            batch=self.batch_size,
            losses=tuple(self._losses),
            average_updates=self.ema.updates,
            loss_scale=self.scaler.state_dict(),
        )
        write_state(
            self._options.state,
            TrainingState(
                counters,
                self.model.state_dict(),
                self.ema.ema.state_dict(),
                self.optimizer.state_dict()["state"],
            ),
        )
        return True

    def _model_train(self) -> None:
        self._network.train_mode()

    def _handle_nan_recovery(self, epoch: int) -> bool:
        loss = self._mean_loss()
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss of epoch {epoch + 1} is {loss}; lower the learning rate "
                f"({self._options.learning_rate:g}) or check the newest labels"
            )
        self._losses.append(loss)
        return False

    @property
    def _first_epoch(self) -> int:
        return self._state.counters.epochs if self._state else 0

    def _steps_before(self, epoch: int) -> int:
        return sum(self._images.steps(before, self.batch_size) for before in range(epoch))

    def _begin_epoch(self) -> None:
        self.train_loader.sampler.set_epoch(self.epoch)
        self._total, self._seen = torch.zeros((), device=self.device), 0
        if not self._steps_here:
            self._started_s = time.monotonic()

    def _count_step(self) -> None:
        self._total += self.loss.detach()
        self._seen += self.batch_size
        self._steps_done += 1
        self._steps_here += 1
        seconds = (time.monotonic() - self._started_s) / self._steps_here
        steps = self._steps_before(self.epochs)
        losses = tuple(self._losses)
        self._report(StepDone(self.epoch + 1, self._steps_done, steps, seconds, self._mean_loss, losses))

    def _mean_loss(self) -> float:
        return float(self._total) / max(self._seen, 1)


class SinglePrecisionLoss:
    """Ultralytics' loss, computed in float32 whatever precision the network's outputs have."""

    def __init__(self, criterion: Any, device_type: str) -> None:
        self._criterion, self._device_type = criterion, device_type

    def __call__(self, preds: Any, batch: dict[str, Tensor]) -> Any:
        """The loss of a batch, not yet summed, and its parts."""
        with torch.autocast(self._device_type, enabled=False):
            return self._criterion(_in_single_precision(preds), batch)

    def update(self) -> None:
        """Tell the loss that an epoch ended; that of YOLO26 changes the weights of its two heads."""
        if hasattr(self._criterion, "update"):
            self._criterion.update()


def _in_single_precision(outputs: Any) -> Any:
    """The same nested outputs with every tensor in float32."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    if isinstance(outputs, dict):
        return {name: _in_single_precision(value) for name, value in outputs.items()}
    if isinstance(outputs, list | tuple):
        return [_in_single_precision(value) for value in outputs]
    return outputs


def average_decay(updates: int) -> float:
    """Decay of the moving average after some updates: its window is about a ninth of the steps so far.

    Ultralytics' own suits trainings of many thousand steps; a campaign has a few hundred, and the last epoch,
    with real images only and no mosaics, must count.
    """
    return min(MOST_AVERAGE_DECAY, (1 + updates) / (10 + updates))


def _overrides(network: YoloNetwork, options: TrainerOptions, state: TrainingState | None) -> dict[str, Any]:
    """Ultralytics' settings.

    `amp` would ask for CUDA and download weights to compare precisions; `resume_training` turns it on.
    """
    batch = state.counters.batch if state else options.batch
    return {
        "model": network.module.yaml["yaml_file"],
        "save_dir": str(options.folder),
        "epochs": options.epochs,
        "batch": batch,
        "nbs": options.batch,
        "device": str(options.device.device),
        "seed": options.seed,
        "freeze": network.frozen_layers,
        "optimizer": "AdamW",
        "lr0": options.learning_rate,
        "lrf": FINAL_RATE,
        "cos_lr": True,
        "momentum": ADAM_BETA,
        "weight_decay": WEIGHT_DECAY,
        "warmup_epochs": WARM_UP_FRACTION * options.epochs,
        "warmup_bias_lr": 0.0,
        "close_mosaic": 0,
        "amp": False,
        "val": False,
        "plots": False,
        "verbose": False,
    }
