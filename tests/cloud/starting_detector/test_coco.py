"""Every detector starts from COCO weights, in the embedding space of the shipped one."""

from pathlib import Path

import numpy as np
import pytest

from cloud.detector.weights import read_weights, tap_channels
from cloud.errors import WeightsRefused
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from cloud.starting_detector.coco import coco_start, untrained
from tests.support.cloud.checkpoints import random_network, save_checkpoint

COCO = Path(__file__).parents[4] / "shared" / "weights" / "yolo11n_coco_int8derived.pt"


def test_a_checkpoint_whose_layers_do_not_match_the_shipped_basis_is_refused(tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "best.pt", random_network("yolo11n"))
    with pytest.raises(WeightsRefused, match="the frozen layers of"):
        coco_start(other, tmp_path / "out.safetensors", licence="AGPL-3.0-or-later")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.skipif(not COCO.is_file(), reason="the COCO weights are not here")
def test_the_start_keeps_the_embedding_that_the_generator_was_trained_with(tmp_path: Path) -> None:
    start = read_weights(coco_start(COCO, tmp_path / "start.safetensors", licence="AGPL-3.0-or-later"))
    shipped = read_weights(STARTING_WEIGHTS)
    assert start.embedding_digest == shipped.embedding_digest
    assert np.array_equal(start.basis.matrix, shipped.basis.matrix)


def test_a_judge_starts_from_random_weights_of_another_architecture_and_shares_none() -> None:
    judge = untrained("yolov8n", licence="AGPL-3.0-or-later")
    assert judge.card.architecture == "yolov8n"
    assert judge.basis.matrix.shape[1] == sum(tap_channels(judge.tensors))
    for shipped in (read_weights(STARTING_WEIGHTS), read_weights(REFERENCE_WEIGHTS)):
        equal = [
            name
            for name, value in judge.tensors.items()
            if value.ndim == 4 and np.array_equal(value, shipped.tensors.get(name))
        ]
        # the last kernel of the box branch counts from 0 to 15 in every network; it is never trained
        assert [name for name in equal if ".dfl." not in name] == []
