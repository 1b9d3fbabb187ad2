"""The control model of a campaign: trained after the candidate, evaluated beside it, never in its place."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from cloud.campaigns import trainings
from cloud.campaigns.model_stages import ModelStages
from cloud.campaigns.outputs import (
    ControlModel,
    EvaluateOutput,
    FilterOutput,
    PlannedOrder,
    PlanOutput,
    TrainOutput,
    VerifiedSet,
)
from cloud.campaigns.stage import StageWork
from cloud.data.datasets import DatasetRegister
from cloud.detector.model_files import ModelFiles
from cloud.errors import StageFailed, StageInterrupted, TrainingStopped
from cloud.settings import EvaluationSettings, PromotionSettings, TrainingSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.history.evaluation_store import EvaluationStore
from cloud.store.history.review_store import ReviewStore
from cloud.store.records import Campaign, CampaignPlan, CampaignStage, CampaignState, EvaluationRow
from cloud.training.plan import PLAN_FILE, TrainedWeights, TrainingPlan, TrainingProgress, write_result
from messaging.blobs import digest_of
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import taxonomy_of
from tests.support.cloud.labelled_images import ScriptedDetector, detections, square_images
from tests.support.cloud.sample_reports import MODE, NEW, OLD
from tests.support.edge.tiny_bundles import NAMES, tiny_bundle
from tests.support.synth.orders import order

EARLIER = VerifiedSet(mode="fire.night-clear.missed", folder="earlier", digest="c" * 64, images=9)
OWN = VerifiedSet(mode=MODE, folder="own", digest="d" * 64, images=30)


class Trainer:
    """Replaces `train`: records the plans, and ends a training or lets it be stopped."""

    def __init__(self) -> None:
        self.plans: list[TrainingPlan] = []
        self.stops_at: str | None = None

    def __call__(
        self,
        plan: TrainingPlan,
        out: Path,
        *,
        progress: Callable[[TrainingProgress], None],
        should_stop: Callable[[], bool],
    ) -> TrainedWeights:
        self.plans.append(plan)
        progress(TrainingProgress(1, 2, 5, 10, 0.5, 1.0))
        losses = (1.0, 0.5) if not plan.name.endswith("-control") else (8.0, 4.0)
        if self.stops_at is not None and plan.name.endswith(self.stops_at):
            raise TrainingStopped("stopped as asked")
        out.mkdir(parents=True, exist_ok=True)
        (out / PLAN_FILE).write_text(plan.to_json())
        (out / "bundle").write_bytes(plan.name.encode())
        digest = digest_of(plan.name.encode())
        steps = plan.recipe.steps or (7, 3)
        trained = TrainedWeights(
            out / "w", "a" * 64, out / "bundle", digest, "e" * 64, 60.0, 99, losses, 8, steps
        )
        write_result(out, trained)
        return trained


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(trainings, "train", made)
    return made


class World:
    """The stages with a database and a holdout, and the work of a campaign."""

    def __init__(self, data: Path, *, control: bool = False) -> None:
        self.data = data
        database = open_database(sqlite_url(data / "store.sqlite"))
        self.rows, self.histories = CampaignStore(database), EvaluationStore(database)
        datasets = create_autospec(DatasetRegister, instance=True)
        datasets.folders.return_value = (square_images(data / "holdout", 4),)
        datasets.images.return_value = 4
        datasets.all.return_value = []
        datasets.backgrounds = None
        self.models = create_autospec(ModelFiles, instance=True)
        self.models.weights.return_value = data / "parent"
        self.models.keep.return_value = NEW
        self.models.detector.side_effect = lambda digest: ScriptedDetector([], digest=digest)
        classes: Any = SimpleNamespace(taxonomy=taxonomy_of(NAMES), added=())
        unused: Any = None
        reviews = create_autospec(ReviewStore, instance=True)
        reviews.left_out.return_value = []
        store = create_autospec(CampaignStore, instance=True, wraps=self.rows)
        store.outputs_of_rolled_out.return_value = [FilterOutput(sets=(EARLIER,)).model_dump(mode="json")]
        store.put_evaluations.side_effect = self.rows.put_evaluations
        self.stages = ModelStages(
            data=data, training=TrainingSettings(epochs=2, control=control), evaluation=EvaluationSettings(),
            promotion=PromotionSettings(), classes=classes, datasets=datasets, models=self.models,
            store=store, releases=unused, publisher=unused, reviews=reviews,
        )  # fmt: skip
        self.notes: list[tuple[float, str]] = []
        self.shown: list[Any] = []

    def work(self, stage: CampaignStage, trained: TrainOutput | None = None, **options: object) -> StageWork:
        """The work of a stage; `trained` is what the training has handed over."""
        plan = CampaignPlan((MODE,), 30, incumbent_digest=OLD, options=options)
        if not self.rows.recent():
            self.rows.create("C1", plan, started_by="test")
        one = PlannedOrder(mode="fire.day-clear.missed", order=order(class_name="fire"))
        inputs: dict[CampaignStage, Any] = {
            CampaignStage.PLAN: PlanOutput(
                orders=(one.model_copy(update={"mode": "fire.day-clear.missed"}),)
            ),
            CampaignStage.FILTER: FilterOutput(sets=(OWN,)),
        }
        if trained is not None:
            inputs[CampaignStage.TRAIN] = trained
        folder = self.data / stage
        folder.mkdir(exist_ok=True)
        return StageWork(
            Campaign("C1", CampaignState.RUNNING, plan, "test", "", 1, 0, 0, None),
            stage,
            inputs,
            folder,
            began_at_utc=time.time(),
            progress=lambda fraction, note: self.notes.append((fraction, note)),
            stopping=lambda: False,
            show=lambda metrics: self.shown.append(metrics["losses"]),
        )


@pytest.mark.parametrize(
    ("settings", "options", "trainings_run"),
    [(False, {}, 1), (True, {}, 2), (False, {"control": True}, 2), (True, {"control": False}, 1)],
)
def test_a_request_overrides_whether_a_control_model_is_trained(
    tmp_path: Path, trainer: Trainer, settings: bool, options: dict[str, object], trainings_run: int
) -> None:
    world = World(tmp_path, control=settings)
    done = world.stages.train(world.work(CampaignStage.TRAIN, **options))
    assert isinstance(done.output, TrainOutput)
    assert len(trainer.plans) == trainings_run
    assert (done.output.control is not None) is ("control" in done.metrics) is (trainings_run == 2)


def test_the_control_is_the_same_training_without_the_images_of_this_campaign(
    tmp_path: Path, trainer: Trainer
) -> None:
    world = World(tmp_path, control=True)
    done = world.stages.train(world.work(CampaignStage.TRAIN))
    candidate, control = trainer.plans
    assert [folder.name for folder in candidate.synthetic] == ["own", "earlier"]
    assert [folder.name for folder in control.synthetic] == ["earlier"]
    assert (candidate.recipe.steps, control.recipe.steps) == ((), (7, 3))
    assert (candidate.recipe.batch, control.recipe.batch) == (16, 8), (
        "the batch that the candidate ended with"
    )
    assert isinstance(done.output, TrainOutput)
    assert done.output.bundle_digest == NEW
    found = done.output.control
    assert found == ControlModel(
        bundle_digest=digest_of(control.name.encode()), bundle="train/control/bundle"
    )
    assert (done.metrics["steps"], done.metrics["control"]["steps"]) == (10, 10)
    assert world.models.keep.call_count == 1, "a control model is not among the models that can be released"
    assert world.notes == [
        (0.25, "epoch 1 of 2, loss 0.500"),
        (0.75, "control model: epoch 1 of 2, loss 0.500"),
    ]
    assert world.shown == [[], [1.0, 0.5]], "the losses of the control are not among the candidate's"
    assert done.metrics["control"]["losses"] == [8.0, 4.0]


def test_a_stage_that_was_stopped_in_the_control_does_not_train_the_candidate_again(
    tmp_path: Path, trainer: Trainer
) -> None:
    world = World(tmp_path, control=True)
    work = world.work(CampaignStage.TRAIN)
    trainer.stops_at = "-control"
    with pytest.raises(StageInterrupted, match="stopped as asked"):
        world.stages.train(work)
    trainer.stops_at, trainer.plans, world.shown = None, [], []
    done = world.stages.train(work)
    assert [plan.name for plan in trainer.plans] == ["campaign-c1-control"]
    assert done.metrics["losses"] == [1.0, 0.5]
    assert world.shown == [[1.0, 0.5]], "a curve that is complete does not begin again"


def found_fires(world: World, *, found: bool) -> list[Any]:
    """What a detector reports of the holdout: every square, or nothing."""
    folder = world.data / "holdout" / "labels"
    rows = []
    for file in sorted(folder.glob("*.txt")):
        _, x, y, width, height = (float(value) * 96 for value in file.read_text().split())
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        rows.append(detections((box, 0.9, 0)) if found else detections())
    return rows


def evaluated(
    world: World, *, candidate: bool, control: bool, monkeypatch: pytest.MonkeyPatch
) -> tuple[EvaluateOutput, dict[str, Any], str]:
    """Evaluate: each model finds all fires or none; returns output, metrics and the control's digest."""
    bundle = tiny_bundle()
    path = world.data / "train" / "control" / "bundle"
    path.parent.mkdir(parents=True)
    path.write_bytes(bundle)
    digest = digest_of(bundle)
    scripts = {OLD: True, NEW: candidate}
    world.models.detector.side_effect = lambda one: ScriptedDetector(
        found_fires(world, found=scripts[one]), digest=one
    )
    monkeypatch.setattr(
        "cloud.campaigns.model_stages.OnnxDetector",
        lambda path, providers: ScriptedDetector(
            found_fires(world, found=control), digest=digest_of(path.read_bytes())
        ),
    )
    trained = TrainOutput(
        bundle_digest=NEW,
        weights_digest="a" * 64,
        control=ControlModel(bundle_digest=digest, bundle="train/control/bundle"),
    )
    done = world.stages.evaluate(world.work(CampaignStage.EVALUATE, trained))
    assert isinstance(done.output, EvaluateOutput)
    return done.output, dict(done.metrics), digest


