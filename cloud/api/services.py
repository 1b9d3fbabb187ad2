"""What requests work with: stores, register, campaigns, releases and rollouts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloud.campaigns.requirements import PlanRequirements
from cloud.campaigns.workflow import Campaigns
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.failure_modes.register import ModeRegister
from cloud.fleet.dead_letters import DeadLetters
from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import Release, Rollout
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore


class RolloutControl(Protocol):
    """Starting, pausing and taking back rollouts."""

    def start(self, digest: str) -> Rollout:
        """Roll a released model out. Raises `NotKnown`, `NotNow`."""

    def pause(self, rollout: str, paused: bool) -> Rollout:
        """Pause or go on. Raises `NotKnown`, `NotNow`."""

    def roll_back(self, rollout: str) -> Rollout:
        """Order every site back to the previous model. Raises `NotKnown`, `NotNow`."""


class TeacherControl(Protocol):
    """Publishing a teacher."""

    def publish(self, bundle: bytes) -> Release:
        """Sign a bundle as the fleet's teacher and roll it out. Raises `WeightsRefused`, `NotNow`."""


@dataclass(frozen=True)
class Services:
    """Everything a request may touch.

    `readiness` gives the reasons why the cloud is not ready, `enrol_credentials` gives a site its account at
    the hub, and `revoke_credentials` makes the hub refuse it.
    """

    settings: CloudSettings
    reports: ReportStore
    campaign_rows: CampaignStore
    releases: ReleaseStore
    register: ModeRegister
    campaigns: Campaigns
    rollouts: RolloutControl
    teachers: TeacherControl
    datasets: DatasetRegister
    requirements: PlanRequirements
    metrics: CloudMetrics
    classes: ClassRegister
    dead_letters: DeadLetters
    readiness: Callable[[], tuple[str, ...]] = tuple
    enrol_credentials: Callable[[str], None] = lambda site: None
    revoke_credentials: Callable[[str], None] = lambda site: None
    clock: Callable[[], float] = time.time
