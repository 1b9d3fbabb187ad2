"""What requests, rules and stages work with: stores, register, campaigns, releases and rollouts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloud.campaign_store import CampaignStore
from cloud.campaigns import Campaigns
from cloud.datasets import DatasetRegister
from cloud.metrics import CloudMetrics
from cloud.mode_register import ModeRegister
from cloud.model_files import ModelFiles
from cloud.publisher import Publisher
from cloud.records import Rollout
from cloud.release_store import ReleaseStore
from cloud.report_store import ReportStore
from cloud.rollout_driver import RolloutDriver
from cloud.settings import CloudSettings


class RolloutControl(Protocol):
    """Starting, pausing and taking back rollouts."""

    def start(self, digest: str) -> Rollout:
        """Roll a released model out. Raises `NotKnown`, `NotNow`."""

    def pause(self, rollout: str, paused: bool) -> Rollout:
        """Pause or go on. Raises `NotKnown`, `NotNow`."""

    def roll_back(self, rollout: str) -> Rollout:
        """Order every site back to the previous model. Raises `NotKnown`, `NotNow`."""


@dataclass(frozen=True)
class Parts:
    """What the stages of a campaign are made of."""

    settings: CloudSettings
    reports: ReportStore
    campaign_rows: CampaignStore
    releases: ReleaseStore
    register: ModeRegister
    datasets: DatasetRegister
    models: ModelFiles
    publisher: Publisher
    rollouts: RolloutDriver
    metrics: CloudMetrics


@dataclass(frozen=True)
class Services:
    """Everything a request may touch. `readiness` gives the reasons why the cloud is not ready."""

    settings: CloudSettings
    reports: ReportStore
    campaign_rows: CampaignStore
    releases: ReleaseStore
    register: ModeRegister
    campaigns: Campaigns
    rollouts: RolloutControl
    datasets: DatasetRegister
    metrics: CloudMetrics
    readiness: Callable[[], tuple[str, ...]] = tuple
    clock: Callable[[], float] = time.time
