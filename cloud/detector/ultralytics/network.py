"""The torch network of a detector, built by ultralytics from a weights file, with its loss.

Networks are built from the architecture descriptions that ultralytics ships; tensors come from our own
safetensors files.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from ultralytics.nn.tasks import DetectionModel

from cloud.detector.checkpoints import read_checkpoint
from cloud.detector.ultralytics.architectures import architecture_of, build_network, head_classes
from cloud.detector.weights import (
    EMBEDDING_LAYERS,
    FEATURE_TAPS,
    DetectorWeights,
    EmbeddingBasis,
    WeightsCard,
    half_exact,
    layer_of,
    tap_channels,
)
from cloud.errors import WeightsRefused

Floats = npt.NDArray[np.float32]
IGNORED = ".num_batches_tracked"


class YoloNetwork:
    """A trainable detector: ultralytics' network, with some first layers frozen, statistics included."""

    def __init__(
        self,
        architecture: str,
        classes: int,
        *,
        head_classes: int | None = None,
        frozen_layers: int = 0,
        keep_statistics: bool = False,
    ) -> None:
        self.frozen_layers, self._keep_statistics = frozen_layers, keep_statistics
        self.module = build_network(architecture, classes, head_classes)
        self.module.to(memory_format=torch.channels_last)

    def load(self, tensors: Mapping[str, Floats], *, partial: bool = False) -> None:
        """Load tensors by name; with `partial`, only those that fit. Raises `WeightsRefused`."""
        own = {name: value for name, value in self.module.state_dict().items() if IGNORED not in name}
        fitting = {
            name: torch.from_numpy(np.array(value))
            for name, value in tensors.items()
            if name in own and own[name].shape == value.shape
        }
        if not partial and (len(fitting) != len(own) or len(tensors) != len(own)):
            odd = sorted(set(own).symmetric_difference(fitting) | set(tensors).difference(fitting))
            raise WeightsRefused(
                f"weights do not fit the architecture: {len(odd)} tensors differ, the first is {odd[0]!r}; "
                "train from a file of the same architecture and classes"
            )
        self.module.load_state_dict(fitting, strict=False)

    def tensors(self) -> dict[str, Floats]:
        """All tensors by name, kernels rounded to half precision."""
        return {
            name: half_exact(value.detach().to(torch.float32).cpu().numpy().copy())
            for name, value in self.module.state_dict().items()
            if IGNORED not in name
        }

    def train_mode(self) -> None:
        """Switch to training mode; frozen layers, or with `keep_statistics` all, keep their statistics."""
        self.module.train()
        for layer in self.module.model[: self.frozen_layers]:
            layer.eval()
        if self._keep_statistics:
            for layer in self.module.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()


class EmbeddingDetector(nn.Module):
    """A detector and its embedding layers; the layers that both have in common run once."""

    def __init__(self, weights: DetectorWeights) -> None:
        super().__init__()
        embedder = replace(weights, tensors={**weights.tensors, **weights.embedding_layers})
        self.network = _fused(weights)
        self.common = _layers_in_common(weights, embedder)
        self.further_layers = _fused(embedder).model[self.common : EMBEDDING_LAYERS]
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, h, w) RGB 0-1 -> boxes, and the tapped maps (n, c, h/8, w/8), (n, c', h/16, w/16)."""
        with _first_outputs(self.network) as outputs:
            boxes = self.network(images)
        maps = outputs[: self.common]
        for layer in self.further_layers:
            maps.append(layer(maps[-1] if maps else images))
        fine, coarse = (maps[index] for index in FEATURE_TAPS)
        return boxes, fine, coarse

    def features(self, image: Floats) -> Floats:
        """Tapped maps of a letterboxed RGB image (3, h, w), 0-1, on one grid of stride 8: (c, h/8, w/8)."""
        _, fine, coarse = self(torch.from_numpy(image[None]))
        stacked: Floats = torch.cat([fine, doubled(coarse)], dim=1)[0].numpy()
        return stacked


def _layers_in_common(one: DetectorWeights, other: DetectorWeights) -> int:
    """Number of first embedding layers with equal tensors in two networks."""
    own = one.first_layers(EMBEDDING_LAYERS)
    changed = (layer_of(name) for name, value in own.items() if (other.tensors[name] != value).any())
    return min(changed, default=EMBEDDING_LAYERS)


def _fused(weights: DetectorWeights) -> DetectionModel:
    return network_of(weights).module.eval().fuse(verbose=False)


@contextmanager
def _first_outputs(module: DetectionModel) -> Iterator[list[Tensor]]:
    """In its context, a forward pass appends the outputs of the first layers to the list, in order."""
    outputs: list[Tensor] = []

    def collect(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        outputs.append(output)

    handles = [layer.register_forward_hook(collect) for layer in module.model[:EMBEDDING_LAYERS]]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def doubled(coarse: Tensor) -> Tensor:
    """A feature map upsampled bilinearly to twice its resolution."""
    return nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")


def network_of(
    weights: DetectorWeights,
    *,
    frozen_layers: int = 0,
    keep_statistics: bool = False,
) -> YoloNetwork:
    """The trainable network that a weights file describes."""
    card = weights.card
    classes = len(card.class_names)
    network = YoloNetwork(
        card.architecture,
        classes,
        head_classes=head_classes(weights.tensors, classes),
        frozen_layers=frozen_layers,
        keep_statistics=keep_statistics,
    )
    network.load(weights.tensors)
    return network


def untrained_weights(architecture: str, card: WeightsCard) -> DetectorWeights:
    """Random weights of an architecture (from a fixed seed) with a basis of zeros, which is to be fitted.

    Raises `WeightsRefused` for an unknown architecture.
    """
    torch.manual_seed(0)
    tensors = YoloNetwork(architecture, len(card.class_names)).tensors()
    channels = sum(tap_channels(tensors))
    basis = EmbeddingBasis(np.zeros((1, channels), np.float32), np.zeros(1, np.float32), clip_norm=1.0)
    return DetectorWeights(tensors, basis, replace(card, architecture=architecture))


def start_from_checkpoint(path: Path, basis: EmbeddingBasis, card: WeightsCard) -> DetectorWeights:
    """A checkpoint's network with a new head for the card's classes (from a fixed seed).

    Raises `WeightsRefused` for a file that is no detection checkpoint of ultralytics.
    """
    checkpoint = read_checkpoint(path)
    architecture = architecture_of(checkpoint.description, path)
    torch.manual_seed(0)
    network = YoloNetwork(architecture, len(card.class_names))
    network.load(checkpoint.tensors, partial=True)
    return DetectorWeights(network.tensors(), basis, replace(card, architecture=architecture))
