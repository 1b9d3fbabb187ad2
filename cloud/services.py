"""What the API and the triggers work with: stores, register, campaigns and the control of rollouts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloud.campaign_store import CampaignStore
from cloud.campaigns import Campaigns
from cloud.datasets import DatasetRegister
from cloud.metrics import CloudMetrics
from cloud.mode_register import ModeRegister
from cloud.records import Rollout
from cloud.release_store import ReleaseStore
from cloud.report_store import ReportStore
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
