"""Releases, rollouts and orders in every database of the store."""

from dataclasses import replace

import pytest

from cloud.errors import NotKnown
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.database import Database
from cloud.store.lists.filters import AuditFilter
from cloud.store.records import (
    IssuedOrder,
    Release,
    Rollout,
)
from cloud.store.release_store import ReleaseStore
from tests.support.cloud.sample_reports import (
    MINUTE,
    NEW,
    OLD,
)


def test_a_release_is_stored_once_and_found_by_a_prefix_of_its_digest(database: Database) -> None:
    store = ReleaseStore(database)
    trial = Release(OLD, "trial", "model", 1, 10, None, None, {"classes": ["fire"]}, MINUTE)
    service = replace(trial, channel="service", version=2)
    for release in (trial, service, replace(trial, name="other")):
        store.put_release(release)
    assert store.releases() == [service, trial]
    assert store.release(OLD[:8]) == service
    with pytest.raises(NotKnown, match="not among the releases"):
        store.release(NEW)


def test_a_release_is_stored_with_its_entry_in_the_audit_log_once(database: Database) -> None:
    store, release = ReleaseStore(database), Release(OLD, "trial", "model", 1, 10, None, None, {}, MINUTE)
    entry = AuditEntry(MINUTE, "the cloud", "", "sign for trial", "model", 200, after={"version": 1})
    store.put_release(release, entry)
    store.put_release(replace(release, name="again"), entry)
    assert AuditStore(database).entries(AuditFilter(), limit=9) == [entry]


def test_the_release_in_service_is_the_newest_that_reached_the_fleet(database: Database) -> None:
    store = ReleaseStore(database)
    first = Release(OLD, "service", "model", 1, 10, None, None, {}, MINUTE)
    second = replace(first, digest=NEW, version=2, campaign="C1")
    rollout = Rollout("R1", "C1", NEW, OLD, "canary", False, {"channel": "service"}, "", MINUTE, 0)
    assert store.current_service() is None
    store.put_release(first)
    store.put_release(second)
    assert store.current_service() == first
    store.put_rollout(rollout)
    assert store.current_service() == first
    store.put_rollout(replace(rollout, phase="done"))
    assert store.current_service() == second
    twin = replace(first, digest=OLD[:8] + "1" * 56)
    store.put_release(twin)
    with pytest.raises(NotKnown, match="is ambiguous"):
        store.release(OLD[:8])


def test_rollouts_come_newest_first_and_after_the_last_one_seen(database: Database) -> None:
    store = ReleaseStore(database)
    for n in range(3):
        store.put_rollout(Rollout(f"R{n}", None, OLD, None, "canary", False, {"sites": []}, "", MINUTE, 0))
    store.put_rollout(replace(store.rollout("R1"), paused=True))
    assert [one.id for one in store.rollouts(limit=2)] == ["R2", "R1"]
    assert [one.id for one in store.rollouts(after=(MINUTE, "R1"))] == ["R0"]
    assert store.rollout("R1").paused
    with pytest.raises(NotKnown, match="'R9' is not known"):
        store.rollout("R9")


def test_the_rollouts_of_a_campaign_follow_one_another_whatever_their_names(database: Database) -> None:
    """Its shadow run is older than its rollout, and its name comes later."""
    store = ReleaseStore(database)
    for began, (name, campaign) in enumerate(
        (("C1-trial-1", "C1"), ("C1-service", "C1"), ("C2-trial-1", "C2"))
    ):
        row = Rollout(name, campaign, OLD, None, "done", False, {"sites": []}, "", MINUTE + began, 0)
        store.put_rollout(row)
    assert [one.id for one in store.rollouts(campaign="C1")] == ["C1-service", "C1-trial-1"]
    assert [one.id for one in store.rollouts(after=(MINUTE + 1, "C1-service"))] == ["C1-trial-1"]


def test_the_last_order_of_a_site_is_that_with_the_highest_sequence(database: Database) -> None:
    store = ReleaseStore(database)
    assert store.last_sequence("harbour") == 0
    orders = [IssuedOrder("harbour", n, OLD, "service", MINUTE, {"n": n}) for n in (1, 2**40, 3)]
    for order in (*orders, IssuedOrder("tunnel", 7, NEW, "trial", MINUTE, {})):
        store.put_order(order)
    assert store.last_sequence("harbour") == 2**40
    assert {site: order.sequence for site, order in store.last_orders().items()} == {
        "harbour": 2**40,
        "tunnel": 7,
    }
