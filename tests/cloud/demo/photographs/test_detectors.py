"""The real loop's detectors: none is made twice by the same plan, and what each may learn from."""

from dataclasses import replace
from pathlib import Path

import pytest

from cloud.demo.photographs import detectors as photo_detectors
from cloud.demo.photographs.detectors import PhotoDetectors
from cloud.demo.photographs.roles import read_photographs, roles_of
from cloud.training.plan import FIRST_TRAINING, PLAN_FILE, TrainedWeights, TrainingPlan, write_result
from tests.support.cloud.photographs import data_set


class Trainer:
    """Replaces `train`: records the plans and writes the files of a finished training."""

    def __init__(self) -> None:
        self.plans: list[TrainingPlan] = []

    def __call__(self, plan: TrainingPlan, out: Path, *, progress: object) -> TrainedWeights:
        self.plans.append(plan)
        out.mkdir(parents=True, exist_ok=True)
        (out / PLAN_FILE).write_text(plan.to_json())
        result = TrainedWeights(out / "w", "a" * 64, out / "b", "b" * 64, "e" * 64, 60.0, 9, (1.0,), 16, (2,))
        write_result(out, result)
        return result


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(photo_detectors, "train", made)
    monkeypatch.setattr(photo_detectors, "coco_start", lambda coco, out, licence: coco)
    return made


def test_a_detector_is_made_once_and_again_only_by_another_plan(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "coco").write_bytes(b"weights")
    roles = roles_of(read_photographs(data_set(tmp_path / "data"), "train"))
    kept = PhotoDetectors(tmp_path / "kept", tmp_path / "coco")
    made = [kept.make_start(roles, lambda _: None) for _ in range(2)]
    assert made[0] == made[1]
    assert len(trainer.plans) == 1
    replace(kept, start=replace(FIRST_TRAINING, epochs=1)).make_start(roles, lambda _: None)
    assert len(trainer.plans) == 2
    (tmp_path / "coco").write_bytes(b"other weights")
    kept.make_start(roles, lambda _: None)
    assert len(trainer.plans) == 3


def test_only_the_judge_is_trained_on_small_potholes(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "coco").write_bytes(b"weights")
    roles = roles_of(read_photographs(data_set(tmp_path / "data"), "train"))
    kept = PhotoDetectors(tmp_path / "kept", tmp_path / "coco")
    kept.make_start(roles, lambda _: None)
    kept.make_judge(roles, lambda _: None)
    learned = [{path.name for path in (plan.replay[0] / "images").iterdir()} for plan in trainer.plans]
    small = {photograph.path.name for photograph in roles.judge if photograph.has_small_pothole}
    assert small <= learned[1]
    assert not small & learned[0]


def test_training_uses_fewer_photographs_when_the_role_has_fewer(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "coco").write_bytes(b"weights")
    roles = roles_of(read_photographs(data_set(tmp_path / "data"), "train"))
    kept = PhotoDetectors(tmp_path / "kept", tmp_path / "coco")
    for few in (roles, replace(roles, base=roles.base[:1])):
        kept.make_start(few, lambda _: None)
    learned = [sorted(path.name for path in (plan.replay[0] / "images").iterdir()) for plan in trainer.plans]
    assert len(roles.base) > 1
    assert [len(names) for names in learned] == [len(roles.base), 1]
