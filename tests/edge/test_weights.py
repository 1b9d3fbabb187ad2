"""Tests are named after attacks (TUF, Uptane) and assert what is left on disk after the refusal."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.weights import MAX_LOADS, MAX_STARTS_IN_TRIAL, WeightsStore, Wish
from edge.weights_state import Step
from messaging.keys import SigningKey
from messaging.manifest import ReleaseManifest
from messaging.orders import sign_order
from messaging.releases import Stage
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt
from messaging.signing import Repository
from messaging.taxonomy import taxonomy_of
from tests.fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def opened(fleet: Fleet, **place: float) -> WeightsStore:
    return WeightsStore(fleet.place(**place), now_utc=fleet.now)


def serving(fleet: Fleet, name: str = "one") -> tuple[WeightsStore, ReleaseManifest]:
    """A store whose active model came as an order, and its receipts sent."""
    store, manifest = opened(fleet), fleet.release(name)
    fleet.order(manifest.digest)
    assert store.poll(fleet.now).wish is Wish.INSTALL
    store.install(fleet.now)
    store.commit(fleet.now)
    drain(store)
    return store, manifest


def drain(store: WeightsStore) -> list[SwapReceipt]:
    told = list(store.receipts())
    for receipt in told:
        store.sent(receipt)
    return told


def models_on_disk(fleet: Fleet) -> set[str]:
    return {path.stem for path in (fleet.folder / "node" / "models").glob("*")}


def assert_refused(
    fleet: Fleet, store: WeightsStore, incumbent: ReleaseManifest, reason: SwapReason
) -> SwapReceipt:
    """Nothing is staged, the incumbent is untouched, also after a restart, and the receipt says why."""
    assert store.poll(fleet.now).wish is Wish.NOTHING
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.REFUSED, reason)
    for seen in (store, opened(fleet)):
        active = seen.active()
        assert active is not None
        assert active.digest == incumbent.digest
        assert seen.read(active) == fleet.target(incumbent).read_bytes()
        assert seen.staged() is None
    assert models_on_disk(fleet) == {incumbent.digest}
    return receipt


def test_a_first_release_is_installed_and_committed(fleet: Fleet) -> None:
    store, manifest = opened(fleet), fleet.release()
    assert store.active() is None
    order = fleet.order(manifest.digest)
    decision = store.poll(NOW)
    assert (decision.wish, decision.sequence) == (Wish.INSTALL, order.sequence)
    assert store.begin_load(NOW) == fleet.target(manifest).read_bytes()
    store.install(NOW)
    store.commit(NOW)
    assert store.poll(NOW).wish is Wish.NOTHING
    assert [(r.outcome, r.reason, r.sequence) for r in store.receipts()] == [
        (SwapOutcome.INSTALLED, SwapReason.NONE, order.sequence)
    ]
    steps = [Step.FETCHED, Step.VERIFIED, Step.STAGED, Step.TRIAL, Step.COMMITTED]
    assert store.journal.steps() == steps


def test_current_and_previous_are_kept_and_older_models_go(fleet: Fleet) -> None:
    store, first = serving(fleet)
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


def test_arbitrary_weights_that_nobody_released_are_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    fleet.order("ab" * 32)
    assert_refused(fleet, store, one, SwapReason.UNKNOWN_RELEASE)


def test_an_order_signed_by_another_key_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    order = fleet.order(two.digest)
    fleet.put_order(sign_order(order, SigningKey.read_or_make(tmp_path / "thief.pem")))
    receipt = assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)
    assert (receipt.sequence, receipt.digest) == (0, "0" * 64)


def test_an_order_changed_after_signing_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    order = fleet.order(one.digest)
    envelope = json.loads(sign_order(order, fleet.repository.director))
    forged = order.model_copy(update={"digest": two.digest}).model_dump_json()
    envelope["payload"] = base64.b64encode(forged.encode()).decode()
    fleet.put_order(json.dumps(envelope).encode())
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


@pytest.mark.parametrize("envelope", [b"{", b"[]", b'{"payload": 3}', b"\xff\xfe", b"[" * 5000])
def test_an_order_that_is_not_an_envelope_is_refused(fleet: Fleet, envelope: bytes) -> None:
    store, one = serving(fleet)
    fleet.put_order(envelope)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_an_order_without_end_is_not_parsed(fleet: Fleet) -> None:
    store, one = serving(fleet)
    fleet.put_order(b" " * 5_000_000)
    assert_refused(fleet, store, one, SwapReason.WRONG_LENGTH)


def test_an_order_for_another_site_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest, site="airport", sequence=900)
    assert_refused(fleet, store, one, SwapReason.WRONG_SITE)
    assert store.state.last_sequence < 900


def test_a_replayed_order_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    old = fleet.order(two.digest, downgrade=True)
    fleet.order(one.digest)
    store.poll(NOW)
    drain(store)
    fleet.put_order(sign_order(old, fleet.repository.director))
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_an_expired_order_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest, expires_at_utc=NOW)
    assert_refused(fleet, store, one, SwapReason.EXPIRED)


def test_going_back_without_an_order_that_says_so_is_refused(fleet: Fleet) -> None:
    store, _ = serving(fleet)
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
    assert store.poll(NOW).wish is Wish.NOTHING
    assert drain(store)[-1].reason is SwapReason.OLDER_VERSION
    assert store.active() is not None
    fleet.order(two.digest, downgrade=True)
    assert store.poll(NOW).wish is Wish.INSTALL


def test_an_operator_goes_back_with_a_signed_downgrade(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    drain(store)
    fleet.order(one.digest, downgrade=True)
    assert store.poll(NOW).wish is Wish.INSTALL
    store.install(NOW)
    store.commit(NOW)
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)
    assert receipt.previous_digest == two.digest
    assert store.state.version_floor == two.version


def test_a_trial_release_does_not_serve(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two", Stage.TRIAL)
    fleet.order(two.digest, Stage.SERVICE)
    assert_refused(fleet, store, one, SwapReason.NOT_FOR_SERVICE)


def test_a_trial_release_runs_in_shadow_and_serves_once_it_is_promoted(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two", Stage.TRIAL)
    fleet.order(two.digest, Stage.TRIAL)
    assert store.poll(NOW).wish is Wish.SHADOW
    store.shadow_begun(NOW)
    store.shadow_begun(NOW)
    assert [r.outcome for r in drain(store)] == [SwapOutcome.SHADOWING]
    reopened = opened(fleet)
    assert reopened.poll(NOW).wish is Wish.SHADOW
    fleet.promote(two)
    fleet.target(two).unlink()
    fleet.order(two.digest, Stage.SERVICE)
    assert reopened.poll(NOW).wish is Wish.INSTALL
    reopened.install(NOW)
    reopened.commit(NOW)
    active, previous = reopened.active(), reopened.previous()
    assert active is not None
    assert previous is not None
    assert (active.digest, previous.digest) == (two.digest, one.digest)


def test_a_release_with_other_classes_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    other = fleet.release("other", class_names=("cat", "dog"))
    fleet.order(other.digest)
    assert_refused(fleet, store, one, SwapReason.WRONG_CLASSES)


def test_a_first_release_with_other_classes_than_the_site_is_refused(fleet: Fleet) -> None:
    place = fleet.place(taxonomy_digest=taxonomy_of(["flood"]).digest)
    store, manifest = WeightsStore(place, now_utc=NOW), fleet.release()
    fleet.order(manifest.digest)
    assert store.poll(NOW).wish is Wish.NOTHING
    assert store.receipts()[-1].reason is SwapReason.WRONG_CLASSES


def _flip(data: bytes) -> bytes:
    return data[:10] + bytes([data[10] ^ 1]) + data[11:]


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        pytest.param(lambda data: data[:-5], SwapReason.WRONG_LENGTH, id="truncated"),
        pytest.param(lambda data: data + b"\0" * 5_000_000, SwapReason.WRONG_LENGTH, id="endless data"),
        pytest.param(_flip, SwapReason.WRONG_DIGEST, id="bit flip"),
        pytest.param(lambda data: b"x" * len(data), SwapReason.WRONG_DIGEST, id="wrong target"),
    ],
)
def test_weights_that_are_not_what_was_signed_are_refused(
    fleet: Fleet, attack: Callable[[bytes], bytes], reason: SwapReason
) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.target(two).write_bytes(attack(fleet.target(two).read_bytes()))
    fleet.order(two.digest)
    assert_refused(fleet, store, one, reason)


def test_weights_behind_a_link_or_a_pipe_are_never_opened(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.target(two).unlink()
    fleet.target(two).symlink_to("/dev/zero")
    fleet.order(two.digest)
    assert store.poll(NOW).wish is Wish.NOTHING
    fleet.target(two).unlink()
    os.mkfifo(fleet.target(two))
    assert store.poll(NOW).wish is Wish.NOTHING
    assert models_on_disk(fleet) == {one.digest}


def test_a_rollback_of_the_metadata_is_refused(fleet: Fleet) -> None:
    old = dict(fleet.repository.metadata_files())
    store, one = serving(fleet)
    two = fleet.release("two")
    for name, data in old.items():
        fleet.metadata(name).write_bytes(data)
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_a_freeze_is_noticed_when_the_timestamp_expires(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.now += 2 * 86400
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.EXPIRED)


def test_a_mix_of_old_and_new_metadata_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    before = fleet.repository.metadata_files()
    old_targets = next(data for name, data in before.items() if name.endswith("targets.json"))
    two = fleet.release("two")
    new_name = next(name for name in fleet.repository.metadata_files() if name.endswith("targets.json"))
    fleet.metadata(new_name).write_bytes(old_targets)
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_a_fast_forward_with_a_stolen_timestamp_key_is_healed_by_rotation(fleet: Fleet) -> None:
    store, one = serving(fleet)
    honest = fleet.metadata("timestamp.json").read_bytes()
    for _ in range(50):
        fleet.repository.refresh_timestamp()
    fleet.mirror_metadata()
    two = fleet.release("two")
    fleet.order("cd" * 32)
    store.poll(NOW)
    drain(store)
    fleet.metadata("timestamp.json").write_bytes(honest)
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)
    fleet.repository.rotate_key("timestamp")
    fleet.mirror_metadata()
    fleet.order(two.digest)
    assert store.poll(NOW).wish is Wish.INSTALL


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_metadata_signed_by_a_stranger_are_refused(fleet: Fleet, tmp_path: Path, name: str) -> None:
    store, one = serving(fleet)
    stranger = Repository.create(tmp_path / "stranger", clock=lambda: NOW)
    for _ in range(5):
        stranger.refresh_timestamp()
    forged = stranger.metadata_files()["1.root.json" if "root" in name else name]
    if "root" in name:
        parts = json.loads(forged)
        parts["signed"]["version"] = 2
        forged = json.dumps(parts).encode()
    fleet.metadata(name).write_bytes(forged)
    fleet.order("cd" * 32)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_a_root_below_its_threshold_is_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.repository.rotate_key("targets")
    files = dict(fleet.repository.metadata_files())
    root = json.loads(files["2.root.json"])
    root["signatures"] = root["signatures"][:1]
    fleet.mirror_metadata()
    fleet.metadata("2.root.json").write_bytes(json.dumps(root).encode())
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_releases_signed_by_a_revoked_key_are_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    signed_by_old_key = dict(fleet.repository.metadata_files())
    fleet.repository.rotate_key("targets")
    fleet.mirror_metadata()
    name = next(n for n in fleet.repository.metadata_files() if n.endswith("targets.json"))
    old = next(n for n in signed_by_old_key if n.endswith("targets.json"))
    fleet.metadata(name).write_bytes(signed_by_old_key[old])
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_metadata_without_end_are_refused(fleet: Fleet) -> None:
    store, one = serving(fleet)
    fleet.metadata("timestamp.json").write_bytes(b" " * 1_000_000)
    fleet.order("cd" * 32)
    assert_refused(fleet, store, one, SwapReason.WRONG_LENGTH)


def test_a_clock_that_was_never_set_installs_nothing_and_is_told_once(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    for _ in range(3):
        assert store.poll(100).wish is Wish.NOTHING
    assert [r.reason for r in drain(store)] == [SwapReason.CLOCK_NOT_SANE]
    assert store.poll(NOW).wish is Wish.INSTALL
    assert one.digest in models_on_disk(fleet)


def test_a_clock_a_year_ahead_keeps_the_model_and_installs_nothing(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    assert store.poll(NOW + 365 * 86400).wish is Wish.NOTHING
    assert store.active() is not None
    assert drain(store)[-1].reason is SwapReason.EXPIRED
    assert models_on_disk(fleet) == {one.digest}


def test_an_order_that_comes_before_its_metadata_and_weights_waits(fleet: Fleet) -> None:
    store, one = serving(fleet)
    store = opened(fleet, patience_s=60)
    hidden = {p: p.read_bytes() for p in fleet.mirror.rglob("*.json") if p.parent.name == "metadata"}
    two = fleet.release("two")
    newest = {p: p.read_bytes() for p in fleet.mirror.rglob("*.json") if p.parent.name == "metadata"}
    weights = fleet.target(two).read_bytes()
    for path, data in hidden.items():
        path.write_bytes(data)
    fleet.target(two).unlink()
    fleet.order(two.digest)
    assert store.poll(NOW).wish is Wish.NOTHING
    for path, data in newest.items():
        path.write_bytes(data)
    assert store.poll(NOW + 1).wish is Wish.NOTHING
    fleet.target(two).write_bytes(weights)
    assert store.poll(NOW + 2).wish is Wish.INSTALL
    assert not store.receipts()
    assert one.digest in models_on_disk(fleet)


def test_an_unknown_release_is_refused_when_patience_ends(fleet: Fleet) -> None:
    serving(fleet)
    store = opened(fleet, patience_s=60)
    fleet.order("cd" * 32)
    for second in (0, 30, 59):
        assert store.poll(NOW + second).wish is Wish.NOTHING
    assert not store.receipts()
    store.poll(NOW + 60)
    assert [r.reason for r in store.receipts()] == [SwapReason.UNKNOWN_RELEASE]


def test_an_order_for_what_already_runs_is_confirmed_at_once(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two", Stage.TRIAL)
    fleet.order(two.digest, Stage.TRIAL)
    store.poll(NOW)
    order = fleet.order(one.digest)
    assert store.poll(NOW).wish is Wish.NOTHING
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.sequence) == (SwapOutcome.INSTALLED, order.sequence)
    assert models_on_disk(fleet) == {one.digest}


def test_a_model_on_trial_goes_back_and_its_order_is_not_tried_again(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.roll_back(SwapReason.CRASHED, NOW)
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    assert (receipt.digest, receipt.previous_digest) == (two.digest, one.digest)
    reopened = opened(fleet)
    assert reopened.poll(NOW).wish is Wish.NOTHING
    assert models_on_disk(fleet) == {one.digest}


def test_a_model_that_kills_the_process_while_loading_is_refused_in_the_end(fleet: Fleet) -> None:
    _, one = serving(fleet)
    fleet.order(fleet.release("two").digest)
    for _ in range(MAX_LOADS):
        store = opened(fleet)
        assert store.poll(NOW).wish is Wish.INSTALL
        assert store.begin_load(NOW) is not None
    store = opened(fleet)
    store.poll(NOW)
    assert store.begin_load(NOW) is None
    assert_refused(fleet, store, one, SwapReason.CRASHED)


def test_a_model_on_trial_that_keeps_killing_the_node_goes_back(fleet: Fleet) -> None:
    store, one = serving(fleet)
    fleet.order(fleet.release("two").digest)
    store.poll(NOW)
    store.install(NOW)
    for _ in range(MAX_STARTS_IN_TRIAL + 1):
        store = opened(fleet)
    active = store.active()
    assert active is not None
    assert active.digest == one.digest
    assert store.receipts()[-1].reason is SwapReason.CRASHED


def test_an_active_model_damaged_on_disk_is_mended_from_the_mirror(fleet: Fleet) -> None:
    store, one = serving(fleet)
    active = store.active()
    assert active is not None
    active.path.write_bytes(b"damaged")
    again = opened(fleet)
    assert again.read(active) == fleet.target(one).read_bytes()
    assert not again.receipts()


def test_an_active_model_damaged_beyond_mending_gives_way_to_the_previous(fleet: Fleet) -> None:
    store, one = serving(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    drain(store)
    active = store.active()
    assert active is not None
    active.path.write_bytes(b"damaged")
    fleet.target(two).unlink()
    again = opened(fleet).active()
    assert again is not None
    assert again.digest == one.digest
    assert opened(fleet).receipts()[-1].reason is SwapReason.WRONG_DIGEST


def test_a_damaged_state_file_is_named_with_its_remedy(fleet: Fleet) -> None:
    serving(fleet)
    path = fleet.folder / "node" / "state.json"
    path.write_text("{")
    with pytest.raises(EdgeError, match="restore it, or remove the folder"):
        opened(fleet)


class Killed(BaseException):
    """The power was cut."""


@pytest.mark.parametrize("step", list(Step))
def test_killed_at_any_step_there_is_one_valid_model_and_orders_are_carried_out(
    fleet: Fleet, step: Step
) -> None:
    _, one = serving(fleet)
    two = fleet.release("two", Stage.TRIAL)
    three = fleet.release("three")
    killed = 0

    def cut(reached: Step) -> None:
        if reached is step:
            raise Killed

    for digest, stage in (
        (two.digest, Stage.TRIAL),
        (two.digest, Stage.SERVICE),
        (three.digest, Stage.SERVICE),
        ("cd" * 32, Stage.SERVICE),
    ):
        if stage is Stage.SERVICE and digest == two.digest:
            fleet.promote(two)
        fleet.order(digest, stage)
        for reached in (cut, cut, lambda step: None):
            try:
                _carry_out(WeightsStore(fleet.place(), now_utc=NOW, reached=reached))
            except Killed:
                killed += 1
            store = opened(fleet)
            active = store.active()
            assert active is not None
            assert active.digest in {one.digest, two.digest, three.digest}
            assert store.read(active) == fleet.target(active.manifest).read_bytes()
    final = opened(fleet)
    active = final.active()
    assert killed
    assert active is not None
    assert active.digest == two.digest
    assert models_on_disk(fleet) == {two.digest}
    assert final.state.trial is None
    assert [(r.outcome, r.reason) for r in final.receipts()] == [
        (SwapOutcome.SHADOWING, SwapReason.NONE),
        (SwapOutcome.INSTALLED, SwapReason.NONE),
        (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED),
        (SwapOutcome.REFUSED, SwapReason.UNKNOWN_RELEASE),
    ]


def _carry_out(store: WeightsStore) -> None:
    """What a node would do; a model named three fails on trial."""
    decision = store.poll(NOW)
    if decision.wish is Wish.SHADOW:
        store.begin_load(NOW)
        store.shadow_begun(NOW)
    elif decision.wish is Wish.INSTALL:
        store.begin_load(NOW)
        store.install(NOW)
    active = store.active()
    if store.state.trial is not None and active is not None:
        if active.manifest.name == "three":
            store.roll_back(SwapReason.CRASHED, NOW)
        else:
            store.commit(NOW)
