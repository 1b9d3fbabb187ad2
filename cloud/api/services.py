"""What requests work with: stores, register, campaigns, releases and rollouts."""

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from cloud.access.accounts import Accounts
from cloud.access.refused_credentials import RefusedCredentials
from cloud.api.computed.duplicate_groups import KnownDuplicates
from cloud.api.event_feed import EventFeed
from cloud.campaigns.requirements import PlanRequirements
from cloud.campaigns.workflow import Campaigns
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.failure_modes.register import ModeRegister
from cloud.failure_modes.verdict_requests import VerdictRequests
from cloud.fleet.dead_letters import DeadLetters
from cloud.generator_samples import GeneratorSamples
from cloud.integrations.integrations import Integrations
from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings
from cloud.store.audit_store import AuditStore
from cloud.store.campaign_store import CampaignStore
from cloud.store.history.stores import HistoryStores
from cloud.store.ledger_store import LedgerStore
from cloud.store.records import Release, Rollout
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from cloud.tracing import NO_SPANS, Spans
from messaging.taxonomy import Condition
from messaging.trust.tickets import DowngradeTicket


class RolloutControl(Protocol):
    """Starting, pausing, approving, stopping and taking back rollouts; `by` is the operator's name."""

    def sites(self) -> list[str]:
        """Names of the sites that take part."""

    def canaries_first(self, sites: Sequence[str], wanted: Set[Condition] = frozenset()) -> list[str]:
        """The sites, those that a release for these conditions should run at first in front."""

    def start(self, digest: str, by: str) -> Rollout:
        """Roll a released model out. Raises `NotKnown`, `NotNow`."""

    def pause(self, rollout: str, paused: bool, by: str) -> Rollout:
        """Pause or resume. Raises `NotKnown`, `NotNow`."""

    def approve(self, rollout: str, by: str, group: str | None = None) -> Rollout:
        """Let it enter the group that waits for approval, `group`. Raises `NotKnown`, `NotNow`."""

    def stop(self, rollout: str, by: str) -> Rollout:
        """End it at once; no site changes its model any more. Raises `NotKnown`, `NotNow`."""

    def roll_back(self, rollout: str, by: str) -> Rollout:
        """Order every site back to the previous model. Raises `NotKnown`, `NotNow`."""


class TeacherControl(Protocol):
    """Publishing a teacher."""

    def publish(self, bundle: bytes, by: str) -> Release:
        """Sign a bundle as the fleet's teacher and roll it out. Raises `WeightsRefused`, `NotNow`."""


class TicketControl(Protocol):
    """Permission for sites to go back to a release below their version floor."""

    def ticket(self, digest: str) -> DowngradeTicket | None:
        """The ticket of a release, if it has one."""

    def sign_ticket(self, digest: str, sites: Sequence[str], expires_at_utc: int) -> DowngradeTicket:
        """Permit sites (none: all) to go back until a time (UTC). Raises `ConfigurationError`."""

    def withdraw_ticket(self, digest: str) -> DowngradeTicket:
        """Permit no further site to go back. Raises `NotKnown` if there is no ticket."""


@dataclass(frozen=True)
class Services:
    """Everything a request may touch.

    `readiness` gives the reasons why the cloud is not ready, `enrol_credentials` gives a site its account at
    the hub, and `revoke_credentials` makes the hub refuse it.
    """

    settings: CloudSettings
    reports: ReportStore
    ledgers: LedgerStore
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
    tickets: TicketControl
    accounts: Accounts
    audit: AuditStore
    refusals: RefusedCredentials
    histories: HistoryStores
    feed: EventFeed
    integrations: Integrations
    samples: GeneratorSamples
    requests: VerdictRequests
    readiness: Callable[[], tuple[str, ...]] = tuple
    enrol_credentials: Callable[[str], None] = lambda site: None
    revoke_credentials: Callable[[str], None] = lambda site: None
    clock: Callable[[], float] = time.time
    spans: Spans = NO_SPANS
    duplicates: KnownDuplicates = field(default_factory=KnownDuplicates)


def services_of(request: Request) -> Services:
    """The services of the application that answers a request."""
    services: Services = request.app.state.services
    return services


CloudServices = Annotated[Services, Depends(services_of)]
"""The services as a parameter of a route."""
