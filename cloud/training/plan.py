"""Training plans, and `train`, which runs one in a process of its own.

The process (`python -m cloud.training.run PLAN OUT`) frees its memory at the end, can be killed at any time,
dies with its parent, and keeps torch out of this module. A plan that was killed and is run again in the same
folder goes on after its last whole epoch.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from cloud.detector.weights import BUNDLE_FILE, EMBEDDING_LAYERS, WEIGHTS_FILE
from cloud.errors import TrainingFailed, TrainingStopped
from messaging.errors import FileFault
from messaging.hazard_classes import HazardClass
from messaging.releases import ExecutionProvider
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.child_process import ChildProcess
from messaging.runtime.state_files import StateFile
from synth.device_names import AUTO, DeviceName, Precision

PLAN_FILE, PROGRESS_FILE, LOG_FILE, RESULT_FILE = "plan.json", "progress.jsonl", "log.txt", "result.json"
POLL_S = 0.3
GRACE_S = 5.0


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW with a cosine schedule, at the parent's input size.

    Campaigns take it from `TrainingSettings`, which has the defaults.

    Attributes:
        epochs: passes over the images.
        learning_rate: peak of the schedule.
        batch: samples per optimiser step.
        synthetic_fraction: largest fraction of synthetic samples in a batch, at most 0.5.
        frozen_layers: number of first layers that stay unchanged; embeddings never change.
        parent_weight: result = parent_weight x parent + (1 - parent_weight) x fine-tuned network, tensor by
            tensor (Wortsman et al. 2022, robust fine-tuning).
        weather: probability of `weather_augmentation` for a real sample.
        precision_margin: None chooses thresholds of best F1; a number moves the parent's thresholds until
            every class is more precise by it (`cloud.training.calibration.thresholds_as_precise`).
        threads: torch threads.
        real_only_epochs: the last epochs that use real images only.
        mosaic: probability that four samples are combined into one.
        seed: of the order of samples and their augmentation.
        keep_statistics: batch normalisation keeps the parent's statistics; those of a few conditions would
            lower the recall under all others.
        device, precision: where torch trains and how precisely; see `synth.torch_device.choose_device`.
        workers: processes that read images ahead; None: as many as help there, none on a CPU.
        providers: where the detectors run for the choice of thresholds; see `EvaluationSettings`.
        steps: optimiser steps of each epoch; empty: as many as use each image of the epoch at least once.
    """

    epochs: int
    learning_rate: float
    batch: int
    synthetic_fraction: float
    frozen_layers: int
    parent_weight: float
    weather: float
    precision_margin: float | None
    threads: int
    real_only_epochs: int = 1
    mosaic: float = 0.3
    seed: int = 0
    keep_statistics: bool = False
    device: DeviceName = AUTO
    precision: Precision = AUTO
    workers: int | None = None
    providers: tuple[ExecutionProvider, ...] = ()
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise ValueError(f"a recipe needs epochs >= 1, batch >= 2 and a learning rate > 0; got {self}")
        if not 0 <= self.parent_weight < 1:
            raise ValueError(f"parent_weight must be in [0, 1); got {self.parent_weight}")
        if self.steps and (len(self.steps) != self.epochs or min(self.steps) < 1):
            raise ValueError(f"steps must be >= 1 for each of {self.epochs} epochs; got {self.steps}")
        if not 0 <= self.synthetic_fraction <= 0.5 or not 0 <= self.real_only_epochs < max(self.epochs, 2):
            raise ValueError(
                f"at most half of a batch may be synthetic and fewer than all epochs real only; got "
                f"{self.synthetic_fraction}, {self.real_only_epochs} of {self.epochs}"
            )


FIRST_TRAINING = Recipe(
    epochs=10,
    learning_rate=1e-3,
    batch=16,
    synthetic_fraction=0.5,
    frozen_layers=EMBEDDING_LAYERS,
    parent_weight=0.0,
    weather=0.0,
    precision_margin=None,
    threads=2,
    real_only_epochs=0,
)
"""How a detector is trained that no campaign has trained before: on real images, from general weights."""


@dataclass(frozen=True)
class TrainingPlan:
    """Which weights learn from which labelled folders.

    Attributes:
        parent: weights file to start from.
        name: name of the detector that comes out.
        replay: folders of images that the parent was trained on; at least one.
        recipe: how to train.
        public: folders of other real images.
        synthetic: folders of generated images.
        streets: number of hazard-free street images to add.
        backgrounds: folder to take them from; None draws them.
        left_out: files of generated images that a person has rejected; they are not trained on.
        calibration: folders to choose thresholds on; none keeps the parent's thresholds.
        classes: those of the result: the parent's, then new ones; none keeps the parent's.
    """

    parent: Path
    name: str
    replay: tuple[Path, ...]
    recipe: Recipe
    public: tuple[Path, ...] = ()
    synthetic: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()
    streets: int = 0
    backgrounds: Path | None = None
    calibration: tuple[Path, ...] = ()
    classes: tuple[HazardClass, ...] = ()

    def __post_init__(self) -> None:
        if not self.replay:
            raise ValueError(
                "a plan needs at least one replay folder: training on new data alone destroys old classes"
            )

    def to_json(self) -> str:
        """The plan as JSON, paths absolute."""
        return _PLANS.dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> "TrainingPlan":
        """The plan that `to_json` wrote. Raises `ValueError` for one that contradicts itself."""
        return _PLANS.validate_json(text)


