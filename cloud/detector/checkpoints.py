"""Reads checkpoints of ultralytics (`.pt`) without running anything that is in them.

A checkpoint is a pickle, and a pickle names the code to run. torch's allow-list loader is given the names
below only, and each stands for an empty class that keeps its state: neither a class of ultralytics nor any
other code is called. A pickle that needs another name is refused with that name. What is read are tensors and
plain values; the network is built from the description of its architecture that ultralytics ships.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from cloud.detector.weights import Floats
from cloud.errors import WeightsRefused
from messaging.errors import FileFault
from messaging.runtime.binary_files import HEAD_BYTES, placeholder_of
from messaging.runtime.text_files import read_bytes

MAX_BYTES = 2**30
MAX_DEPTH = 20
DEFAULT_INPUT = 640
NETWORK = "ultralytics.nn.tasks.DetectionModel"
# What detection checkpoints of YOLOv8, 11, 12 and 26 name, as any version of ultralytics wrote them.
NAMES = {
    "ultralytics.nn.tasks": "DetectionModel",
    "ultralytics.nn.modules": "Bottleneck C2f Concat Conv Detect DFL SPPF",
    "ultralytics.nn.modules.block": (
        "A2C2f AAttn ABlock Attention Bottleneck C2f C2PSA C3k C3k2 DFL PSABlock SPPF"
    ),
    "ultralytics.nn.modules.conv": "Concat Conv DWConv",
    "ultralytics.nn.modules.head": "Detect",
    "ultralytics.utils": "IterableSimpleNamespace",
    "ultralytics.yolo.utils": "IterableSimpleNamespace",
    "ultralytics.utils.loss": "BboxLoss DFLoss E2ELoss v8DetectionLoss",
    "ultralytics.utils.tal": "TaskAlignedAssigner",
    "torch.nn.modules.activation": "SiLU",
    "torch.nn.modules.batchnorm": "BatchNorm2d",
    "torch.nn.modules.container": "ModuleList Sequential",
    "torch.nn.modules.conv": "Conv2d",
    "torch.nn.modules.linear": "Identity",
    "torch.nn.modules.loss": "BCEWithLogitsLoss",
    "torch.nn.modules.pooling": "MaxPool2d",
    "torch.nn.modules.upsampling": "Upsample",
    "numpy": "dtype",
    "numpy.core.multiarray": "scalar",
    "numpy._core.multiarray": "scalar",
    "pathlib": "PosixPath WindowsPath",
    "pathlib._local": "PosixPath WindowsPath",
}
TASKS = {
    "SegmentationModel": "segmentation",
    "SemanticSegmentationModel": "segmentation",
    "YOLOESegModel": "segmentation",
    "PoseModel": "poses",
    "OBBModel": "rotated boxes",
    "DepthModel": "depth",
    "ClassificationModel": "classification",
}
_WANTED = re.compile(r"GLOBAL ([\w.]+)")
_CLASS_SCORES = re.compile(r"model\.\d+\.cv3\.0\.2\.weight")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is read of a checkpoint.

    Attributes:
        tensors: the network's tensors by name, in single precision.
        class_names: names of the head's outputs, in their order.
        description: ultralytics' description of the architecture: plain values, not checked.
        input_side: the longer side of the images that it was trained on, pixels; a multiple of 32.
        licence: what the file states, or "not stated".
    """

    tensors: Mapping[str, Floats]
    class_names: tuple[str, ...]
    description: Mapping[str, Any]
    input_side: int
    licence: str


class Recorded:
    """An object of a pickle: keeps its state, and does nothing."""

    def __init__(self, *_arguments: object) -> None:
        self.state: Mapping[str, Any] = {}

    def __new__(cls, *_arguments: object) -> "Recorded":
        """Arguments are ignored, as in `__init__`, which a pickle may leave out."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else {}


_ALLOWED: dict[str, type[Recorded]] = {
    f"{module}.{name}": type(name, (Recorded,), {})
    for module, names in NAMES.items()
    for name in names.split()
}


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a detection checkpoint. Raises `WeightsRefused` with the reason and what to do."""
    try:
        content = read_bytes(path, limit_bytes=MAX_BYTES)
    except FileFault as fault:
        raise WeightsRefused(f"checkpoint {fault}") from None
    placeholder = placeholder_of(content[:HEAD_BYTES])
    if placeholder is not None:
        raise WeightsRefused(f"checkpoint {path} {placeholder}")
    stored = _loaded(content, path)
    network = (stored.get("ema") or stored.get("model")) if isinstance(stored, dict) else None
    if not isinstance(network, _ALLOWED[NETWORK]):
        raise WeightsRefused(
            f"checkpoint {path} holds no network of ultralytics; give the best.pt or last.pt that it trained"
        )
    training = _mapping(stored.get("train_args"))
    if training.get("task", "detect") != "detect":
        raise _other_task(path, f"the task {training['task']!r:.40}")
    tensors = dict(_tensors(network, path))
    names = _class_names(network.state.get("names"), path)
    _check_outputs(tensors, names, path)
    licence = stored.get("license")
    return Checkpoint(
        tensors=tensors,
        class_names=names,
        description=_mapping(network.state.get("yaml")),
        input_side=_input_side(training.get("imgsz")),
        licence=licence[:80] if isinstance(licence, str) and licence else "not stated",
    )


