"""Ultralytics' own training with its own datasets and augmentation, as a measure of ours."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from ultralytics.models.yolo.detect import DetectionTrainer

from synth.torch_device import TorchDevice


def train_plainly(
    folder: Path,
    class_names: Sequence[str],
    out: Path,
    *,
    architecture: str,
    side: int,
    batch: int,
    mosaic: float,
    device: TorchDevice,
    on_step: Callable[[], None],
) -> None:
    """Train an architecture from random weights on a labelled folder until `on_step` raises.

    Validation, plots and the check of mixed precision (which downloads weights) are off; everything else is
    ultralytics' default.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = {"path": str(folder.absolute()), "train": "images", "val": "images", "names": list(class_names)}
    (out / "data.yaml").write_text(yaml.safe_dump(data))
    settings: dict[str, Any] = {
        "model": f"{architecture}.yaml",
        "data": str(out / "data.yaml"),
        "save_dir": str(out / "run"),
        "imgsz": side,
        "batch": batch,
        "mosaic": mosaic,
        "device": str(device.device),
        "amp": "bf16" if device.dtype == torch.bfloat16 else False,
        "pretrained": False,
        "val": False,
        "plots": False,
        "verbose": False,
    }
    trainer = DetectionTrainer(overrides=settings)
    trainer.add_callback("on_train_batch_end", lambda _: on_step())
    trainer.train()
