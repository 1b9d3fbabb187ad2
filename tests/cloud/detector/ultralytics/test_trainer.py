"""Ultralytics' trainer as we use it: it resumes exactly, survives small memory, and reports to nobody."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cloud.data.labelled_images import list_labelled
from cloud.detector.ultralytics import trainer
from cloud.detector.ultralytics.network import YoloNetwork, network_of
from cloud.detector.ultralytics.trainer import StepDone, TrainerOptions, fine_tune
from cloud.errors import TrainingFailed
from cloud.training.augmentation import Augmentation
from cloud.training.epochs import EpochImages
from cloud.training.mix import Mix
from cloud.training.samples import TrainingImages
from synth.torch_device import CPU_FLOAT32
from tests.support.cloud.labelled_images import square_images
from tests.support.cloud.trainings import small_parent


class _Stopped(Exception):
    """Stands for a kill."""


def _network(folder: Path) -> YoloNetwork:
    return network_of(small_parent(folder, 64, 32), frozen_layers=3, keep_statistics=True)


def _images(folder: Path) -> EpochImages:
    files = list_labelled(square_images(folder / "images", 4))
    card = small_parent(folder, 64, 32).card
    mix = Mix(3, 1, fraction=0.5, epochs=2, real_only_epochs=1, seed=0)
    return EpochImages(TrainingImages(files[:3], files[3:], card), mix, Augmentation(mosaic=0.5))


def _options(folder: Path) -> TrainerOptions:
    return TrainerOptions(
        training="t",
        state=folder / "state",
        folder=folder / "ultralytics",
        epochs=2,
        batch=2,
        learning_rate=5e-4,
        seed=0,
        workers=0,
        device=CPU_FLOAT32,
    )


def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    images, options = _images(tmp_path), _options(tmp_path)
    whole, resumed, epochs = _network(tmp_path), _network(tmp_path), []

    def stop_in_the_last_epoch(done: StepDone) -> None:
        epochs.append(done.epoch)
        if done.epoch == 2:
            raise _Stopped

    counters = fine_tune(whole, images, replace(options, state=tmp_path / "other"), lambda _: None)
    with pytest.raises(_Stopped):
        fine_tune(resumed, images, options, stop_in_the_last_epoch)
    again: list[StepDone] = []
    assert fine_tune(_network(tmp_path), images, options, again.append) == counters
    resumed = _network(tmp_path)
    assert fine_tune(resumed, images, options, lambda _: pytest.fail("all epochs are done")) == counters
    assert {done.epoch for done in again} == {2}
    assert again[-1].step == again[-1].steps == len(epochs) - 1 + len(again)
    assert all(done.seconds > 0 for done in again)
    left, right = whole.tensors(), resumed.tensors()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_when_memory_runs_out_the_batch_halves_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = trainer.SinglePrecisionLoss.__call__

    def hungry(self: trainer.SinglePrecisionLoss, preds: object, batch: dict[str, torch.Tensor]) -> object:
        if len(batch["img"]) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(self, preds, batch)

    monkeypatch.setattr(trainer.SinglePrecisionLoss, "__call__", hungry)
    steps: list[StepDone] = []
    options = replace(_options(tmp_path), batch=4)
    counters = fine_tune(_network(tmp_path), _images(tmp_path), options, steps.append)
    assert counters.batch == 2
    assert len(counters.losses) == 2
    assert steps[-1].step == steps[-1].steps == len(steps)
    assert "memory ran out: training goes on with 2 images per batch" in caplog.text


def test_a_loss_that_is_no_number_ends_the_training_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trainer.SinglePrecisionLoss.__call__

    def endless(self: trainer.SinglePrecisionLoss, preds: object, batch: dict[str, torch.Tensor]) -> object:
        loss, parts = real(self, preds, batch)
        return loss * float("nan"), parts

    monkeypatch.setattr(trainer.SinglePrecisionLoss, "__call__", endless)
    with pytest.raises(TrainingFailed, match=r"the loss of epoch 1 is nan; lower the learning rate"):
        fine_tune(_network(tmp_path), _images(tmp_path), _options(tmp_path), lambda _: None)


def test_a_training_reports_to_no_service_and_writes_no_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ultralytics.utils.events._post", lambda *_, **__: pytest.fail("telemetry"))
    monkeypatch.setattr(torch, "save", lambda *_, **__: pytest.fail("a pickle"))
    fine_tune(_network(tmp_path), _images(tmp_path), _options(tmp_path), lambda _: None)
    assert {p.name for p in tmp_path.iterdir()} == {"images", "parent.safetensors", "state", "ultralytics"}
    assert not list(tmp_path.rglob("*.pt"))


def test_the_network_computes_in_the_precision_of_the_device_and_the_loss_in_single_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[torch.dtype, torch.dtype]] = set()

    class Watched(trainer.SinglePrecisionLoss):
        def __call__(self, preds: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]) -> Any:
            loss, parts = super().__call__(preds, batch)
            seen.add((preds["scores"].dtype, loss.dtype))
            return loss, parts

    monkeypatch.setattr(trainer, "SinglePrecisionLoss", Watched)
    device = replace(CPU_FLOAT32, dtype=torch.bfloat16)
    options = replace(_options(tmp_path), device=device)
    losses = fine_tune(_network(tmp_path), _images(tmp_path), options, lambda _: None).losses
    assert seen == {(torch.bfloat16, torch.float32)}
    single = replace(_options(tmp_path), state=tmp_path / "single")
    assert losses == pytest.approx(
        fine_tune(_network(tmp_path), _images(tmp_path), single, lambda _: None).losses, rel=0.05
    )


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["yolov8n", "yolo26n"])
def test_other_architectures_are_trained_and_resumed(tmp_path: Path, architecture: str) -> None:
    options, images = _options(tmp_path), _images(tmp_path)
    classes = len(small_parent(tmp_path).card.class_names)

    def stop_in_the_last_epoch(done: StepDone) -> None:
        if done.epoch == 2:
            raise _Stopped

    with pytest.raises(_Stopped):
        fine_tune(YoloNetwork(architecture, classes), images, options, stop_in_the_last_epoch)
    counters = fine_tune(YoloNetwork(architecture, classes), images, options, lambda _: None)
    assert counters.epochs == len(counters.losses) == 2
