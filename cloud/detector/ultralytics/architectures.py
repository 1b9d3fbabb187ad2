"""The architectures that detectors may have: YOLOv8, 11, 12 and 26 in every size, as ultralytics ships them.

A network is built from ultralytics' description, never from one in a file: such a description is evaluated
as code. A YOLO26 network has two heads; the one-to-many head is used, whose boxes need non-maximum
suppression as those of the other families do.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn
from ultralytics import __version__
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

from cloud.detector.weights import Floats, layer_of
from cloud.errors import WeightsRefused

FAMILIES = ("yolov8", "yolo11", "yolo12", "yolo26")
SIZES = "nslmx"
_ARCHITECTURE = re.compile(rf"({'|'.join(FAMILIES)})[{SIZES}]")
_CLASS_BRANCHES = ("cv3", "one2one_cv3")


def build_network(architecture: str, classes: int, head_classes: int | None = None) -> DetectionModel:
    """A network with random weights, its hidden layers of the head sized for `head_classes`.

    Raises `WeightsRefused` for another architecture.
    """
    sized_for = head_classes or classes
    try:
        if not _ARCHITECTURE.fullmatch(architecture):
            raise ValueError("no name of an architecture")  # noqa: TRY301  # a path would be opened
        network = DetectionModel(f"{architecture}.yaml", nc=sized_for, verbose=False)
    except Exception as error:  # ultralytics' errors have no common base but Exception
        raise WeightsRefused(
            f"there is no architecture {architecture!r:.60} for {classes} classes; give a weights file of "
            f"{_families()}, as training writes it"
        ) from error
    if sized_for != classes:
        _set_outputs(network, classes)
    return network


def architecture_of(description: Mapping[str, Any], origin: Path) -> str:
    """The shipped architecture that a checkpoint's description equals, or whose name it has.

    Raises `WeightsRefused` if there is none.
    """
    stated = str(description.get("yaml_file", ""))
    for family in FAMILIES:
        shipped = yaml_model_load(f"{family}n.yaml")
        if all(description.get(part) == shipped[part] for part in ("backbone", "head")):
            name = f"{family}{description.get('scale', '')}"
            if _ARCHITECTURE.fullmatch(name):
                return name
    if _ARCHITECTURE.fullmatch(Path(stated).stem):
        return Path(stated).stem
    raise WeightsRefused(
        f"checkpoint {origin} has an architecture of its own ({stated[:60] or 'without a name'}); "
        f"{_families()} can be imported, as ultralytics {__version__} ships them"
    )


def head_classes(tensors: Mapping[str, Floats], classes: int) -> int:
    """The number of classes for which ultralytics sizes hidden layers of the head as wide as these.

    A head keeps its hidden layers when its outputs become fewer or more. Ultralytics makes them as wide as
    the first feature map, or as there are classes if these are more, up to 100.
    """
    head = max(layer_of(name) for name in tensors)
    hidden: int = tensors[f"model.{head}.cv3.0.2.weight"].shape[1]
    first_map: int = tensors[f"model.{head}.cv2.0.0.conv.weight"].shape[1]
    return hidden if hidden > first_map else min(classes, first_map)


def _set_outputs(network: DetectionModel, classes: int) -> None:
    """Give the head new outputs, with biases as ultralytics sets them."""
    head = network.model[-1]
    for branch in _CLASS_BRANCHES:
        for scale in getattr(head, branch, None) or ():
            scale[-1] = nn.Conv2d(scale[-1].in_channels, classes, 1)
    head.nc, head.no = classes, classes + 4 * head.reg_max
    network.yaml["nc"] = classes
    network.names = {index: str(index) for index in range(classes)}
    head.bias_init()


def _families() -> str:
    return f"{', '.join(FAMILIES[:-1])} and {FAMILIES[-1]} (sizes {', '.join(SIZES)})"
