"""TrainingPlan -> TrainedWeights: what to learn from, and the process that does it.

The work runs in a process of its own (`python -m cloud.training.loop PLAN OUT`), so that memory comes back,
a stop is certain, and this module needs no torch. That process dies with its parent. Run again after a
kill, a plan starts from its first step: a stage is repeated, never patched.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cloud.detector.weights import EMBEDDING_LAYERS, WEIGHTS_FILE
from cloud.errors import TrainingFailed, TrainingStopped
from messaging.runtime.child_process import ChildProcess

PLAN_FILE, PROGRESS_FILE, LOG_FILE, RESULT_FILE = "plan.json", "progress.jsonl", "log.txt", "result.json"
BUNDLE_FILE = "model.onnx"
POLL_S = 0.3
GRACE_S = 5.0


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW with a cosine schedule, batches of `batch`, at the parent's input size.

    At most `synthetic_share` of a batch is synthetic, and the last `real_only_epochs` epochs see real
    images only, through `weather` so often (`weather_augmentation`). `mosaic` is how often four samples
    are shown as one. The first `frozen_layers` stay as they came; embeddings are pooled from the layers they
    were always pooled from, whatever is trained. With `keep_statistics` batch normalisation goes on with the
    parent's statistics: what pictures of one condition would do to them, all the others would pay for. What
    comes out lies between the parent (`keep` 1) and the fine-tuned network (`keep` 0): Wortsman et al. 2022,
    robust fine-tuning. Its thresholds are those of best F1 or, with a `precision_margin`, the parent's,
    moved so that every class is more precise by that (`cloud.training.calibration.thresholds_as_precise`).
    """

    epochs: int = 5
    learning_rate: float = 5e-4
    batch: int = 16
    synthetic_share: float = 0.5
    real_only_epochs: int = 1
    mosaic: float = 0.3
    seed: int = 0
    threads: int = 2
    frozen_layers: int = EMBEDDING_LAYERS
    keep_statistics: bool = False
    keep: float = 0.0
    weather: float = 0.0
    precision_margin: float | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise ValueError(f"a recipe needs epochs >= 1, batch >= 2 and a learning rate > 0; got {self}")
        if not 0 <= self.keep < 1:
            raise ValueError(f"the share kept of the parent lies in [0, 1); got {self.keep}")
        if not 0 <= self.synthetic_share <= 0.5 or not 0 <= self.real_only_epochs < max(self.epochs, 2):
            raise ValueError(
                f"at most half of a batch may be synthetic and fewer than all epochs real only; got "
                f"{self.synthetic_share}, {self.real_only_epochs} of {self.epochs}"
            )


@dataclass(frozen=True)
class TrainingPlan:
    """Which weights learn from which labelled folders.

    Attributes:
        parent: weights file to start from.
        name: name of the detector that comes out.
        replay: folders of what the parent already knows; at least one.
        public: folders of other real images.
        synthetic: folders of painted images.
        streets: so many hazard-free streets are learned as such.
        backgrounds: folder of the pictures to take them from; drawn ones without.
        calibration: labelled folders all thresholds are chosen on; none keeps the parent's thresholds.
        recipe: how.
    """

    parent: Path
    name: str
    replay: tuple[Path, ...]
    public: tuple[Path, ...] = ()
    synthetic: tuple[Path, ...] = ()
    streets: int = 0
    backgrounds: Path | None = None
    calibration: tuple[Path, ...] = ()
    recipe: Recipe = Recipe()

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
        """Read a plan back. Raises `ValueError` for one that contradicts itself."""
        return _PLANS.validate_json(text)


_PLANS = TypeAdapter(TrainingPlan)


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands. `loss` is the mean of an image in this epoch so far."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    seconds_left: float


@dataclass(frozen=True)
class TrainedWeights:
    """What a training left behind: the weights, the detector bundle exported from them, their digests."""

    weights: Path
    weights_digest: str
    bundle: Path
    bundle_digest: str
    embedding_digest: str
    seconds: float
    images: int
    losses: tuple[float, ...]


def train(
    plan: TrainingPlan,
    out: Path,
    *,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedWeights:
    """Run a plan in a process of its own and wait for it.

    Args:
        plan: what to learn.
        out: folder for everything that is written; nothing is written elsewhere.
        progress: called about once a second while training.
        should_stop: asked a few times a second; true ends the process and its children.

    Raises:
        TrainingStopped: `should_stop` said so.
        TrainingFailed: the process ended without weights; the last lines of its log are quoted.
    """
    out.mkdir(parents=True, exist_ok=True)
    for stale in (PROGRESS_FILE, RESULT_FILE, WEIGHTS_FILE, BUNDLE_FILE):
        (out / stale).unlink(missing_ok=True)
    (out / PLAN_FILE).write_text(plan.to_json())
    (out / LOG_FILE).unlink(missing_ok=True)
    child = ChildProcess(
        [sys.executable, "-m", "cloud.training.loop", out / PLAN_FILE, out],
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
        raise TrainingFailed(f"training in {out} ended with code {child.poll()}: {_last_words(child)}")
    return read_result(out)


def read_result(out: Path) -> TrainedWeights:
    """What a finished training left in its folder. Raises `TrainingFailed` when it did not finish."""
    try:
        return _RESULTS.validate_json((out / RESULT_FILE).read_text())
    except (OSError, ValidationError) as error:
        raise TrainingFailed(f"{out} holds no finished training ({error}); run the plan again") from error


def write_result(out: Path, result: TrainedWeights) -> None:
    """Mark a training as finished; the last thing its process writes."""
    draft = out / (RESULT_FILE + ".part")
    draft.write_bytes(_RESULTS.dump_json(result, indent=1))
    draft.replace(out / RESULT_FILE)


_RESULTS = TypeAdapter(TrainedWeights)


def _follow(
    child: ChildProcess,
    out: Path,
    progress: Callable[[TrainingProgress], None],
    should_stop: Callable[[], bool],
) -> None:
    """Pass progress lines on until the process ends. Raises `TrainingStopped`."""
    read = 0
    running = True
    while running:
        running = child.poll() is None
        lines, read = _new_lines(out / PROGRESS_FILE, read)
        for line in lines:
            progress(TrainingProgress(**json.loads(line)))
        if should_stop():
            raise TrainingStopped(f"training in {out} was stopped as asked; run the plan again to repeat it")
        if running:
            time.sleep(POLL_S)


def _new_lines(path: Path, offset: int) -> tuple[list[str], int]:
    """Whole lines written since `offset` bytes, and the new offset."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        whole, _, _ = file.read().rpartition(b"\n")
    return whole.decode().splitlines(), offset + len(whole) + (1 if whole else 0)


def _last_words(child: ChildProcess) -> str:
    words = child.tail(3).strip().replace("\n", " / ")
    return words or "its log is empty (killed, or out of memory?)"