def _loaded(content: bytes, path: Path) -> Any:
    """The pickled object, its classes replaced by `Recorded`."""
    try:
        allowed: list[Any] = [(stands, name) for name, stands in _ALLOWED.items()]
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        wanted = _WANTED.search(str(error))
        if wanted is None:
            raise _unreadable(path, error) from error
        task = TASKS.get(wanted[1].rpartition(".")[2])
        if task and wanted[1].startswith("ultralytics.nn.tasks."):
            raise _other_task(path, task) from None
        raise WeightsRefused(
            f"checkpoint {path} is refused: its pickle wants {wanted[1]}, which no detection checkpoint of "
            "YOLOv8, 11, 12 or 26 needs; nothing in it was run, use a file that ultralytics wrote"
        ) from None
    except Exception as error:  # torch's readers of damaged files have no common base but Exception
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WeightsRefused:
    reason = str(error).rpartition("WeightsUnpickler error:")[2].strip().splitlines()
    shown = reason[0][:160] if reason else type(error).__name__
    return WeightsRefused(f"{path} is not a whole checkpoint of ultralytics ({shown}); download it again")


def _other_task(path: Path, task: str) -> WeightsRefused:
    return WeightsRefused(
        f"checkpoint {path} was trained for {task}; give one trained for detection (`yolo detect train`)"
    )


def _tensors(network: Recorded, path: Path) -> Iterator[tuple[str, Floats]]:
    """Every floating-point tensor of the layers by its name."""
    for name, value in _walk(network, path):
        if not name.startswith("model."):
            continue  # a loss that was pickled with the network
        if not isinstance(value, torch.Tensor) or value.layout is not torch.strided or value.is_quantized:
            raise WeightsRefused(
                f"checkpoint {path}: {name} is no plain tensor; export it without quantisation or pruning"
            )
        if value.is_floating_point():
            array: Floats = value.detach().to(torch.float32).contiguous().numpy().copy()
            if not np.isfinite(array).all():
                raise WeightsRefused(
                    f"checkpoint {path}: its tensor {name} is not finite; use one of an earlier epoch"
                )
            yield name, array


def _walk(module: Recorded, path: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH:  # a pickle may hold a circle
        raise WeightsRefused(
            f"checkpoint {path} nests layers more than {MAX_DEPTH} deep; use a file that ultralytics wrote"
        )
    for kind in ("_parameters", "_buffers"):
        for name, value in _mapping(module.state.get(kind)).items():
            if value is not None:
                yield f"{prefix}{name}", value
    for name, child in _mapping(module.state.get("_modules")).items():
        if isinstance(child, Recorded):
            yield from _walk(child, path, f"{prefix}{name}.", depth + 1)


def _class_names(stored: object, path: Path) -> tuple[str, ...]:
    listed = dict(enumerate(stored)) if isinstance(stored, list | tuple) else _mapping(stored)
    names = tuple(listed.get(index) for index in range(len(listed)))
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise WeightsRefused(
            f"checkpoint {path} has no usable class names ({str(stored)[:80]}); they must be distinct texts "
            "numbered from 0, correct the names in the data.yaml that it was trained with"
        )
    return names  # type: ignore[return-value]  # checked above


def _check_outputs(tensors: Mapping[str, Floats], names: tuple[str, ...], path: Path) -> None:
    """The head must have one output for each name."""
    outputs = [value.shape[0] for name, value in tensors.items() if _CLASS_SCORES.fullmatch(name)]
    if not outputs:
        raise WeightsRefused(
            f"checkpoint {path} has no detection head of YOLOv8, 11, 12 or 26; give one of these"
        )
    if outputs[0] != len(names):
        raise WeightsRefused(
            f"checkpoint {path} names {len(names)} classes, but its head has {outputs[0]}; one of them was "
            "changed after training, use the checkpoint as training wrote it"
        )


def _input_side(stored: object) -> int:
    side = max(stored) if isinstance(stored, list | tuple) and stored else stored
    usable = isinstance(side, int) and 32 <= side <= 4096 and side % 32 == 0
    return side if usable else DEFAULT_INPUT  # type: ignore[return-value]  # an int if usable


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
