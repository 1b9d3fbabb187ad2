"""Checkpoints as ultralytics writes them, of networks with random weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cloud.detector.ultralytics.architectures import build_network
from cloud.detector.weights import DetectorWeights, EmbeddingBasis, WeightsCard, half_exact, tap_channels

NAMES = ("Fire", "smoke", "car")


def random_network(architecture: str, names: Sequence[str] = NAMES, *, seed: int = 0) -> Any:
    """A random network that reports boxes of many sizes and confidences, as a trained one does.

    Its statistics are those of noise: with the initial ones all places of an image look nearly the same.
    """
    torch.manual_seed(seed)
    model = build_network(architecture, len(names)).train()
    model.names = dict(enumerate(names))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    head = model.model[-1]
    for branch in (head.cv2, head.cv3, getattr(head, "one2one_cv3", None) or ()):
        for scale in branch:
            nn.init.normal_(scale[-1].weight, std=0.15)
            nn.init.normal_(scale[-1].bias, mean=-1.5 if branch is not head.cv2 else 1.0, std=0.3)
    with torch.no_grad():
        model(nn.functional.interpolate(torch.rand(8, 3, 16, 24), scale_factor=4))
    return model.eval()


def save_checkpoint(path: Path, network: nn.Module, **changes: Any) -> Path:
    """Save it as the end of a training does: half precision, and no optimiser."""
    from ultralytics.utils import IterableSimpleNamespace

    network.args = IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    stored: Mapping[str, Any] = {
        "epoch": -1, "best_fitness": None, "model": network.half(), "ema": None, "updates": None,
        "optimizer": None, "train_args": {"task": "detect", "imgsz": 320, "model": "yolo.yaml"},
        "train_metrics": {"fitness": 0.5}, "date": "2026-11-26", "version": "8.4.190",
        "license": "AGPL-3.0 (https://ultralytics.com/license)",
    }  # fmt: skip
    torch.save({**stored, **changes}, path)
    return path


def random_weights(architecture: str, names: Sequence[str] = ("fire", "smoke")) -> DetectorWeights:
    """A random network as a weights file has it, its embeddings the first channels."""
    state = random_network(architecture, names).state_dict()
    tensors = {n: half_exact(v.numpy()) for n, v in state.items() if not n.endswith("num_batches_tracked")}
    basis = EmbeddingBasis(
        np.eye(16, sum(tap_channels(tensors)), dtype=np.float32), np.zeros(16, np.float32), 1.0
    )
    card = WeightsCard(
        "random", tuple(names), dict.fromkeys(names, 0.2), 96, 64, "none", architecture=architecture
    )
    return DetectorWeights(tensors, basis, card)
