"""The control model of a demo's campaign: its training again, without any generated image."""

from pathlib import Path

from cloud.settings import DataFolder
from cloud.training.control import control_plan
from cloud.training.plan import PLAN_FILE, TrainedWeights, TrainingPlan, read_result, train


def train_control(work: Path, campaign: str) -> TrainedWeights | None:
    """Train it in the demo's folder; None if the campaign has trained nothing. Raises `TrainingFailed`."""
    file = next(iter(DataFolder(work / "cloud").campaign(campaign).rglob(f"train*/{PLAN_FILE}")), None)
    if file is None:
        return None
    plan = TrainingPlan.from_json(file.read_text())
    control = control_plan(plan, read_result(file.parent), plan.synthetic)
    return train(control, (work / "detectors" / "control").absolute())
