"""The trainings of one stage, one after the other: each in a folder of its own, none run twice."""

from dataclasses import dataclass
from pathlib import Path

from cloud.campaigns.stage import StageWork
from cloud.errors import StageInterrupted, TrainingStopped
from cloud.training.plan import TrainedWeights, TrainingPlan, TrainingProgress, finished, train


@dataclass(frozen=True)
class Share:
    """Which of the stage's trainings this is, for its progress; `prefix` begins its notes.

    Place 0 is the candidate's; the losses of its finished epochs are shown while the stage runs.
    """

    place: int
    trainings: int
    prefix: str = ""


def run_plan(work: StageWork, plan: TrainingPlan, folder: Path, share: Share) -> TrainedWeights:
    """The training in its folder; one that has finished there is only read.

    Raises `StageInterrupted` if the stage must leave, and `TrainingFailed`.
    """
    shown: tuple[float, ...] | None = None

    def show(losses: tuple[float, ...]) -> None:
        nonlocal shown
        if share.place == 0 and losses != shown:
            shown = losses
            work.show({"losses": list(losses)})

    def report(progress: TrainingProgress) -> None:
        fraction = (share.place + progress.step / max(progress.steps, 1)) / share.trainings
        epoch = f"epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.3f}"
        work.progress(fraction, f"{share.prefix}{epoch}")
        show(progress.losses)

    try:
        trained = finished(plan, folder) or train(plan, folder, progress=report, should_stop=work.stopping)
    except TrainingStopped as error:
        raise StageInterrupted(str(error)) from error
    show(trained.losses)
    return trained


def training_metrics(trained: TrainedWeights) -> dict[str, object]:
    """What people see of a training, as JSON values."""
    return {
        "seconds": trained.seconds,
        "images": trained.images,
        "batch": trained.batch,
        "steps": sum(trained.steps),
        "losses": list(trained.losses),
    }
