"""Attacks on orders: named after what is tried, with what is left on disk after the refusal."""

import base64
import json
from pathlib import Path

import pytest

from edge.updates.weights_store import Action
from messaging.reports import SwapOutcome, SwapReason
from messaging.trust.keys import SigningKey
from messaging.trust.orders import sign_order
from tests.support.edge.weights_site import assert_refused, drain, in_service
from tests.support.release_fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_arbitrary_weights_that_nobody_released_are_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    fleet.order("ab" * 32)
    assert_refused(fleet, store, one, SwapReason.UNKNOWN_RELEASE)


def test_an_order_signed_by_another_key_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    order = fleet.order(two.digest)
    fleet.put_order(sign_order(order, SigningKey.read_or_make(tmp_path / "thief.pem")))
    receipt = assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)
    assert (receipt.sequence, receipt.digest) == (0, "0" * 64)


def test_an_order_changed_after_signing_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    order = fleet.order(one.digest)
    envelope = json.loads(sign_order(order, fleet.repository.director))
    forged = order.model_copy(update={"digest": two.digest}).model_dump_json()
    envelope["payload"] = base64.b64encode(forged.encode()).decode()
    fleet.put_order(json.dumps(envelope).encode())
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


@pytest.mark.parametrize("envelope", [b"{", b"[]", b'{"payload": 3}', b"\xff\xfe", b"[" * 5000])
def test_an_order_that_is_not_an_envelope_is_refused(fleet: Fleet, envelope: bytes) -> None:
    store, one = in_service(fleet)
    fleet.put_order(envelope)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_an_order_that_cannot_be_read_is_reported_once_and_checked_when_it_can(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    store, _ = in_service(fleet)
    two = fleet.release("two")
    order = fleet.order(two.digest)
    path = fleet.place().mirror / "orders" / "harbour.json"
    path.unlink()
    assert store.poll(fleet.now).action is Action.NOTHING
    assert "cannot be read" not in caplog.text
    path.mkdir()
    for _ in range(3):
        assert store.poll(fleet.now).action is Action.NOTHING
    assert caplog.text.count("the rollout order cannot be read: [Errno 21]") == 1
    path.rmdir()
    fleet.put_order(sign_order(order, fleet.repository.director))
    assert store.poll(fleet.now).action is Action.INSTALL


def test_an_order_over_its_size_limit_is_not_parsed(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    fleet.put_order(b" " * 5_000_000)
    assert_refused(fleet, store, one, SwapReason.WRONG_LENGTH)


def test_an_order_for_another_site_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest, site="airport", sequence=900)
    assert_refused(fleet, store, one, SwapReason.WRONG_SITE)
    assert store.state.last_sequence < 900


def test_a_replayed_order_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    old = fleet.order(two.digest, downgrade=True)
    fleet.order(one.digest)
    store.poll(NOW)
    drain(store)
    fleet.put_order(sign_order(old, fleet.repository.director))
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_an_expired_order_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest, expires_at_utc=NOW)
    assert_refused(fleet, store, one, SwapReason.EXPIRED)


def test_a_lower_version_without_an_order_that_allows_a_downgrade_is_refused(fleet: Fleet) -> None:
    store, _ = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    three = fleet.release("three")
    fleet.order(three.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    drain(store)
    fleet.order(two.digest)
    assert store.poll(NOW).action is Action.NOTHING
    assert drain(store)[-1].reason is SwapReason.OLDER_VERSION
    assert store.active() is not None
    fleet.order(two.digest, downgrade=True)
    assert store.poll(NOW).action is Action.INSTALL


def test_an_operator_downgrades_with_a_signed_order(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    drain(store)
    fleet.order(one.digest, downgrade=True)
    assert store.poll(NOW).action is Action.INSTALL
    store.install(NOW)
    store.commit(NOW)
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)
    assert receipt.previous_digest == two.digest
    assert store.state.version_floor == two.version