_PLANS = TypeAdapter(TrainingPlan)


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a training.

    `loss` is the mean per image in this epoch so far, `losses` that of each finished epoch, also of those
    that a process before this one has finished.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    seconds_left: float
    losses: tuple[float, ...] = ()


_PROGRESS = TypeAdapter(TrainingProgress)


@dataclass(frozen=True)
class TrainedWeights:
    """Result of a training: weights file, the detector bundle exported from it, and their digests.

    `batch` is the number of images per batch, fewer than planned if memory ran out, and `steps` the number of
    optimiser steps of each epoch. `seconds` are those of the process that ended the training.
    """

    weights: Path
    weights_digest: str
    bundle: Path
    bundle_digest: str
    embedding_digest: str
    seconds: float
    images: int
    losses: tuple[float, ...]
    batch: int
    steps: tuple[int, ...]


def train(
    plan: TrainingPlan,
    out: Path,
    *,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedWeights:
    """Run a plan in its own process and wait for its end.

    Args:
        plan: what to train on.
        out: folder for everything that is written; nothing is written elsewhere.
        progress: called about once per second while training.
        should_stop: called about three times per second; true ends the process and its children.

    Raises:
        TrainingStopped: `should_stop` returned true.
        TrainingFailed: the process ended without weights; the last lines of its log are quoted.
    """
    out.mkdir(parents=True, exist_ok=True)
    for stale in (PROGRESS_FILE, RESULT_FILE, WEIGHTS_FILE, BUNDLE_FILE):
        (out / stale).unlink(missing_ok=True)
    write_atomically(out / PLAN_FILE, plan.to_json().encode())
    (out / LOG_FILE).unlink(missing_ok=True)
    child = ChildProcess(
        [sys.executable, "-m", "cloud.training.run", out / PLAN_FILE, out],
        log=out / LOG_FILE,
        environment={
            "YOLO_CONFIG_DIR": str(out / "ultralytics"),
            "OMP_NUM_THREADS": str(plan.recipe.threads),
        },
    )
    try:
        _follow(child, out, progress, should_stop)
    finally:
        child.stop(GRACE_S)
    if child.poll() != 0:
        raise TrainingFailed(f"training in {out} ended with code {child.poll()}: {_log_tail(child)}")
    return read_result(out)


def read_result(out: Path) -> TrainedWeights:
    """The result of a training in its folder. Raises `TrainingFailed` when it is not finished."""
    try:
        found = _result_file(out).read()
    except FileFault as error:
        raise TrainingFailed(f"{out} holds no finished training ({error}); run the plan again") from error
    if found is None:
        raise TrainingFailed(f"{out} holds no finished training; run the plan again")
    return found


def finished(plan: TrainingPlan, out: Path) -> TrainedWeights | None:
    """The result of a training of this very plan that has finished in the folder; None without one."""
    try:
        same = (out / PLAN_FILE).read_text() == plan.to_json()
        return read_result(out) if same else None
    except (OSError, TrainingFailed):
        return None


def write_result(out: Path, result: TrainedWeights) -> None:
    """Mark a training as finished; the last thing its process writes."""
    _result_file(out).write(result)


def _result_file(out: Path) -> StateFile[TrainedWeights]:
    return StateFile(out / RESULT_FILE, TrainedWeights)


def _follow(
    child: ChildProcess,
    out: Path,
    progress: Callable[[TrainingProgress], None],
    should_stop: Callable[[], bool],
) -> None:
    """Call `progress` for each new line until the process ends. Raises `TrainingStopped`."""
    read = 0
    running = True
    while running:
        running = child.poll() is None
        lines, read = _new_lines(out / PROGRESS_FILE, read)
        for line in lines:
            with contextlib.suppress(ValueError):  # torn by a full disk; the next one counts
                progress(_PROGRESS.validate_json(line))
        if should_stop():
            raise TrainingStopped(f"training in {out} was stopped as asked; run the plan again to go on")
        if running:
            time.sleep(POLL_S)


def _new_lines(path: Path, offset: int) -> tuple[list[str], int]:
    """Whole lines written since `offset` bytes, and the new offset."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        whole, _, _ = file.read().rpartition(b"\n")
    return whole.decode(errors="replace").splitlines(), offset + len(whole) + (1 if whole else 0)


def _log_tail(child: ChildProcess) -> str:
    tail = child.tail(3).strip().replace("\n", " / ")
    return tail or "its log is empty (killed, or out of memory?)"
