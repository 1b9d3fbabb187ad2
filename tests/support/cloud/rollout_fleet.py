"""A store with sites, and a rollout driver whose orders are collected."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cloud.fleet.publisher import Publisher
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.settings import RolloutSettings
from cloud.store.database import open_database
from cloud.store.records import Release
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.errors import WireUnavailable
from messaging.releases import RolloutOrder
from messaging.reports import SwapOutcome
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import Condition
from messaging.trust.tickets import DowngradeTicket
from tests.support.cloud.sample_reports import MINUTE, heartbeat, message, received, swap

WEEK_S = 7 * 86400


class FakeHub:
    """A publisher that collects orders; while `away` it refuses them."""

    def __init__(self) -> None:
        self.sent: list[RolloutOrder] = []
        self.tickets: dict[str, DowngradeTicket] = {}
        self.away = False

    def send(self, order: RolloutOrder) -> None:
        if self.away:
            raise WireUnavailable("the hub did not answer")
        self.sent.append(order)

    def ticket(self, digest: str) -> DowngradeTicket | None:
        return self.tickets.get(digest)

    def take(self) -> list[tuple[str, int, str]]:
        found, self.sent = [(o.site, o.sequence, o.digest) for o in self.sent], []
        return found


class Fleet:
    """A store with sites, a driver, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = MINUTE
        self.database = open_database(sqlite_url(folder / "store.sqlite"), clock=lambda: self.now)
        self.reports, self.releases = ReportStore(self.database), ReleaseStore(self.database)
        self.hub = FakeHub()
        self.restart()

    def restart(self, **changes: object) -> None:
        settings = RolloutSettings(hold_s=0.0, heartbeat_missing_s=300.0, order_expiry_s=WEEK_S)
        settings = settings.model_copy(update=changes)
        publisher = cast(Publisher, self.hub)
        self.driver = RolloutDriver(self.reports, self.releases, publisher, settings, lambda: self.now)

    def release(self, digest: str, version: int, campaign: str | None = None) -> None:
        self.releases.put_release(Release(digest, "service", "model", version, 1, None, campaign, {}, MINUTE))

    def beat(self, site: str, digest: str | None) -> None:
        self.reports.put_heartbeats([Received(message(heartbeat(digest), site), 100)])

    def install(self, site: str, sequence: int, digest: str) -> None:
        self.reports.insert([received(swap(sequence, digest, SwapOutcome.INSTALLED), site)])
        self.beat(site, digest)

    def roll_out(self, digest: str) -> str:
        """Roll out to the end; every ordered site installs the release."""
        row = self.driver.start(digest, "ann")
        for _ in range(20):
            for site, sequence, wanted in self.hub.take():
                self.install(site, sequence, wanted)
            row = self.driver.step(row.id)
        return row.phase


@dataclass(frozen=True)
class FleetSites:
    """The part of a rollout control that plans read."""

    names: tuple[str, ...]

    def sites(self) -> list[str]:
        return list(self.names)

    def canaries_first(self, sites: Sequence[str], wanted: Set[Condition] = frozenset()) -> list[str]:
        return list(sites)
