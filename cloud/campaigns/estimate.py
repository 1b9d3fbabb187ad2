"""How long a campaign will compute on this machine, and what that costs, from campaigns that have ended.

Rates are medians of what the last campaigns of this cloud needed for each image. What no campaign has
measured yet is unknown, and so is the cost without a price of an hour in the configuration.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloud.settings import CampaignSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import (
    CONTROL,
    Campaign,
    CampaignStage,
    CampaignState,
    StageRecord,
    StageState,
)

CAMPAIGNS = 5
_GENERATION = (CampaignStage.SYNTHESISE, CampaignStage.FILTER)


@dataclass(frozen=True)
class CampaignImages:
    """How many images a campaign generates, trains on, and evaluates detectors with.

    `control`: whether it trains and evaluates a control model too.
    """

    generated: int
    trained: int
    holdout: int
    control: bool = False


@dataclass(frozen=True)
class CampaignEstimate:
    """Seconds that the stages compute (None: never measured here), and their cost in a currency.

    The time in which sites try the candidate comes on top. `based_on` is the number of campaigns.
    """

    generate_s: float | None
    train_s: float | None
    evaluate_s: float | None
    based_on: int
    cost: float | None = None
    currency: str | None = None

    @property
    def total_s(self) -> float | None:
        """All of it; None unless every part is known."""
        parts = (self.generate_s, self.train_s, self.evaluate_s)
        return sum(one for one in parts if one is not None) if None not in parts else None


def estimate(rows: CampaignStore, images: CampaignImages, settings: CampaignSettings) -> CampaignEstimate:
    """The estimate for a campaign with so many images."""
    ended = rows.recent(states=(CampaignState.DONE,), limit=CAMPAIGNS)
    stages = [(campaign, _done(rows.stages(campaign.id))) for campaign in ended]
    plain = CampaignEstimate(
        generate_s=_scaled(_generation(stages), images.generated),
        train_s=_scaled(_training(stages), images.trained * (2 if images.control else 1)),
        evaluate_s=_scaled(_evaluation(stages), images.holdout * (3 if images.control else 2)),
        based_on=len(ended),
    )
    total, price = plain.total_s, settings.cost_per_hour
    if total is None or price is None:
        return plain
    return CampaignEstimate(
        plain.generate_s,
        plain.train_s,
        plain.evaluate_s,
        plain.based_on,
        cost=round(total / 3600 * price, 2),
        currency=settings.currency,
    )


_Stages = Sequence[tuple[Campaign, dict[CampaignStage, StageRecord]]]


def _done(records: Iterable[StageRecord]) -> dict[CampaignStage, StageRecord]:
    """Finished stages that ran once: the time of one that was resumed has the pause in it."""
    return {
        one.stage: one
        for one in records
        if one.state is StageState.DONE and one.runs == 1 and one.ended_at is not None
    }


def _generation(stages: _Stages) -> Iterator[float]:
    """Seconds for each image that was asked for, of campaigns in which both stages are known."""
    for campaign, done in stages:
        wanted = campaign.plan.count * len(campaign.plan.modes)
        if wanted and all(stage in done for stage in _GENERATION):
            yield sum(_seconds(done[stage]) for stage in _GENERATION) / wanted


def _training(stages: _Stages) -> Iterator[float]:
    """Seconds for each image of the candidate's training, those of a control model not counted."""
    for record, images in _with_images(stages, CampaignStage.TRAIN):
        yield max(_seconds(record) - record.metrics.get(CONTROL, {}).get("seconds", 0), 1) / images


def _evaluation(stages: _Stages) -> Iterator[float]:
    """Seconds for each image and detector."""
    for record, images in _with_images(stages, CampaignStage.EVALUATE):
        yield _seconds(record) / images / (3 if CONTROL in record.metrics else 2)


def _with_images(stages: _Stages, stage: CampaignStage) -> Iterator[tuple[StageRecord, int]]:
    """The records of a stage that have a number of images."""
    for _, done in stages:
        if stage in done and (images := done[stage].metrics.get("images")):
            yield done[stage], images


def _seconds(record: StageRecord) -> float:
    return max((record.ended_at or record.started_at) - record.started_at, 1)


def _scaled(rates: Iterable[float], images: int) -> float | None:
    found = list(rates)
    return round(statistics.median(found) * images, 1) if found else None
