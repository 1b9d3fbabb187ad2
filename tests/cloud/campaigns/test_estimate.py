"""Time and cost of a plan follow from campaigns that have ended, and are unknown without."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.campaigns.estimate import CampaignImages, estimate
from cloud.settings import CampaignSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import CampaignPlan, CampaignStage, CampaignState, StageState
from messaging.runtime.quoting import sqlite_url

IMAGES = CampaignImages(generated=100, trained=500, holdout=50)
PRICED = CampaignSettings(cost_per_hour=3.6, currency="CHF")


class Past:
    """Campaigns that have ended, by a clock of their own."""

    def __init__(self, folder: Path) -> None:
        self._now = 1_000
        self.database = open_database(sqlite_url(folder / "store.sqlite"), lambda: self._now)
        self.rows = CampaignStore(self.database)

    def ended(
        self, name: str, seconds: int, *, resumed: CampaignStage | None = None, control_s: int = 0
    ) -> None:
        """A campaign for 20 images: each stage took so many seconds.

        `resumed`: a stage that was begun twice; `control_s`: seconds of the training of a control model.
        """
        rows = self.rows
        rows.create(name, CampaignPlan((f"{name}.night-clear.missed",), 20), started_by="ana")
        stages: dict[CampaignStage, dict[str, object]] = {
            CampaignStage.SYNTHESISE: {}, CampaignStage.FILTER: {}, CampaignStage.TRAIN: {"images": 100},
            CampaignStage.EVALUATE: {"images": 10},
        }  # fmt: skip
        if control_s:
            stages[CampaignStage.TRAIN] |= {"control": {"seconds": control_s}}
            stages[CampaignStage.EVALUATE] |= {"control": {}}
        for stage, metrics in stages.items():
            for _ in range(2 if stage is resumed else 1):
                rows.begin_stage(name, stage, "a")
            self._now += seconds
            rows.end_stage(name, stage, "a", state=StageState.DONE, metrics=metrics)
        rows.set_state(name, CampaignState.DONE)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(tmp_path)
    yield made
    made.database.close()


def test_without_a_campaign_that_has_ended_nothing_is_known(past: Past) -> None:
    found = estimate(past.rows, IMAGES, PRICED)
    assert (found.total_s, found.cost, found.currency, found.based_on) == (None, None, None, 0)


def test_the_time_is_that_of_earlier_campaigns_for_each_image(past: Past) -> None:
    past.ended("fire", 100)
    found = estimate(past.rows, IMAGES, CampaignSettings())
    assert (found.generate_s, found.train_s, found.evaluate_s) == (1000.0, 500.0, 500.0)
    assert (found.total_s, found.cost, found.based_on) == (2000.0, None, 1)


def test_a_control_model_takes_as_long_as_the_candidate_and_is_one_more_detector_to_evaluate(
    past: Past,
) -> None:
    past.ended("fire", 100)
    with_control = replace(IMAGES, control=True)
    found = estimate(past.rows, with_control, CampaignSettings())
    assert (found.generate_s, found.train_s, found.evaluate_s) == (1000.0, 1000.0, 750.0)


def test_a_control_model_of_an_earlier_campaign_is_not_counted_for_one_without(past: Past) -> None:
    past.ended("fire", 90, control_s=45)
    found = estimate(past.rows, IMAGES, CampaignSettings())
    assert (found.train_s, found.evaluate_s) == (225.0, 300.0)


def test_the_median_of_the_last_campaigns_counts_and_a_price_makes_a_cost(past: Past) -> None:
    for name, seconds in (("fire", 100), ("smoke", 200), ("pothole", 900)):
        past.ended(name, seconds)
    found = estimate(past.rows, IMAGES, PRICED)
    assert found.total_s == 4000.0
    assert (found.cost, found.currency, found.based_on) == (4.0, "CHF", 3)


def test_a_stage_that_was_resumed_measures_nothing(past: Past) -> None:
    past.ended("fire", 100, resumed=CampaignStage.TRAIN)
    found = estimate(past.rows, IMAGES, PRICED)
    assert (found.generate_s, found.train_s, found.total_s, found.cost) == (1000.0, None, None, None)
