"""The real loop's detectors: the embedding that shipped, and none made twice by the same plan."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.demo import photo_detectors
from cloud.demo.photo_detectors import PhotoDetectors, coco_start
from cloud.demo.photographs import read_photographs, roles_of
from cloud.detector_weights import read_weights
from cloud.errors import WeightsRefused
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.training import PLAN_FILE, Recipe, TrainedWeights, TrainingPlan, write_result
from tests.cloud.test_demo_photographs import data_set

COCO = Path(__file__).parents[3] / "shared" / "weights" / "yolo11n_coco_int8derived.pt"


class Trainer:
    """Stands where `train` does: remembers plans, writes what a finished training leaves."""

    def __init__(self) -> None:
        self.plans: list[TrainingPlan] = []

    def __call__(self, plan: TrainingPlan, out: Path, *, progress: object) -> TrainedWeights:
        self.plans.append(plan)
        out.mkdir(parents=True, exist_ok=True)
        (out / PLAN_FILE).write_text(plan.to_json())
        result = TrainedWeights(out / "w", "a" * 64, out / "b", "b" * 64, "e" * 64, 60.0, 9, (1.0,))
        write_result(out, result)
        return result


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(photo_detectors, "train", made)
    monkeypatch.setattr(photo_detectors, "coco_start", lambda coco, out: coco)
    return made


def test_a_detector_is_made_once_and_again_only_by_another_plan(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "coco").write_bytes(b"weights")
    roles = roles_of(read_photographs(data_set(tmp_path / "data"), "train"))
    kept = PhotoDetectors(tmp_path / "kept", tmp_path / "coco")
    made = [kept.make_start(roles, lambda _: None) for _ in range(2)]
    assert made[0] == made[1]
    assert len(trainer.plans) == 1
    replace(kept, start=Recipe(epochs=1, real_only_epochs=0)).make_start(roles, lambda _: None)
    assert len(trainer.plans) == 2
    (tmp_path / "coco").write_bytes(b"other weights")
    kept.make_start(roles, lambda _: None)
    assert len(trainer.plans) == 3


def test_only_the_judge_learns_small_potholes_and_it_looks_larger(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "coco").write_bytes(b"weights")
    roles = roles_of(read_photographs(data_set(tmp_path / "data"), "train"))
    kept = PhotoDetectors(tmp_path / "kept", tmp_path / "coco")
    kept.make_start(roles, lambda _: None)
    kept.make_judge(roles, lambda _: None)
    start, judge = trainer.plans
    assert start.recipe.image_size < judge.recipe.image_size
    learned = [{path.name for path in (plan.replay[0] / "images").iterdir()} for plan in trainer.plans]
    small = {photograph.path.name for photograph in roles.judge if photograph.has_small_pothole}
    assert small <= learned[1]
    assert not small & learned[0]


def test_another_pickle_than_the_known_one_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "coco.pt").write_bytes(b"not a pickle of ours")
    with pytest.raises(WeightsRefused, match="not opened"):
        coco_start(tmp_path / "coco.pt", tmp_path / "out.safetensors")


@pytest.mark.skipif(not COCO.is_file(), reason="the COCO weights are not here")
def test_the_start_keeps_the_embedding_that_the_generator_was_trained_with(tmp_path: Path) -> None:
    start = read_weights(coco_start(COCO, tmp_path / "start.safetensors"))
    shipped = read_weights(STARTING_WEIGHTS)
    assert start.embedding_digest == shipped.embedding_digest
    assert np.array_equal(start.basis.matrix, shipped.basis.matrix)
