"""From an order to weights in service: installed, confirmed, kept, waited for, of the right classes."""

from pathlib import Path

import pytest

from edge.updates.weights_state import Step
from edge.updates.weights_store import Action, WeightsStore
from messaging.errors import TrustError
from messaging.releases import Channel
from messaging.reports import SwapOutcome, SwapReason
from messaging.taxonomy import taxonomy_of
from tests.support.edge.weights_site import assert_refused, drain, in_service, models_on_disk, opened
from tests.support.fake_detector import CLASSES
from tests.support.release_fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_first_release_is_installed_and_committed(fleet: Fleet) -> None:
    store, manifest = opened(fleet), fleet.release()
    assert store.active() is None
    order = fleet.order(manifest.digest)
    decision = store.poll(NOW)
    assert (decision.action, decision.manifest) == (Action.INSTALL, manifest)
    assert store.begin_load(NOW) == fleet.target(manifest).read_bytes()
    store.install(NOW)
    store.commit(NOW)
    assert store.poll(NOW).action is Action.NOTHING
    assert [(r.outcome, r.reason, r.sequence) for r in store.receipts()] == [
        (SwapOutcome.INSTALLED, SwapReason.NONE, order.sequence)
    ]
    steps = [Step.FETCHED, Step.VERIFIED, Step.STAGED, Step.TRIAL, Step.COMMITTED]
    assert store.journal.steps() == steps


def test_current_and_previous_are_kept_and_older_models_go(fleet: Fleet) -> None:
    store, first = in_service(fleet)
    for name in ("two", "three"):
        manifest = fleet.release(name)
        fleet.order(manifest.digest)
        store.poll(NOW)
        store.install(NOW)
        store.commit(NOW)
    active, previous = store.active(), store.previous()
    assert active is not None
    assert previous is not None
    assert models_on_disk(fleet) == {active.digest, previous.digest}
    assert first.digest not in models_on_disk(fleet)


def test_a_model_that_was_changed_on_disk_is_not_read(fleet: Fleet) -> None:
    store, _ = in_service(fleet)
    active = store.active()
    assert active is not None
    active.path.write_bytes(active.path.read_bytes()[::-1])
    with pytest.raises(TrustError, match="they were changed"):
        store.read(active)


def test_a_trial_release_is_not_put_in_service(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two", Channel.TRIAL)
    fleet.order(two.digest, Channel.SERVICE)
    assert_refused(fleet, store, one, SwapReason.NOT_FOR_SERVICE)


def test_a_trial_release_runs_in_shadow_and_is_in_service_once_it_is_promoted(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two", Channel.TRIAL)
    fleet.order(two.digest, Channel.TRIAL)
    assert store.poll(NOW).action is Action.SHADOW
    store.shadow_begun(NOW)
    store.shadow_begun(NOW)
    assert [r.outcome for r in drain(store)] == [SwapOutcome.SHADOWING]
    reopened = opened(fleet)
    assert reopened.poll(NOW).action is Action.SHADOW
    fleet.promote(two)
    fleet.target(two).unlink()
    fleet.order(two.digest, Channel.SERVICE)
    assert reopened.poll(NOW).action is Action.INSTALL
    reopened.install(NOW)
    reopened.commit(NOW)
    active, previous = reopened.active(), reopened.previous()
    assert active is not None
    assert previous is not None
    assert (active.digest, previous.digest) == (two.digest, one.digest)


def test_a_release_with_other_classes_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    other = fleet.release("other", class_names=("cat", "dog"))
    fleet.order(other.digest)
    assert_refused(fleet, store, one, SwapReason.WRONG_CLASSES)


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        ((*CLASSES, "fallen_tree"), True),
        (("fallen_tree", *CLASSES), False),
        ((*CLASSES[:-1], "hole", "fallen_tree"), False),
        (CLASSES[:-1], False),
    ],
    ids=["longer", "reordered", "renamed", "shorter"],
)
def test_a_release_may_add_classes_at_the_end_and_change_none(
    fleet: Fleet, names: tuple[str, ...], accepted: bool
) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two", class_names=names)
    fleet.order(two.digest)
    if not accepted:
        assert_refused(fleet, store, one, SwapReason.WRONG_CLASSES)
        return
    assert store.poll(NOW).action is Action.INSTALL
    store.install(NOW)
    store.commit(NOW)
    fleet.order(one.digest, downgrade=True)
    assert store.poll(NOW).action is Action.INSTALL


def test_a_first_release_with_other_classes_than_the_site_is_refused(fleet: Fleet) -> None:
    place = fleet.place(taxonomy_digest=taxonomy_of(["flood"]).digest)
    store, manifest = WeightsStore(place, now_utc=NOW), fleet.release()
    fleet.order(manifest.digest)
    assert store.poll(NOW).action is Action.NOTHING
    assert store.receipts()[-1].reason is SwapReason.WRONG_CLASSES


def test_an_order_that_comes_before_its_metadata_and_weights_waits(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    store = opened(fleet, patience_s=60)
    hidden = {p: p.read_bytes() for p in fleet.mirror.rglob("*.json") if p.parent.name == "metadata"}
    two = fleet.release("two")
    newest = {p: p.read_bytes() for p in fleet.mirror.rglob("*.json") if p.parent.name == "metadata"}
    weights = fleet.target(two).read_bytes()
    for path, data in hidden.items():
        path.write_bytes(data)
    fleet.target(two).unlink()
    fleet.order(two.digest)
    assert store.poll(NOW).action is Action.NOTHING
    for path, data in newest.items():
        path.write_bytes(data)
    assert store.poll(NOW + 1).action is Action.NOTHING
    fleet.target(two).write_bytes(weights)
    assert store.poll(NOW + 2).action is Action.INSTALL
    assert not store.receipts()
    assert one.digest in models_on_disk(fleet)


def test_an_unknown_release_is_refused_after_the_waiting_time(fleet: Fleet) -> None:
    in_service(fleet)
    store = opened(fleet, patience_s=60)
    fleet.order("cd" * 32)
    for second in (0, 30, 59):
        assert store.poll(NOW + second).action is Action.NOTHING
    assert not store.receipts()
    store.poll(NOW + 60)
    assert [r.reason for r in store.receipts()] == [SwapReason.UNKNOWN_RELEASE]


def test_an_order_for_the_model_in_service_is_confirmed_at_once(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two", Channel.TRIAL)
    fleet.order(two.digest, Channel.TRIAL)
    store.poll(NOW)
    order = fleet.order(one.digest)
    assert store.poll(NOW).action is Action.NOTHING
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.sequence) == (SwapOutcome.INSTALLED, order.sequence)
    assert models_on_disk(fleet) == {one.digest}
