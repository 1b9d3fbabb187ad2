"""Attacks on weights and metadata (TUF, Uptane), with what is left on disk after the refusal."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.updates.weights_store import Action
from messaging.reports import SwapReason
from messaging.trust.signing import Repository
from tests.support.edge.weights_site import assert_refused, drain, in_service, models_on_disk
from tests.support.release_fleet import NOW, Fleet
from tests.support.root_keys import move_root_keys, rotate_with


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


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
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.target(two).write_bytes(attack(fleet.target(two).read_bytes()))
    fleet.order(two.digest)
    assert_refused(fleet, store, one, reason)


def test_weights_behind_a_link_or_a_pipe_are_never_opened(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.target(two).unlink()
    fleet.target(two).symlink_to("/dev/zero")
    fleet.order(two.digest)
    assert store.poll(NOW).action is Action.NOTHING
    fleet.target(two).unlink()
    os.mkfifo(fleet.target(two))
    assert store.poll(NOW).action is Action.NOTHING
    assert models_on_disk(fleet) == {one.digest}


def test_a_rollback_of_the_metadata_is_refused(fleet: Fleet) -> None:
    old = dict(fleet.repository.metadata_files())
    store, one = in_service(fleet)
    two = fleet.release("two")
    for name, data in old.items():
        fleet.metadata(name).write_bytes(data)
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_a_freeze_is_detected_when_the_timestamp_expires(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.now += 2 * 86400
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.EXPIRED)


def test_a_mix_of_old_and_new_metadata_is_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    before = fleet.repository.metadata_files()
    old_targets = next(data for name, data in before.items() if name.endswith("targets.json"))
    two = fleet.release("two")
    new_name = next(name for name in fleet.repository.metadata_files() if name.endswith("targets.json"))
    fleet.metadata(new_name).write_bytes(old_targets)
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.OLDER_VERSION)


def test_a_fast_forward_with_a_stolen_timestamp_key_is_undone_by_rotation(fleet: Fleet) -> None:
    store, one = in_service(fleet)
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
    assert store.poll(NOW).action is Action.INSTALL


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_metadata_signed_by_a_stranger_are_refused(fleet: Fleet, tmp_path: Path, name: str) -> None:
    store, one = in_service(fleet)
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
    store, one = in_service(fleet)
    two = fleet.release("two")
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    rotate_with(fleet.repository, "targets", keys[:2])
    files = dict(fleet.repository.metadata_files())
    root = json.loads(files["3.root.json"])
    root["signatures"] = root["signatures"][:1]
    fleet.mirror_metadata()
    fleet.metadata("3.root.json").write_bytes(json.dumps(root).encode())
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_releases_signed_by_a_revoked_key_are_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    signed_by_old_key = dict(fleet.repository.metadata_files())
    fleet.repository.rotate_key("targets")
    fleet.mirror_metadata()
    name = next(n for n in fleet.repository.metadata_files() if n.endswith("targets.json"))
    old = next(n for n in signed_by_old_key if n.endswith("targets.json"))
    fleet.metadata(name).write_bytes(signed_by_old_key[old])
    fleet.order(two.digest)
    assert_refused(fleet, store, one, SwapReason.BAD_SIGNATURE)


def test_metadata_over_their_size_limit_are_refused(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    fleet.metadata("timestamp.json").write_bytes(b" " * 1_000_000)
    fleet.order("cd" * 32)
    assert_refused(fleet, store, one, SwapReason.WRONG_LENGTH)


def test_a_clock_that_was_never_set_installs_nothing_and_is_reported_once(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    for _ in range(3):
        assert store.poll(100).action is Action.NOTHING
    assert [r.reason for r in drain(store)] == [SwapReason.CLOCK_NOT_SANE]
    assert store.poll(NOW).action is Action.INSTALL
    assert one.digest in models_on_disk(fleet)


def test_a_clock_a_year_ahead_keeps_the_model_and_installs_nothing(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    assert store.poll(NOW + 365 * 86400).action is Action.NOTHING
    assert store.active() is not None
    assert drain(store)[-1].reason is SwapReason.EXPIRED
    assert models_on_disk(fleet) == {one.digest}
