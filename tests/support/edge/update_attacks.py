"""Attacks on metadata and weights (TUF, Uptane) of an update, as one table: for their tests and their figure.

Each is mounted on a site with a model in service whose mirror the attacker writes, and leaves an order that
would put something else in service.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.updates.weights_store import Action, WeightsStore
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository
from tests.support.edge.weights_site import drain, in_service, models_on_disk, opened
from tests.support.release_fleet import NOW, Fleet
from tests.support.root_keys import move_root_keys, rotate_with

DAY_S = 86_400
UNKNOWN = "cd" * 32


@dataclass(frozen=True)
class AttackedSite:
    """The fleet, a site's store, the model in service, and the metadata from before its release."""

    fleet: Fleet
    store: WeightsStore
    incumbent: ReleaseManifest
    first_metadata: dict[str, bytes]


@dataclass(frozen=True)
class Attack:
    """What is done to a site's mirror; the reason of the refusal, None where the site waits for weights."""

    name: str
    reason: SwapReason | None
    mount: Callable[[AttackedSite], None]


def attacked_site(folder: Path) -> AttackedSite:
    """A new site with a model in service."""
    fleet = Fleet(folder)
    first = dict(fleet.repository.metadata_files())
    return AttackedSite(fleet, *in_service(fleet), first)


def installs(attack: Attack, folder: Path) -> bool:
    """Whether the site has anything else than its incumbent in service, staged or on disk after the attack.

    What the site would install is installed, as its node does.
    """
    site = attacked_site(folder)
    attack.mount(site)
    if site.store.poll(site.fleet.now).action is Action.INSTALL:
        site.store.install(site.fleet.now)
        site.store.commit(site.fleet.now)
    for seen in (site.store, opened(site.fleet)):
        active = seen.active()
        if active is None or active.digest != site.incumbent.digest or seen.staged() is not None:
            return True
    return models_on_disk(site.fleet) != {site.incumbent.digest}


def _replaced_weights(change: Callable[[bytes], bytes], site: AttackedSite) -> None:
    two = site.fleet.release("two")
    path = site.fleet.target(two)
    path.write_bytes(change(path.read_bytes()))
    site.fleet.order(two.digest)


def _weights_behind_a_link(site: AttackedSite) -> None:
    two = site.fleet.release("two")
    site.fleet.target(two).unlink()
    site.fleet.target(two).symlink_to("/dev/zero")
    site.fleet.order(two.digest)


def _rollback(site: AttackedSite) -> None:
    two = site.fleet.release("two")
    for name, data in site.first_metadata.items():
        site.fleet.metadata(name).write_bytes(data)
    site.fleet.order(two.digest)


def _freeze(site: AttackedSite) -> None:
    two = site.fleet.release("two")
    site.fleet.now += 2 * DAY_S
    site.fleet.order(two.digest)


def _targets_of(files: dict[str, bytes]) -> str:
    return next(name for name in files if name.endswith("targets.json"))


def _mix_of_old_and_new(site: AttackedSite) -> None:
    before = dict(site.fleet.repository.metadata_files())
    two = site.fleet.release("two")
    new_name = _targets_of(dict(site.fleet.repository.metadata_files()))
    site.fleet.metadata(new_name).write_bytes(before[_targets_of(before)])
    site.fleet.order(two.digest)


def _fast_forward(site: AttackedSite) -> None:
    fleet = site.fleet
    honest = fleet.metadata("timestamp.json").read_bytes()
    for _ in range(50):
        fleet.repository.refresh_timestamp()
    fleet.mirror_metadata()
    two = fleet.release("two")
    fleet.order(UNKNOWN)
    site.store.poll(NOW)
    drain(site.store)
    fleet.metadata("timestamp.json").write_bytes(honest)
    fleet.order(two.digest)


def _signed_by_a_stranger(name: str, site: AttackedSite) -> None:
    stranger = Repository.create(site.fleet.folder / "stranger", clock=lambda: NOW)
    for _ in range(5):
        stranger.refresh_timestamp()
    forged = stranger.metadata_files()["1.root.json" if "root" in name else name]
    if "root" in name:
        parts = json.loads(forged)
        parts["signed"]["version"] = 2
        forged = json.dumps(parts).encode()
    site.fleet.metadata(name).write_bytes(forged)
    site.fleet.order(UNKNOWN)


def _root_below_its_threshold(site: AttackedSite) -> None:
    fleet = site.fleet
    two = fleet.release("two")
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    rotate_with(fleet.repository, "targets", keys[:2])
    root = json.loads(fleet.repository.metadata_files()["3.root.json"])
    root["signatures"] = root["signatures"][:1]
    fleet.mirror_metadata()
    fleet.metadata("3.root.json").write_bytes(json.dumps(root).encode())
    fleet.order(two.digest)


def _signed_by_a_revoked_key(site: AttackedSite) -> None:
    fleet = site.fleet
    two = fleet.release("two")
    signed_by_old_key = dict(fleet.repository.metadata_files())
    fleet.repository.rotate_key("targets")
    fleet.mirror_metadata()
    name = _targets_of(dict(fleet.repository.metadata_files()))
    fleet.metadata(name).write_bytes(signed_by_old_key[_targets_of(signed_by_old_key)])
    fleet.order(two.digest)


def _metadata_over_their_limit(site: AttackedSite) -> None:
    site.fleet.metadata("timestamp.json").write_bytes(b" " * 1_000_000)
    site.fleet.order(UNKNOWN)


def _flip(data: bytes) -> bytes:
    return data[:10] + bytes([data[10] ^ 1]) + data[11:]


def _weights(name: str, reason: SwapReason, change: Callable[[bytes], bytes]) -> Attack:
    return Attack(name, reason, partial(_replaced_weights, change))


ATTACKS = (
    _weights("truncated weights", SwapReason.WRONG_LENGTH, lambda data: data[:-5]),
    _weights("endless weights", SwapReason.WRONG_LENGTH, lambda data: data + b"\0" * 5_000_000),
    _weights("a flipped bit of the weights", SwapReason.WRONG_DIGEST, _flip),
    _weights("other weights of that length", SwapReason.WRONG_DIGEST, lambda data: b"x" * len(data)),
    Attack("weights behind a link", None, _weights_behind_a_link),
    Attack("rollback of the metadata", SwapReason.OLDER_VERSION, _rollback),
    Attack("freeze until the timestamp expires", SwapReason.EXPIRED, _freeze),
    Attack("mix of old and new metadata", SwapReason.OLDER_VERSION, _mix_of_old_and_new),
    Attack("fast-forward by a stolen timestamp key", SwapReason.OLDER_VERSION, _fast_forward),
    Attack(
        "timestamp of a stranger", SwapReason.BAD_SIGNATURE, partial(_signed_by_a_stranger, "timestamp.json")
    ),
    Attack("root of a stranger", SwapReason.BAD_SIGNATURE, partial(_signed_by_a_stranger, "2.root.json")),
    Attack("root below its threshold", SwapReason.BAD_SIGNATURE, _root_below_its_threshold),
    Attack("releases signed by a revoked key", SwapReason.BAD_SIGNATURE, _signed_by_a_revoked_key),
    Attack("metadata over their size limit", SwapReason.WRONG_LENGTH, _metadata_over_their_limit),
)
