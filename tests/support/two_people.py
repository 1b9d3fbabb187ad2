"""Two people who change the same object of a running cloud at the same time; each reaches it by its route."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from ulid import ULID

from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.workflow import Campaigns
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.fleet.rollout_state import RolloutPhase, RolloutState
from cloud.network_settings import ApiSettings
from cloud.parts import CloudParts
from cloud.settings import CloudSettings, FailureModeSettings, RolloutSettings
from cloud.store.hazard_changes import HazardChanges
from cloud.store.history.review_store import ReviewStore
from cloud.store.records import CampaignPlan, CampaignState, SyntheticImage
from messaging.releases import Channel
from messaging.taxonomy import Light, Weather
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, NEW, OLD, received
from tests.support.cloud.scripted_stages import ScriptedStages, quick
from tests.support.messaging.samples import HAZARD

SITE, CLASSES = "north", ("fire", "smoke", "flood", "pothole", "garbage", "fallen_person", "stopped_vehicle")
HELD_SEED = 99
METHODS: dict[str, tuple[type, str]] = {
    "campaign approve": (Campaigns, "approve"),
    "campaign cancel": (Campaigns, "cancel"),
    "campaign resume": (Campaigns, "resume"),
    "rollout approve": (RolloutDriver, "approve"),
    "rollout pause": (RolloutDriver, "pause"),
    "rollout resume": (RolloutDriver, "pause"),
    "rollout stop": (RolloutDriver, "stop"),
    "rollout rollback": (RolloutDriver, "roll_back"),
    "hazard": (HazardChanges, "handle"),
    "image": (ReviewStore, "review"),
}
"""What makes each kind of change, behind its route."""


def meet(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Let changes of these kinds begin once two of them are there: both requests have been accepted."""
    both = threading.Barrier(2)
    for owner, name in {METHODS[kind] for kind in kinds}:
        real = getattr(owner, name)

        def together(*given: Any, real: Any = real, **named: Any) -> Any:
            both.wait(60)
            return real(*given, **named)

        monkeypatch.setattr(owner, name, together)


@contextmanager
def contested_cloud(settings: CloudSettings) -> Iterator["ContestedCloud"]:
    """A running cloud without sites; a campaign with the seed `HELD_SEED` stays in its first stage."""

    def held(work: StageWork) -> StageResult:
        if work.campaign.plan.seed == HELD_SEED:
            work.pause(120.0)
        return quick(work)

    with running_cloud(settings, lambda _: ScriptedStages(plan=held)) as up:
        assert up.parts is not None
        up.parts.reports.add_site(SITE)
        yield ContestedCloud(up, up.parts)


def settings_of(folder: Any) -> CloudSettings:
    """Of a cloud whose rollouts wait for nothing that a test does not do."""
    return CloudSettings(
        data=folder,
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(window_days=36500, refresh_s=0.2),
        retention=FOR_EVER,
        rollout=RolloutSettings(heartbeat_missing_s=36_000.0, phase_deadline_s=36_000.0),
    )


class ContestedCloud:
    """The objects that two people change, each made for one test."""

    def __init__(self, cloud: RunningCloud, parts: CloudParts) -> None:
        self.cloud, self.parts = cloud, parts
        self._made = 0

    def campaign(self, state: CampaignState, *, held: bool = False) -> str:
        """A campaign in a state; a running one is held in its first stage."""
        name, rows = str(ULID()), self.parts.campaign_rows
        light, weather = list(Light)[self._made % 3], list(Weather)[self._made // 3 % 4]
        mode = f"{CLASSES[self._made // 12 % 7]}.{light}-{weather}.missed"
        self._made += 1
        plan = CampaignPlan((mode,), 3, HELD_SEED if held else 7)
        rows.create(name, plan, started_by="rule:potholes", state=state)
        return name

    def rollout(self, *, awaiting: bool = False, paused: bool = False) -> str:
        """A rollout to two sites: its canary is ordered, or it waits for approval, or it is paused."""
        name, driver = str(ULID()), self.parts.rollouts
        row = driver.begin(name, NEW, Channel.SERVICE, previous=OLD, sites=(SITE, "south"))
        driver.step(name)
        row = self.parts.releases.rollout(name)
        state = RolloutState.from_json(row.state)
        state = replace(state, awaiting=RolloutPhase.ALL if awaiting else None, paused=paused)
        self.parts.releases.put_rollout(replace(row, paused=paused, state=state.to_json()), [])
        return name

    def hazard(self) -> str:
        """The event of a hazard that is open."""
        event = str(ULID())
        self.parts.reports.insert([received(HAZARD.model_copy(update={"event": event}), SITE)])
        return event

    def image(self) -> tuple[str, int]:
        """A campaign and the id of its generated image."""
        campaign = self.campaign(CampaignState.DONE)
        image = SyntheticImage(campaign, "i0", "fire.night-clear.missed", True)
        self.parts.campaign_rows.put_images([image])
        return campaign, self.parts.campaign_rows.images(campaign)[0].id