def recalls(rows: list[EvaluationRow]) -> dict[tuple[str, str], float]:
    return {(r.role, r.model_digest): r.metrics["recall"] for r in rows if r.condition == "all"}


def test_the_control_is_evaluated_in_a_role_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    output, metrics, control = evaluated(world, candidate=False, control=True, monkeypatch=monkeypatch)
    assert recalls(world.rows.evaluations("C1")) == {
        ("holdout", OLD): 1.0, ("holdout", NEW): 0.0, ("control", control): 1.0
    }  # fmt: skip
    assert metrics["control"]["fire"]["recall"] == 1.0
    assert set(output.files) == {OLD, NEW}, "what is not among the files cannot be signed"
    assert {row.model_digest for row in world.histories.whole()} == {OLD, NEW}
    assert world.histories.of_models({control}) == []


@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("candidate", [True, False])
def test_the_verdict_is_about_the_candidate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidate: bool, control: bool
) -> None:
    _, metrics, _ = evaluated(World(tmp_path), candidate=candidate, control=control, monkeypatch=monkeypatch)
    assert (metrics["verdict"]["outcome"] == "fail") is not candidate
    assert metrics["verdict"]["candidate"] == NEW
    assert math.isclose(metrics["candidate"]["fire"]["recall"], float(candidate))


def test_a_control_file_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "bundle").write_bytes(tiny_bundle())
    other = ControlModel(bundle_digest="f" * 64, bundle="bundle")
    trained = TrainOutput(bundle_digest=NEW, weights_digest="a" * 64, control=other)
    with pytest.raises(StageFailed, match="is not the control model that was trained"):
        world.stages.evaluate(world.work(CampaignStage.EVALUATE, trained))
