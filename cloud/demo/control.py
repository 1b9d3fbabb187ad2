"""The control model of a demo's campaign: its training again, without any generated image."""

from pathlib import Path

from cloud.training.control import control_plan
from cloud.training.plan import PLAN_FILE, TrainedWeights, TrainingPlan, read_result, train


def first_training(folder: Path) -> Path | None:
    """The folder of the first training in the folder of a campaign, or of all; None without one."""
    return min((file.parent for file in folder.rglob(f"train*/{PLAN_FILE}")), default=None)


def train_control(work: Path, training: Path) -> TrainedWeights:
    """Train the control of a finished training in the demo's folder. Raises `TrainingFailed`."""
    plan = TrainingPlan.from_json((training / PLAN_FILE).read_text())
    control = control_plan(plan, read_result(training), plan.synthetic)
    return train(control, (work / "detectors" / "control").absolute())
