"""Attacks on the version floor: whoever has the director key chooses among releases, and only upward."""

import json
from pathlib import Path

import pytest

from edge.updates.weights_store import Action, WeightsStore
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.tickets import TICKET_FIELD
from tests.support.edge.weights_site import assert_refused, drain, in_service, models_on_disk, opened
from tests.support.release_fleet import NOW, SITE, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def third_in_service(fleet: Fleet) -> tuple[WeightsStore, list[ReleaseManifest]]:
    """A site that runs the third release; the second is its model before, the first is below its floor."""
    store, one = in_service(fleet)
    return store, [one, *(install(fleet, store, fleet.release(name)) for name in ("two", "three"))]


def install(fleet: Fleet, store: WeightsStore, release: ReleaseManifest, **order: object) -> ReleaseManifest:
    fleet.order(release.digest, **order)
    assert store.poll(fleet.now).action is Action.INSTALL
    store.install(fleet.now)
    store.commit(fleet.now)
    drain(store)
    return release


def assert_stays(fleet: Fleet, store: WeightsStore, releases: list[ReleaseManifest]) -> None:
    """The downgrade to the first release is refused; the site keeps the third, also after a restart."""
    assert store.poll(fleet.now).action is Action.NOTHING
    assert drain(store)[-1].reason is SwapReason.OLDER_VERSION
    for seen in (store, opened(fleet)):
        active = seen.active()
        assert active is not None
        assert active.digest == releases[2].digest
        assert seen.staged() is None
    assert models_on_disk(fleet) == {releases[1].digest, releases[2].digest}


def test_a_stolen_director_key_orders_no_downgrade(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    for downgrade in (False, True):
        fleet.order(releases[0].digest, downgrade=downgrade)
        assert_stays(fleet, store, releases)


def test_a_stolen_director_key_moves_a_site_between_its_own_two_models_and_no_further(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    install(fleet, store, releases[1], downgrade=True)
    fleet.order(releases[0].digest, downgrade=True)
    assert store.poll(fleet.now).action is Action.NOTHING
    assert drain(store)[-1].reason is SwapReason.OLDER_VERSION
    install(fleet, store, releases[2])
    assert store.state.version_floor == releases[2].version


def test_a_rollout_goes_back_to_the_model_before_without_a_ticket(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    install(fleet, store, releases[1], downgrade=True)
    assert store.state.last_ticket == 0


def test_a_ticket_of_the_release_key_permits_a_downgrade_once(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[0].digest, SITE)
    fleet.order(releases[0].digest)
    assert_stays(fleet, store, releases)
    install(fleet, store, releases[0], downgrade=True)
    assert store.state.last_ticket > 0
    assert store.state.version_floor == releases[2].version


def test_a_used_ticket_is_not_used_again_also_after_a_restart(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[0].digest)
    install(fleet, store, releases[0], downgrade=True)
    install(fleet, store, releases[2])
    install(fleet, store, fleet.release("four"))
    for again in (store, opened(fleet)):
        fleet.order(releases[0].digest, downgrade=True)
        assert again.poll(fleet.now).action is Action.NOTHING
        assert drain(again)[-1].reason is SwapReason.OLDER_VERSION
    fleet.sign_ticket(releases[0].digest)
    install(fleet, opened(fleet), releases[0], downgrade=True)


def test_an_expired_ticket_is_refused(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[0].digest, expires_at_utc=NOW)
    fleet.order(releases[0].digest, downgrade=True)
    assert_stays(fleet, store, releases)


def test_a_ticket_for_another_site_is_refused(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[0].digest, "airport")
    fleet.order(releases[0].digest, downgrade=True)
    assert_stays(fleet, store, releases)


def test_a_ticket_for_another_release_is_refused(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[1].digest, SITE)
    fleet.order(releases[0].digest, downgrade=True)
    assert_stays(fleet, store, releases)


def test_a_ticket_that_was_withdrawn_is_not_brought_back_by_replayed_metadata(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[0].digest, SITE)
    permitted = dict(fleet.repository.metadata_files())
    fleet.withdraw_ticket(releases[0].digest)
    fleet.order(releases[0].digest, downgrade=True)
    assert_stays(fleet, store, releases)
    for name, data in permitted.items():
        fleet.metadata(name).write_bytes(data)
    fleet.order(releases[0].digest, downgrade=True)
    assert_stays(fleet, store, releases)


def test_a_ticket_that_the_mirror_wrote_into_the_metadata_is_refused(fleet: Fleet) -> None:
    store, releases = third_in_service(fleet)
    fleet.sign_ticket(releases[1].digest, SITE)
    name = next(n for n in fleet.repository.metadata_files() if n.endswith("targets.json"))
    parts = json.loads(fleet.metadata(name).read_bytes())
    targets = parts["signed"]["targets"]
    targets[releases[0].digest][TICKET_FIELD] = targets[releases[1].digest][TICKET_FIELD]
    fleet.metadata(name).write_bytes(json.dumps(parts).encode())
    fleet.order(releases[0].digest, downgrade=True)
    assert store.poll(fleet.now).action is Action.NOTHING
    assert drain(store)[-1].reason is SwapReason.BAD_SIGNATURE


def test_a_shadow_run_of_a_site_that_went_back_ends_by_an_order_for_its_model(fleet: Fleet) -> None:
    """Its model is below the floor, and in service already: the order needs no ticket."""
    store, releases = third_in_service(fleet)
    install(fleet, store, releases[1], downgrade=True)
    four = fleet.release("four")
    fleet.order(four.digest)
    assert store.poll(fleet.now).action is Action.INSTALL
    fleet.order(releases[1].digest)
    assert store.poll(fleet.now).action is Action.NOTHING
    assert store.staged() is None


def test_the_first_downgrade_of_a_site_without_a_model_before_needs_a_ticket(fleet: Fleet) -> None:
    old = fleet.release("old")
    store, new = in_service(fleet, "new")
    fleet.order(old.digest, downgrade=True)
    assert_refused(fleet, store, new, SwapReason.OLDER_VERSION)
