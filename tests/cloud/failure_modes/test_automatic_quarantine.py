"""A site of whose signed messages too many cannot be is quarantined by rule, and released by a person."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.errors import StoreUnavailable
from cloud.failure_modes.automatic_quarantine import (
    BY_RULE,
    LEAST_IMPOSSIBLE,
    WINDOW_S,
    AutomaticQuarantine,
    ImpossibleReports,
)
from cloud.store.audit_store import AuditStore
from cloud.store.database import Database
from cloud.store.lists.filters import AuditFilter
from cloud.store.report_store import ReportStore
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.reports import Report
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import MINUTE, message, misdetection, open_store, tally
from tests.support.messaging.site_keys import publish_signed

IMPOSSIBLE = tally(supported=4, detected=5)
HONEST = misdetection()
ANOTHER_CLOCK = misdetection(minute_utc=MINUTE - 360 * 86_400)
ANOTHER_VERSION = misdetection(class_name="of_a_later_version")


class World:
    """Two enrolled sites, the intake of a hub in memory, and a clock that is set."""

    def __init__(self, database: Database) -> None:
        self.database, self.store, self.now = database, ReportStore(database), 1000.0
        self.counts = ImpossibleReports(lambda: self.now)
        self.quarantine = AutomaticQuarantine(self.counts, self.store, lambda: 1_800_000_000.0)

    def receive(self, reports: dict[str, list[Report]]) -> None:
        async def scenario() -> None:
            bus = MemoryBus()
            await prepare_hub(bus)
            for site, sent in reports.items():
                for n, report in enumerate(sent, 1):
                    await publish_signed(bus, message(report, site), n=n)
            intake = intake_of(bus, self.database)
            intake.impossible = self.counts
            while sum(vars(await intake.read_batch(timeout_s=0.0)).values()):
                pass

        asyncio.run(scenario())
        self.quarantine.step()

    def quarantined(self) -> list[str]:
        return [site.site for site in self.store.sites() if site.quarantined]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database, _ = open_store(tmp_path)
    yield World(database)
    database.close()


def test_a_site_that_signs_what_cannot_be_is_quarantined_and_the_others_are_not(world: World) -> None:
    world.receive({"liar": [IMPOSSIBLE] * LEAST_IMPOSSIBLE + [HONEST] * 20, "honest": [HONEST] * 40})
    assert world.quarantined() == ["liar"]
    (entry,) = AuditStore(world.database).entries(AuditFilter(object="site liar"), limit=10)
    assert (entry.user, entry.action, entry.status) == (BY_RULE, "quarantine by rule", 200)
    assert entry.after == {"quarantined": True, "messages": 40, "impossible": LEAST_IMPOSSIBLE}


@pytest.mark.parametrize(
    ("why", "sent"),
    [
        ("few", [IMPOSSIBLE] * (LEAST_IMPOSSIBLE - 1)),
        ("a small share", [IMPOSSIBLE] * LEAST_IMPOSSIBLE + [HONEST] * (4 * LEAST_IMPOSSIBLE)),
        ("a wrong clock", [ANOTHER_CLOCK] * 50),
        ("another version", [ANOTHER_VERSION] * 50),
    ],
)
def test_an_honest_site_with_trouble_is_not_quarantined(world: World, why: str, sent: list[Report]) -> None:
    world.receive({"harbour": sent})
    assert world.quarantined() == [], why


def test_a_person_releases_it_and_the_rule_counts_anew(world: World) -> None:
    world.receive({"liar": [IMPOSSIBLE] * LEAST_IMPOSSIBLE})
    world.store.quarantine_site("liar", False)
    world.quarantine.step()
    assert world.quarantined() == []
    world.receive({"liar": [IMPOSSIBLE] * LEAST_IMPOSSIBLE})
    assert world.quarantined() == ["liar"]


def test_what_is_older_than_a_day_does_not_count(world: World) -> None:
    world.receive({"harbour": [IMPOSSIBLE] * (LEAST_IMPOSSIBLE - 1)})
    world.now += WINDOW_S + 3600.0
    world.receive({"harbour": [IMPOSSIBLE]})
    assert world.quarantined() == []


def test_a_site_that_is_quarantined_already_gets_no_second_entry(world: World) -> None:
    for _ in range(2):
        world.receive({"liar": [IMPOSSIBLE] * LEAST_IMPOSSIBLE})
    assert len(AuditStore(world.database).entries(AuditFilter(), limit=10)) == 1


def test_a_database_that_is_away_only_delays_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.add_site("liar")
    world.counts.note("liar", 40, 30)

    def away(*_: object) -> None:
        raise StoreUnavailable("the database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "quarantine_site", away)
        with pytest.raises(StoreUnavailable):
            world.quarantine.step()
    world.quarantine.step()
    assert world.quarantined() == ["liar"]
