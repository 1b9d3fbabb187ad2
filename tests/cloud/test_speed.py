"""Rates of this machine, and the time of a campaign at them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud import speed as speed_module
from cloud.data.datasets import DatasetRegister
from cloud.data.roles import DataRole
from cloud.errors import TrainingFailed, TrainingStopped
from cloud.settings import CloudSettings, TrainingSettings
from cloud.speed import CampaignTime, CampaignWork, Speed, campaign_time, campaign_work, measure
from cloud.training.plan import TrainedWeights, TrainingPlan, TrainingProgress
from synth.progress import Progress, append_progress
from tests.support.edge.tiny_bundles import tiny_bundle

SPEED = Speed(generated_per_minute=50.0, trained_per_s=20.0, detected_per_s=40.0)


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    return CloudSettings(data=tmp_path / "data")


@pytest.mark.parametrize(
    ("replay", "trained"),
    [
        pytest.param(500, 2 * (500 + 190) + 500, id="more real images than synthetic ones"),
        pytest.param(100, 2 * 380 + 100, id="real images repeated, since at most half is synthetic"),
        pytest.param(0, 2 * 380, id="no dataset yet"),
    ],
)
def test_the_work_of_a_campaign_follows_recipe_and_datasets(
    monkeypatch: pytest.MonkeyPatch, settings: CloudSettings, replay: int, trained: int
) -> None:
    images = {DataRole.REPLAY: replay, DataRole.HOLDOUT: 30, DataRole.CALIBRATION: 20}
    monkeypatch.setattr(DatasetRegister, "images", lambda _, role: images.get(role, 0))
    three_epochs = settings.model_copy(update={"training": TrainingSettings(epochs=3, streets=90)})
    assert campaign_work(three_epochs, 100) == CampaignWork(100, trained, 100)


def test_the_time_of_a_campaign_is_its_work_at_the_measured_rates() -> None:
    time = campaign_time(SPEED, CampaignWork(100, 4000, 80))
    assert time == CampaignTime(120.0, 200.0, 2.0)
    assert str(time) == "5 min (2 min generation, 3 min training, 2 s evaluation)"


def test_without_all_rates_there_is_no_time() -> None:
    partial = Speed(generated_per_minute=50.0, detected_per_s=40.0)
    assert campaign_time(partial, CampaignWork(100, 4000, 80)) is None
    assert str(partial).startswith("50 images a minute generated, ? images a second trained, 40 frames")
    assert (partial.complete, SPEED.complete) == (False, True)


def _fake_training(seconds_left: float) -> Callable[..., TrainedWeights]:
    def train(plan: TrainingPlan, out: Path, *, progress: Any, **_: Any) -> TrainedWeights:
        out.mkdir(parents=True)
        (out / "model.onnx").write_bytes(tiny_bundle())
        progress(TrainingProgress(1, plan.recipe.epochs, 1, 2, 1.0, seconds_left))
        progress(TrainingProgress(1, plan.recipe.epochs, 2, 2, 1.0, 0.0))
        return TrainedWeights(out, "", out / "model.onnx", "", "", 1.0, 32, (1.0,), 16, (2,))

    return train


def _fake_generation(kept: int, seconds: float) -> Callable[..., None]:
    def run(module: str, runs: Any, **_: Any) -> None:
        assert module == "synth.run"
        out = Path(runs[0].arguments[1])
        out.mkdir(parents=True)
        append_progress(out, Progress("speed", 4, kept, kept, {}, kept, 100, 0.0, seconds))

    return run


def test_rates_are_those_that_training_and_generation_report(
    monkeypatch: pytest.MonkeyPatch, settings: CloudSettings
) -> None:
    monkeypatch.setattr(speed_module, "train", _fake_training(seconds_left=2.0))
    monkeypatch.setattr(speed_module, "run_modules", _fake_generation(kept=4, seconds=8.0))
    found = measure(settings)
    assert (found.trained_per_s, found.generated_per_minute, found.faults) == (8.0, 30.0, ())
    assert found.detected_per_s is not None
    assert found.detected_per_s > 1


def test_what_does_not_end_in_time_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, settings: CloudSettings
) -> None:
    def stopped(*_: Any, should_stop: Callable[[], bool], **__: Any) -> TrainedWeights:
        assert should_stop()
        raise TrainingStopped("stopped")

    monkeypatch.setattr(speed_module, "train", stopped)
    monkeypatch.setattr(speed_module, "run_modules", _fake_generation(kept=0, seconds=8.0))
    assert measure(settings, limit_s=0.0) == Speed()


def test_a_failure_is_a_fault_and_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, settings: CloudSettings
) -> None:
    def failed(*_: Any, **__: Any) -> None:
        raise TrainingFailed("device cuda was asked for")

    monkeypatch.setattr(speed_module, "train", failed)
    assert measure(settings) == Speed(faults=("device cuda was asked for",))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_all_rates_are_measured_by_real_runs(settings: CloudSettings) -> None:
    found = measure(settings, limit_s=300.0)
    assert found.complete
    assert campaign_time(found, campaign_work(settings, 100)) is not None
