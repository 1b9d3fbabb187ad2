"""A trainable detector on disk: one safetensors file with its tensors, its embedding basis and its card.

Training reads and writes weights files; sites run the detector bundle exported from one. Convolution kernels
are stored in half precision and rounded to it *before* export, so that a file read back gives exactly the
network that was evaluated. No pickle is ever read or written.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import load, save

from cloud.errors import WeightsRefused
from messaging.errors import FileFault
from messaging.hazard_classes import HazardClass
from messaging.releases import MAX_EMBEDDING
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.binary_files import read_safetensors_header
from messaging.taxonomy import Taxonomy, taxonomy_of

Floats = npt.NDArray[np.float32]
WEIGHTS_FILE, BUNDLE_FILE = "weights.safetensors", "model.onnx"
# In every size of YOLOv8, 11, 12 and 26 layer 4 has stride 8 and layer 6 stride 16; sizes differ in channels.
EMBEDDING_LAYERS = 7
FEATURE_TAPS = (4, 6)
FEATURE_STRIDE = 8
CARD_KEY = "card"
_CARD = TypeAdapter(dict[str, Any])
NETWORK, EMBEDDER, BASIS = "network.", "embedder.", "basis."


@dataclass(frozen=True)
class EmbeddingBasis:
    """The public projection of pooled features: embedding = matrix @ features + offset.

    Attributes:
        matrix: (d, channels) float32, d at most 64; channels are those of both tapped layers.
        offset: (d,) float32; centres the embeddings of public drawn scenes on the origin.
        clip_norm: length to which the vector of a track is scaled before it is counted.
    """

    matrix: Floats
    offset: Floats
    clip_norm: float

    def __post_init__(self) -> None:
        width = len(self.matrix)
        if self.matrix.ndim != 2 or self.offset.shape != (width,):
            raise ValueError(
                f"basis must be (d, channels) with offset (d,); got {self.matrix.shape}, {self.offset.shape}"
            )
        if not 1 <= width <= MAX_EMBEDDING or self.clip_norm <= 0:
            raise ValueError(
                f"basis must have 1-{MAX_EMBEDDING} rows and a positive clip norm; got "
                f"{width}, {self.clip_norm}"
            )


@dataclass(frozen=True)
class WeightsCard:
    """Description of a weights file. Class names are in output order; sizes in pixels.

    `calibrated_on` names the labelled folders on which its thresholds were chosen, relative to its parent's.
    `classes` describe the names; without them they are described as shipped.
    """

    name: str
    class_names: tuple[str, ...]
    thresholds: Mapping[str, float]
    input_width: int
    input_height: int
    licence: str
    architecture: str = "yolo11n"
    parent_digest: str | None = None
    calibrated_on: tuple[str, ...] = ()
    classes: tuple[HazardClass, ...] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        """The hazard classes of this detector."""
        return Taxonomy(self.classes) if self.classes else taxonomy_of(self.class_names)


_CARDS = TypeAdapter(WeightsCard)


@dataclass(frozen=True)
class DetectorWeights:
    """A network's tensors by name, the embedding basis and the card. Kernels are exact in half precision.

    `embedder` holds the layers that embeddings are pooled from, once the network's own first layers have been
    trained; empty means the network's own.
    """

    tensors: Mapping[str, Floats]
    basis: EmbeddingBasis
    card: WeightsCard
    embedder: Mapping[str, Floats] = field(default_factory=dict)

    def first_layers(self, count: int) -> dict[str, Floats]:
        """The tensors of the network's first layers."""
        return {name: value for name, value in self.tensors.items() if layer_of(name) < count}

    @property
    def embedding_layers(self) -> dict[str, Floats]:
        """The tensors of the embedding layers, which no training changes."""
        return dict(sorted((self.embedder or self.first_layers(EMBEDDING_LAYERS)).items()))

    @cached_property
    def embedding_digest(self) -> str:
        """sha256 hex over embedding layers, taps, stride, input size and basis; it names the space."""
        geometry = [FEATURE_TAPS, FEATURE_STRIDE, self.card.input_width, self.card.input_height]
        digest = hashlib.sha256(json.dumps(geometry).encode())
        basis = {"basis.matrix": self.basis.matrix, "basis.offset": self.basis.offset}
        parts = {**self.embedding_layers, **basis}
        for name, value in parts.items():
            digest.update(json.dumps([name, value.shape]).encode())
            digest.update(np.ascontiguousarray(value, np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def digest(self) -> str:
        """sha256 hex of the file that `write` would write."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def with_card(self, **changes: object) -> "DetectorWeights":
        """The same network with changed fields of its card."""
        return replace(self, card=replace(self.card, **changes))  # type: ignore[arg-type]  # checked by replace

    def to_bytes(self) -> bytes:
        """The bytes of the safetensors file."""
        stored: dict[str, npt.NDArray[np.generic]] = {
            prefix + name: value.astype(np.float16) if value.ndim == 4 else value
            for prefix, tensors in ((NETWORK, self.tensors), (EMBEDDER, self.embedder))
            for name, value in tensors.items()
        }
        stored |= {BASIS + "matrix": self.basis.matrix, BASIS + "offset": self.basis.offset}
        card = {**_CARDS.dump_python(self.card, mode="json"), "clip_norm": self.basis.clip_norm}
        if not self.card.classes:
            del card["classes"]  # as in files from before classes were described
        content: bytes = save(stored, {CARD_KEY: json.dumps(card, sort_keys=True)})
        return content

    def write(self, path: Path) -> str:
        """Write to a file, atomically. Returns the digest."""
        write_atomically(path, self.to_bytes())
        return self.digest


def tap_channels(tensors: Mapping[str, Floats]) -> tuple[int, int]:
    """Channels of the two layers that embeddings are pooled from: as many as the layers after them read."""
    fine, coarse = (tensors[f"model.{layer + 1}.conv.weight"].shape[1] for layer in FEATURE_TAPS)
    return fine, coarse


def layer_of(tensor: str) -> int:
    """The layer that a tensor such as `model.4.cv1.conv.weight` belongs to."""
    return int(tensor.split(".")[1])


def half_exact(value: Floats) -> Floats:
    """Round a kernel to half precision; statistics and offsets stay as they are."""
    return value.astype(np.float16).astype(np.float32) if value.ndim == 4 else value


def read_weights(path: Path) -> DetectorWeights:
    """Read a weights file. Raises `WeightsRefused` when it is missing, cut, a placeholder or not one."""
    if not path.exists():
        raise WeightsRefused(f"there is no weights file {path}; name a file written by training")
    try:
        header = read_safetensors_header(path)
        stored = load(path.read_bytes())
        fields = _CARD.validate_json(header.metadata[CARD_KEY])
        clip_norm = float(fields.pop("clip_norm"))
        basis = EmbeddingBasis(stored[BASIS + "matrix"], stored[BASIS + "offset"], clip_norm)
        network, embedder = (_with_prefix(stored, prefix) for prefix in (NETWORK, EMBEDDER))
        weights = DetectorWeights(network, basis, _checked_card(fields), embedder)
        _check_tensors(weights)
    except FileFault as fault:
        raise WeightsRefused(f"weights file {fault}") from None
    except Exception as error:  # safetensors, numpy and pydantic have no common base but Exception
        raise WeightsRefused(
            f"{path} is not a detector's weights file ({_reason(error)}); use one that training wrote, or "
            "make the shipped one again with `python -m cloud.starting_detector`"
        ) from error
    return weights


def _checked_card(fields: dict[str, Any]) -> WeightsCard:
    card = _CARDS.validate_python(fields)
    if set(card.thresholds) != set(card.class_names) or not card.class_names:
        raise ValueError(f"its thresholds are for {sorted(card.thresholds)}, its classes {card.class_names}")
    if card.classes and tuple(c.name for c in card.classes) != card.class_names:
        raise ValueError(f"it describes other classes than it names: {card.class_names}")
    if any(not 0 <= value <= 1 for value in card.thresholds.values()):
        raise ValueError(f"its thresholds are no numbers from 0 to 1: {dict(card.thresholds)}")
    for side in (card.input_width, card.input_height):
        if not 32 <= side <= 4096 or side % 32:
            raise ValueError(f"its input size {side} is not a multiple of 32 from 32 to 4096 pixels")
    return card


def _check_tensors(weights: DetectorWeights) -> None:
    if not weights.tensors:
        raise ValueError("it holds no network")
    for name in (*weights.tensors, *weights.embedder):
        layer_of(name)
    channels, taps = weights.basis.matrix.shape[1], tap_channels(weights.tensors)
    if channels != sum(taps):
        raise ValueError(f"its basis is for {channels} channels, its layers have {taps[0]} and {taps[1]}")
    basis = {"basis.matrix": weights.basis.matrix, "basis.offset": weights.basis.offset}
    for name, value in {**weights.tensors, **weights.embedder, **basis}.items():
        if not np.isfinite(value).all():
            raise ValueError(f"its tensor {name} is not finite")


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"card: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _with_prefix(stored: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> dict[str, Floats]:
    return {
        name.removeprefix(prefix): value.astype(np.float32)
        for name, value in stored.items()
        if name.startswith(prefix)
    }
