"""Refused credentials: counted, in the audit log, and unable to fill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.access.refused_credentials import (
    MOST_KINDS,
    NOT_RECOGNISED,
    WINDOW_S,
    CredentialRefusal,
    Interface,
    RefusedCredentials,
)
from cloud.errors import StoreUnavailable
from cloud.metrics import CloudMetrics
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.database import open_database
from cloud.store.lists.filters import AuditFilter
from messaging.runtime.quoting import sqlite_url

EXPIRED = CredentialRefusal(Interface.HUB, "expired", "10.0.0.7", "site s1")


class World:
    """The audit log of a database, and a clock that is set."""

    def __init__(self, store: AuditStore) -> None:
        self.store, self.metrics, self.now = store, CloudMetrics(), 1_800_000_000.0
        self.refusals = RefusedCredentials(store, self.metrics, lambda: self.now)

    def entries(self) -> list[AuditEntry]:
        return self.store.entries(AuditFilter(), limit=10_000)

    def attempts(self) -> int:
        return sum((entry.after or {})["attempts"] for entry in self.entries())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = open_database(sqlite_url(tmp_path / "store.sqlite"))
    yield World(AuditStore(database))
    database.close()


def test_the_first_refusal_of_a_kind_is_an_entry_at_once(world: World) -> None:
    world.refusals.note(EXPIRED)
    world.refusals.step()
    (entry,) = world.entries()
    assert (entry.user, entry.address, entry.action) == (NOT_RECOGNISED, "10.0.0.7", "connect to the hub")
    assert (entry.object, entry.status, entry.at_utc) == ("site s1", 401, 1_800_000_000)
    assert entry.after == {"reason": "expired", "attempts": 1}
    assert b'credentials_refused_total{interface="hub",reason="expired"} 1.0' in world.metrics.exposition()


def test_further_refusals_of_a_kind_are_one_entry_when_the_hour_is_over(world: World) -> None:
    for _ in range(500):
        world.refusals.note(EXPIRED)
        world.refusals.step()
    assert len(world.entries()) == 1
    world.now += WINDOW_S
    world.refusals.step()
    assert [(entry.after or {})["attempts"] for entry in world.entries()] == [499, 1]
    world.now += WINDOW_S
    world.refusals.step()
    assert len(world.entries()) == 2


def test_an_attacker_with_many_names_and_addresses_cannot_fill_the_audit_log(world: World) -> None:
    for hour in range(3):
        for n in range(2_000):
            world.refusals.note(
                CredentialRefusal(Interface.HUB, "not accepted", f"10.0.{hour}.{n}", f"site s{n}")
            )
            world.refusals.note(EXPIRED)
        world.refusals.step()
        world.now += WINDOW_S
    world.refusals.step()
    assert len(world.entries()) <= 3 * (2 * MOST_KINDS + 1)
    assert world.attempts() == 3 * 4_000


def test_a_database_that_is_away_loses_no_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(entry: AuditEntry) -> None:
        raise StoreUnavailable("the database does not answer")

    world.refusals.note(EXPIRED)
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "add", away)
        with pytest.raises(StoreUnavailable):
            world.refusals.step()
    world.refusals.step()
    assert world.attempts() == 1


def test_a_clock_that_is_set_back_ends_the_hour_and_stops_nothing(world: World) -> None:
    world.refusals.note(EXPIRED)
    world.refusals.note(EXPIRED)
    world.now -= 10 * WINDOW_S
    world.refusals.note(EXPIRED)
    world.refusals.step()
    world.now += WINDOW_S
    world.refusals.step()
    assert world.attempts() == 3
