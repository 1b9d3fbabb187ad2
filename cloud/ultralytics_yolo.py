"""The only door to ultralytics: weights become a torch network and come back, and its loss.

Networks are built from the architecture descriptions that ultralytics ships; tensors come from our own
safetensors files. Telemetry, auto-install and downloads are off before the library is imported. Nothing
here judges, signs or promotes.
"""

import hashlib
import os
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")
os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / "blindspot-ultralytics"))

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from ultralytics.nn.tasks import DetectionModel

from cloud.detector_weights import (
    FEATURE_TAPS,
    FROZEN_LAYERS,
    DetectorWeights,
    EmbeddingBasis,
    WeightsCard,
    half_exact,
)
from cloud.errors import WeightsRefused

Floats = npt.NDArray[np.float32]
LOSS_GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
BFLOAT16 = bool(torch.cpu._is_avx512_bf16_supported())  # a third faster where the processor has it
IGNORED = ".num_batches_tracked"
COCO_SHA256 = "018a7ad1bf3636a03bbb074d34f2d8158d3742c4d997a448492c71726fb00240"


class YoloNetwork:
    """A trainable detector: ultralytics' network, its first layers frozen (statistics included) or not."""

    def __init__(
        self, architecture: str, classes: int, *, frozen: bool = True, keep_statistics: bool = False
    ) -> None:
        self._frozen, self._keep_statistics = frozen, keep_statistics
        self.module = DetectionModel(f"{architecture}.yaml", nc=classes, verbose=False)
        self.module.args = LOSS_GAINS
        for layer in self._frozen_layers():
            layer.requires_grad_(False)
        self.module.to(memory_format=torch.channels_last)

    def load(self, tensors: Mapping[str, Floats], *, partial: bool = False) -> None:
        """Take tensors over by name; with `partial`, those that fit. Raises `WeightsRefused`."""
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
        """Dropout and batch statistics on, the frozen layers' statistics off, or all of them."""
        self.module.train()
        for layer in self._frozen_layers():
            layer.eval()
        if self._keep_statistics:
            for layer in self.module.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """Summed loss of a batch.

        Args:
            images: (n, 3, h, w) float32 RGB 0-1.
            targets: (m, 6) image index, class, centre x, centre y, width, height, normalised.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            seen = self.module(images)
        seen = {name: value.float() if isinstance(value, Tensor) else value for name, value in seen.items()}
        batch = {"img": images, "batch_idx": targets[:, 0], "cls": targets[:, 1:2], "bboxes": targets[:, 2:]}
        total, _ = self.module.loss(batch, seen)
        return cast(Tensor, total.sum())

    def parameters(self) -> list[nn.Parameter]:
        """What an optimiser may change."""
        return [p for p in self.module.parameters() if p.requires_grad]

    def frozen_maps(self, images: Tensor) -> Tensor:
        """The feature maps embeddings are pooled from, before projection: (n, 256, h/8, w/8)."""
        with torch.no_grad(), tapped(self.module.eval()) as seen:
            self.module(images)
            return stacked(seen)

    def _frozen_layers(self) -> list[nn.Module]:
        return list(self.module.model[:FROZEN_LAYERS]) if self._frozen else []


@contextmanager
def tapped(module: nn.Module) -> Iterator[dict[int, Tensor]]:
    """While open, every forward pass leaves the outputs of the tapped layers in the mapping."""
    seen: dict[int, Tensor] = {}

    def keep(index: int) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            seen[index] = output

        return module.model[index].register_forward_hook(hook)  # type: ignore[index,union-attr]  # nn.Sequential

    handles = [keep(index) for index in FEATURE_TAPS]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]  # torch's RemovableHandle


def stacked(seen: Mapping[int, Tensor]) -> Tensor:
    """Tapped maps on one grid of stride 8: the coarser one is upsampled bilinearly."""
    fine, coarse = (seen[index] for index in FEATURE_TAPS)
    return torch.cat([fine, doubled(coarse)], dim=1)


def doubled(coarse: Tensor) -> Tensor:
    """A feature map at twice its resolution."""
    return nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")


def network_of(
    weights: DetectorWeights, *, frozen: bool = True, keep_statistics: bool = False
) -> YoloNetwork:
    """The trainable network that a weights file describes."""
    card = weights.card
    network = YoloNetwork(
        card.architecture, len(card.class_names), frozen=frozen, keep_statistics=keep_statistics
    )
    network.load(weights.tensors)
    return network


def start_from_coco(pickle: Path, basis: EmbeddingBasis, card: WeightsCard) -> DetectorWeights:
    """COCO weights in ultralytics' own format, given a new head for our classes (always the same one).

    The file is a pickle and runs code when opened, so only the known one is. Raises `WeightsRefused`.
    """
    found = hashlib.sha256(pickle.read_bytes()).hexdigest()
    if found != COCO_SHA256:
        raise WeightsRefused(f"{pickle} has sha256 {found}; expected {COCO_SHA256} (a pickle: not opened)")
    torch.manual_seed(0)
    checkpoint = torch.load(pickle, map_location="cpu", weights_only=False)
    coco = checkpoint["model"].float().state_dict()
    network = YoloNetwork(card.architecture, len(card.class_names))
    network.load({name: value.numpy() for name, value in coco.items()}, partial=True)
    return DetectorWeights(network.tensors(), basis, card)
