"""What the training stage records of its data, and whose verdict the trial stage follows."""

import time
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from cloud.campaigns.model_stages import ModelStages
from cloud.campaigns.outputs import FilterOutput, TrainOutput, VerifiedSet
from cloud.campaigns.stage import StageWork
from cloud.data.datasets import Dataset, DatasetRegister
from cloud.data.roles import DataRole
from cloud.errors import StageFailed
from cloud.settings import TrainingSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.history.review_store import ReviewStore
from cloud.store.records import Campaign, CampaignPlan, CampaignStage, CampaignState, StageState
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.sample_reports import MODE, NEW, OLD

EARLIER = VerifiedSet(mode="fire.night-clear.missed", folder="old", digest="c" * 64, images=9)
OWN = VerifiedSet(mode=MODE, folder="new", digest="d" * 64, images=30)
ALL_REFUSED = VerifiedSet(mode=MODE, folder="refused", digest="e" * 64, images=0)
SETS = {
    DataRole.BASE: [Dataset("a" * 64, DataRole.BASE, 60, 80, ("s1",), "our streets")],
    DataRole.REPLAY: [Dataset("b" * 64, DataRole.REPLAY, 20, 30, ("s2",), "winter")],
}


@pytest.mark.parametrize(("backgrounds", "drawn"), [(None, True), (Path("streets"), False)])
def test_real_generated_and_empty_images_are_recorded_with_those_of_earlier_campaigns_and_no_empty_set(
    tmp_path: Path, backgrounds: Path | None, drawn: bool
) -> None:
    datasets = create_autospec(DatasetRegister, instance=True)
    datasets.all.side_effect = SETS.get
    datasets.backgrounds = backgrounds
    store = create_autospec(CampaignStore, instance=True)
    store.outputs_of_rolled_out.return_value = [FilterOutput(sets=(EARLIER,)).model_dump(mode="json")]
    reviews = create_autospec(ReviewStore, instance=True)
    reviews.left_out.return_value = ["one", "two"]
    (tmp_path / "new" / "images").mkdir(parents=True)
    (tmp_path / "new" / "images" / "two.jpg").touch()
    others: Any = None
    stages = ModelStages(
        data=tmp_path,
        training=TrainingSettings(streets=12),
        evaluation=others,
        promotion=others,
        classes=others,
        datasets=datasets,
        models=others,
        store=store,
        releases=others,
        publisher=others,
        reviews=reviews,
    )
    sets = FilterOutput(sets=(OWN, ALL_REFUSED))
    work = _work(CampaignStage.TRAIN, {CampaignStage.FILTER: sets}, tmp_path)
    assert stages._trained_on(work) == {
        "sets": [
            {"digest": "a" * 64, "name": "our streets", "role": "base", "images": 60},
            {"digest": "b" * 64, "name": "winter", "role": "replay", "images": 20},
            {"digest": "d" * 64, "name": MODE, "role": "generated", "images": 29},
            {"digest": "c" * 64, "name": "fire.night-clear.missed", "role": "generated", "images": 9},
        ],
        "left_out": ["new/images/two.jpg"],
        "empty_streets": 12,
        "empty_streets_drawn": drawn,
    }
    reviews.left_out.return_value = []
    assert stages._left_out(work) == ("new/images/two.jpg",), "a training that continues leaves out the same"


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        ({"outcome": "fail", "reason": "fire is worse", "candidate": NEW}, "not for trial: fire is worse"),
        ({"outcome": "wait", "reason": "too few", "candidate": NEW}, "not for trial: too few"),
        ({"outcome": "pass", "reason": "", "candidate": OLD}, f"no verdict on the holdout .* {NEW[:12]}"),
        ({}, "no verdict on the holdout is stored"),
    ],
)
def test_the_trial_follows_the_verdict_that_the_evaluation_has_stored(
    tmp_path: Path, stored: dict[str, str], fault: str
) -> None:
    store = CampaignStore(open_database(sqlite_url(tmp_path / "store.sqlite")))
    store.create("C", CampaignPlan((MODE,), 30, incumbent_digest=OLD), started_by="test")
    store.begin_stage("C", CampaignStage.EVALUATE, "d")
    store.end_stage(
        "C", CampaignStage.EVALUATE, "d", state=StageState.DONE, output={}, metrics={"verdict": stored}
    )
    unused: Any = None
    stages = ModelStages(
        tmp_path, *(unused,) * 6, store=store, releases=unused, publisher=unused, reviews=unused
    )
    trained = TrainOutput(bundle_digest=NEW, weights_digest="a" * 64)
    work = _work(CampaignStage.TRIAL, {CampaignStage.TRAIN: trained}, tmp_path)
    if "not for trial" in fault:
        done = stages.trial(work)
        assert done.stop == fault
        assert dict(done.metrics) == {"outcome": stored["outcome"], "reason": stored["reason"]}
    else:
        with pytest.raises(StageFailed, match=fault):
            stages.trial(work)


def _work(stage: CampaignStage, inputs: dict[CampaignStage, Any], folder: Path) -> StageWork:
    return StageWork(
        Campaign("C", CampaignState.RUNNING, CampaignPlan((MODE,), 30), "test", "", 1, 0, 0, None),
        stage,
        inputs,
        folder,
        began_at_utc=time.time(),
        progress=lambda fraction, note: None,
        stopping=lambda: False,
    )
