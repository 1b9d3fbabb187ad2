"""Architectures of ultralytics: found from a checkpoint's description, and built with another head."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cloud.detector.ultralytics.architectures import (
    FAMILIES,
    SIZES,
    architecture_of,
    build_network,
    head_classes,
)
from cloud.detector.ultralytics.network import network_of
from cloud.detector.weights import EMBEDDING_LAYERS, FEATURE_STRIDE, FEATURE_TAPS, tap_channels
from cloud.errors import WeightsRefused
from tests.support.cloud.checkpoints import random_network, random_weights
from tests.support.cloud.detector_weights import small_weights

FILE = Path("best.pt")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tapped_layers_of_every_family_have_strides_8_and_16(family: str) -> None:
    model, shapes = random_network(f"{family}n"), []
    for layer in model.model[:EMBEDDING_LAYERS]:
        layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(output.shape[1:]))
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 96))
    fine, coarse = (shapes[layer] for layer in FEATURE_TAPS)
    assert tuple(fine[1:]) == (64 // FEATURE_STRIDE, 96 // FEATURE_STRIDE)
    assert tuple(coarse[1:]) == (64 // 16, 96 // 16)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    assert tap_channels(tensors) == (fine[0], coarse[0])


@pytest.mark.parametrize("architecture", ["yolov8n", "yolov8s", "yolo11n", "yolo11m", "yolo12n", "yolo26s"])
def test_an_architecture_is_found_from_its_description_whatever_its_file_is_called(architecture: str) -> None:
    description: dict[str, Any] = dict(build_network(architecture, 2).yaml)
    assert architecture_of(description, FILE) == architecture
    assert architecture_of({**description, "yaml_file": "mine.yaml"}, FILE) == architecture


def test_a_description_of_another_version_is_found_by_its_name() -> None:
    assert architecture_of({"yaml_file": "/home/me/yolo12x.yaml", "head": []}, FILE) == "yolo12x"


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"yaml_file": "yolo11n-p2.yaml"},
        {"yaml_file": "yolov5n.yaml"},
        {"yaml_file": 7},
        {"backbone": [], "head": []},
    ],
)
def test_an_architecture_of_its_own_is_one_sentence(description: dict[str, Any]) -> None:
    with pytest.raises(WeightsRefused, match=r"best\.pt has an architecture of its own") as refused:
        architecture_of(description, FILE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("architecture", ["yolo99z", "", "../../etc/passwd", "yolo11n.yaml", "a" * 99, "y\n"])
def test_an_unknown_architecture_in_a_card_is_one_sentence(architecture: str) -> None:
    with pytest.raises(WeightsRefused, match="there is no architecture") as refused:
        network_of(small_weights().with_card(architecture=architecture))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("sized_for", "classes"), [(80, 2), (2, 70), (90, 95), (3, 3)])
@pytest.mark.parametrize("architecture", ["yolov8n", "yolo26n"])
def test_a_head_keeps_its_hidden_layers_with_other_outputs(
    architecture: str, sized_for: int, classes: int
) -> None:
    network = build_network(architecture, classes, sized_for).eval()
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    again = build_network(architecture, classes, head_classes(tensors, classes))
    assert {n: v.shape for n, v in again.state_dict().items()} == {n: v.shape for n, v in tensors.items()}
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64))[0].shape == (1, 4 + classes, 84)


def test_every_size_of_every_family_has_a_description() -> None:
    for family in FAMILIES:
        scales = build_network(f"{family}n", 1).yaml["scales"]
        assert set(scales) == set(SIZES)


def test_weights_of_every_family_fill_their_network() -> None:
    for family in FAMILIES:
        weights = random_weights(f"{family}n")
        assert set(network_of(weights).tensors()) == set(weights.tensors)
