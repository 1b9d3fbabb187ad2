"""The torch network: tensors go in and come out unchanged, and unfitting ones are refused."""

import pytest

from cloud.detector.ultralytics_yolo import network_of
from cloud.errors import WeightsRefused
from tests.support.cloud.detector_weights import small_weights


def test_tensors_come_out_of_a_network_as_they_were_loaded() -> None:
    weights = small_weights()
    returned = network_of(weights).tensors()
    assert all(returned[n].tobytes() == v.tobytes() for n, v in weights.tensors.items())


def test_frozen_layers_have_no_trainable_parameters() -> None:
    free, frozen = network_of(small_weights()), network_of(small_weights(), frozen_layers=7)
    assert 0 < len(frozen.parameters()) < len(free.parameters())


def test_weights_of_another_architecture_are_refused() -> None:
    weights = small_weights()
    with pytest.raises(WeightsRefused, match="do not fit"):
        network_of(weights.with_card(class_names=("fire",), thresholds={"fire": 0.5}))
