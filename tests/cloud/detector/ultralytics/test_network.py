"""The torch network: tensors go in and come out unchanged, and unfitting ones are refused."""

from pathlib import Path

import numpy as np
import pytest

from cloud.detector.checkpoints import read_checkpoint
from cloud.detector.ultralytics.network import network_of, start_from_checkpoint
from cloud.detector.weights import EMBEDDING_LAYERS
from cloud.errors import WeightsRefused
from tests.support.cloud.checkpoints import random_network, save_checkpoint
from tests.support.cloud.detector_weights import small_weights


def test_tensors_come_out_of_a_network_as_they_were_loaded() -> None:
    weights = small_weights()
    returned = network_of(weights).tensors()
    assert all(returned[n].tobytes() == v.tobytes() for n, v in weights.tensors.items())


def test_weights_of_another_architecture_are_refused() -> None:
    weights = small_weights()
    with pytest.raises(WeightsRefused, match="do not fit"):
        network_of(weights.with_card(class_names=("fire",), thresholds={"fire": 0.5}))


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("yolo11s", "yolo12n", "yolo26n")] + ["yolov8n"],
)
def test_a_start_from_a_checkpoint_keeps_its_first_layers_under_a_new_head(
    tmp_path: Path, architecture: str
) -> None:
    path = save_checkpoint(tmp_path / "best.pt", random_network(architecture))
    small = small_weights()
    started = start_from_checkpoint(path, small.basis, small.card)
    assert started.card.architecture == architecture
    stored = read_checkpoint(path).tensors
    first = started.first_layers(EMBEDDING_LAYERS)
    assert all(np.array_equal(value, stored[name]) for name, value in first.items())
    assert network_of(started).module.model[-1].nc == len(small.card.class_names)
