"""What operators do to rollouts: its history, the release to go back to, stops, eight at the same time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.errors import NotNow
from messaging.releases import Channel
from messaging.reports import SwapOutcome
from messaging.trust.tickets import DowngradeTicket
from tests.support.cloud.rollout_fleet import Fleet
from tests.support.cloud.sample_reports import NEW, OLD, received, swap


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    made.release(OLD, 1)
    for site in ("quay", "tunnel"):
        made.beat(site, OLD)
    yield made
    made.database.close()


def history(fleet: Fleet, rollout: str) -> list[tuple[str, str, str]]:
    return [(event.by, event.action, event.note) for event in fleet.releases.rollout_events(rollout)]


def test_who_did_what_and_when_to_a_rollout_is_recorded(fleet: Fleet) -> None:
    fleet.restart(approval_before=("all",))
    fleet.release(NEW, 2)
    row = fleet.driver.start(NEW, "ann")
    fleet.now += 5
    fleet.driver.pause(row.id, True, "bob")
    fleet.driver.pause(row.id, False, "bob")
    fleet.install(*fleet.hub.take()[0])
    fleet.driver.step(row.id)
    with pytest.raises(NotNow, match="waits for approval of all, not of half"):
        fleet.driver.approve(row.id, "bob", "half")
    fleet.driver.approve(row.id, "cleo", "all")
    fleet.driver.step(row.id)
    fleet.driver.stop(row.id, "dan")
    assert history(fleet, row.id) == [
        ("ann", "started", ""),
        ("the cloud", "canary", ""),
        ("bob", "paused", ""),
        ("bob", "resumed", ""),
        ("the cloud", "awaits_approval", "all"),
        ("cleo", "approved", "all"),
        ("dan", "stopped", ""),
        ("the cloud", "halted", "dan stopped it"),
    ]
    times = [event.at - fleet.now for event in fleet.releases.rollout_events(row.id)]
    assert times == [-5, -5, 0, 0, 0, 0, 0, 0]


def test_a_release_that_is_rolled_out_again_goes_back_to_the_one_before_it(fleet: Fleet) -> None:
    """It is the newest and in service already; a site that missed it fails, and there is a way back."""
    fleet.release(NEW, 2)
    assert fleet.roll_out(NEW) == "done"
    row = fleet.driver.start(NEW, "ann")
    assert row.previous_digest == OLD
    (site, sequence, _), *_ = fleet.hub.take()
    fleet.reports.insert([received(swap(sequence, NEW, SwapOutcome.ROLLED_BACK), site)])
    assert fleet.driver.step(row.id).phase == "rolled_back"


def test_a_release_without_a_campaign_that_was_never_rolled_out_has_a_previous_one(fleet: Fleet) -> None:
    fleet.release(NEW, 2)
    assert fleet.driver.start(NEW, "ann").previous_digest == OLD


def test_a_rollout_that_another_one_followed_is_not_rolled_back(fleet: Fleet) -> None:
    third = "f" * 64
    fleet.release(NEW, 2)
    fleet.roll_out(NEW)
    fleet.release(third, 3)
    first = fleet.releases.rollouts()[0]
    fleet.now += 1
    later = fleet.driver.start(third, "ann")
    with pytest.raises(NotNow, match=f"rollout {later.id} came after {first.id}; roll that one back"):
        fleet.driver.roll_back(first.id, "ann")


def test_sites_of_a_stopped_rollout_keep_their_models(fleet: Fleet) -> None:
    """The model in service is then the one before; no site is ordered back to it unless an operator asks."""
    fleet.release(NEW, 2)
    row = fleet.driver.start(NEW, "ann")
    (ordered,) = fleet.hub.take()
    fleet.install(*ordered)
    fleet.driver.step(row.id)
    fleet.driver.stop(row.id, "ann")
    *_, (site, _, digest) = fleet.hub.take()
    assert (site != ordered[0], digest) == (True, OLD)
    for _ in range(3):
        fleet.driver.step_all()
        fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == []
    fleet.beat("attic", None)
    fleet.driver.order_for_new_sites()
    assert [(site, digest) for site, _, digest in fleet.hub.take()] == [("attic", OLD)]


def test_eight_starts_at_the_same_time_begin_one_rollout(fleet: Fleet) -> None:
    fleet.release(NEW, 2)
    barrier, refused = threading.Barrier(8), list[str]()

    def start() -> None:
        barrier.wait(60)
        try:
            fleet.driver.start(NEW, "ann")
        except NotNow as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 7
    assert len([row for row in fleet.releases.rollouts() if row.state["channel"] == Channel.SERVICE]) == 1


def downgraded(fleet: Fleet, *sites: str) -> str:
    """Roll NEW out to all, then OLD with a ticket for the sites (none named: all); its phase."""
    fleet.release(NEW, 2)
    assert fleet.roll_out(NEW) == "done"
    fleet.now += 1
    fleet.hub.tickets[OLD] = DowngradeTicket(number=7, sites=sites, expires_at_utc=fleet.now + 60)
    return fleet.roll_out(OLD)


def test_an_older_release_is_not_rolled_out_without_a_valid_ticket(fleet: Fleet) -> None:
    fleet.release(NEW, 2)
    assert fleet.roll_out(NEW) == "done"
    for ticket in ({}, {OLD: DowngradeTicket(number=1, expires_at_utc=fleet.now)}):
        fleet.hub.tickets = ticket
        with pytest.raises(NotNow, match=f"sign one with `blindspot models ticket {OLD[:12]}`"):
            fleet.driver.start(OLD, "ann")


def test_a_fleet_that_was_downgraded_stays_so(fleet: Fleet) -> None:
    assert downgraded(fleet) == "done"
    current = fleet.releases.current_service()
    assert current is not None
    assert current.digest == OLD
    fleet.beat("attic", None)
    fleet.driver.order_for_new_sites()
    assert [(site, digest) for site, _, digest in fleet.hub.take()] == [("attic", OLD)]
    orders = fleet.releases.last_orders()
    assert all(orders[site].payload["downgrade"] for site in ("quay", "tunnel"))


def test_a_site_that_was_downgraded_alone_is_left_alone(fleet: Fleet) -> None:
    assert downgraded(fleet, "quay") == "done"
    current = fleet.releases.current_service()
    assert current is not None
    assert current.digest == NEW
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == []
