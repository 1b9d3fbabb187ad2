"""The cloud's TUF repository: who signs what, and the metadata that sites fetch.

Roles: root, targets (releases), snapshot and timestamp (freshness). The director key, which signs rollout
orders, is beside them and is no TUF role. All keys are made at first start, one root key among them, each in
a file of its own; that gives integrity against the network, not against someone with access to the folder.
After `accept_root` with keys that are kept elsewhere no root key is here. Metadata is written targets first
and timestamp last, so that a crash leaves the old or the new state, never half of one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from messaging.errors import ConfigurationError, FileFault, StateFileBroken
from messaging.releases import Channel
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_bytes
from messaging.trust.keys import PublicKey, SigningKey
from messaging.trust.manifest import ReleaseManifest, check_promotion
from messaging.trust.root_chain import Lifetimes, RootChain
from messaging.trust.site_trust import SiteTrust
from messaging.trust.tickets import TICKET_FIELD, DowngradeTicket, read_ticket

ONE_KEY_ROLES = ("targets", "snapshot", "timestamp")
DIRECTOR = "director"
SKIPPED_VERSIONS = 100_000
_FLOOR = "x-blindspot-release-floor"
T = TypeVar("T", Root, Targets, Snapshot, Timestamp)


class Repository:
    """The signed list of releases, in one folder: `keys/` (0600) and `metadata/`."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float] = time.time, lifetimes: Lifetimes | None = None
    ) -> None:
        """Open the repository in `folder`, or make its keys and first metadata where there is none.

        Raises `ConfigurationError` for a key and `StateFileBroken` for metadata that is lost or damaged.
        """
        self.folder = folder
        self._metadata = folder / "metadata"
        self._keys = folder / "keys"
        self._clock = clock
        self._lifetimes = lifetimes or Lifetimes()
        self._chain = RootChain(self._metadata, self._keys, self._clock, self._lifetimes.root_s)
        if not self._path("timestamp.json").exists():
            self._refuse_lost_timestamp()
            SigningKey.read_or_make(self._key_path(DIRECTOR))
            self._make()
        self.director = SigningKey.read(self._key_path(DIRECTOR))
        self._load()
        self._chain.refuse_lost_keys()
        self._admit_new_keys()

    @classmethod
    def create(cls, folder: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Make a repository. Raises `ConfigurationError` where one already is."""
        if (folder / "metadata" / "timestamp.json").exists():
            raise ConfigurationError(f"{folder} already holds a release repository; open it instead")
        return cls(folder, clock=clock)

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Open a repository. Raises `ConfigurationError` where there is none."""
        if not (folder / "metadata" / "timestamp.json").exists():
            raise ConfigurationError(f"{folder} holds no release repository; start the cloud once to make it")
        return cls(folder, clock=clock)

    @property
    def root_bytes(self) -> bytes:
        """The newest root metadata: what a site is given when it is enrolled."""
        return self._chain.newest

    @property
    def site_trust(self) -> SiteTrust:
        """What a site believes from its first day: the root and the director's public key."""
        return SiteTrust(self.root_bytes, self.director.public)

    @property
    def described(self) -> str:
        """Releases and the nearest end of root and targets. Raises `StateFileBroken` once one has expired.

        Snapshot and timestamp are renewed at every start.
        """
        for name, part in (("root", self._chain.root), ("targets", self._targets)):
            if self._left(part) <= 0:
                raise StateFileBroken(
                    f"the {name} metadata in {self._metadata} expired on {part.expires:%Y-%m-%d}; check this "
                    "machine's clock"
                )
        until = min(self._chain.root.expires, self._targets.expires)
        where = "here: who reads them may sign anything" if self._chain.keys_here() else "elsewhere"
        found = f"{len(self._targets.targets)} signed releases, valid until {until:%Y-%m-%d}"
        return f"{found}; the root keys are {where}"

    def releases(self) -> dict[str, ReleaseManifest]:
        """Every release by its digest."""
        return {
            digest: ReleaseManifest.from_target(digest, target.length, target.custom)
            for digest, target in self._targets.targets.items()
        }

    def ticket(self, digest: str) -> DowngradeTicket | None:
        """The downgrade ticket of a release, if it has one."""
        target = self._targets.targets.get(digest)
        if target is None:
            return None
        return read_ticket(target.unrecognized_fields.get(TICKET_FIELD), f"release {digest[:12]}")

    def sign_ticket(self, digest: str, sites: Sequence[str], expires_at_utc: int) -> DowngradeTicket:
        """Permit sites (none named: all) to go back to a release for service, in place of its last ticket.

        Raises `ConfigurationError` for an unknown release or one that is for trial only.
        """
        known = self.releases().get(digest)
        if known is None or known.channel is not Channel.SERVICE:
            raise ConfigurationError(
                f"release {digest[:12]} is not signed for service, so that no site may go back to it; "
                "`blindspot models list` shows those that are"
            )
        ticket = DowngradeTicket(
            number=self._targets.version + 1, sites=tuple(sites), expires_at_utc=expires_at_utc
        )
        with self._whole_or_not():
            self._targets.targets[digest].unrecognized_fields[TICKET_FIELD] = ticket.model_dump(mode="json")
            self._renew_targets()
        return ticket

    def withdraw_ticket(self, digest: str) -> DowngradeTicket:
        """Take the ticket of a release out of the metadata. Raises `ConfigurationError` without one."""
        ticket = self.ticket(digest)
        if ticket is None:
            raise ConfigurationError(f"release {digest[:12]} has no downgrade ticket to withdraw")
        with self._whole_or_not():
            del self._targets.targets[digest].unrecognized_fields[TICKET_FIELD]
            self._renew_targets()
        return ticket

    def publish(self, manifest: ReleaseManifest) -> None:
        """Sign a release, or the change of its channel from trial to service.

        Signing what is already signed changes nothing. Raises `ConfigurationError` for a version that does
        not go up and for any other change of a signed release.
        """
        releases = self.releases()
        known = releases.get(manifest.digest)
        if known == manifest:
            return
        if known is not None:
            check_promotion(known, manifest)
        elif manifest.version <= (newest := max((r.version for r in releases.values()), default=0)):
            raise ConfigurationError(
                f"release {manifest.digest[:12]} has version {manifest.version}, the newest is {newest}; "
                "versions only go up"
            )
        with self._whole_or_not():
            self._targets.targets[manifest.digest] = TargetFile(
                manifest.length_bytes,
                {"sha256": manifest.digest},
                manifest.digest,
                {"custom": manifest.custom()},
            )
            self._renew_targets()

    def refresh_timestamp(self) -> None:
        """Sign a new timestamp, and what has less than half of its life left; the root if its key is here."""
        with self._whole_or_not():
            if self._chain.keys_here() and self._left(self._chain.root) < self._lifetimes.root_s / 2:
                self._chain.accept(self._chain.propose())
            if self._left(self._targets) < self._lifetimes.targets_s / 2:
                self._renew_targets()
            elif self._left(self._snapshot) < self._lifetimes.snapshot_s / 2:
                self._renew_snapshot()
            else:
                self._renew_timestamp()

    def skip_versions(self) -> None:
        """Sign everything with versions that are `SKIPPED_VERSIONS` higher, and the next release too.

        After the restore of a backup: sites have seen what was signed since, and take nothing lower.
        """
        with self._whole_or_not():
            newest = max((r.version for r in self.releases().values()), default=0)
            floor = max(newest, self.release_floor) + SKIPPED_VERSIONS
            self._targets.unrecognized_fields[_FLOOR] = floor
            for part in (self._targets, self._snapshot, self._timestamp):
                part.version += SKIPPED_VERSIONS
            self._renew_targets()

    @property
    def release_floor(self) -> int:
        """The version below which no new release is signed; 0 if no versions were skipped."""
        return int(self._targets.unrecognized_fields.get(_FLOOR, 0))

    def rotate_key(self, role: str) -> None:
        """Replace the key of `targets`, `snapshot` or `timestamp`: a new root revokes the old one.

        Raises `ConfigurationError` for another role, and when the root keys are kept elsewhere.
        """
        with self._whole_or_not():
            self.accept_root(self.propose_root(rotate=[role]))

    def propose_root(
        self, *, root_keys: Sequence[PublicKey] = (), threshold: int = 0, rotate: Sequence[str] = ()
    ) -> bytes:
        """The next root metadata to be signed: renewed, with other root keys, or with new keys of roles.

        Root keys on this machine sign it at once. A new key is used from `accept_root` on. Raises
        `ConfigurationError` for an unknown role or a threshold that does not fit.
        """
        if unknown := [role for role in rotate if role not in ONE_KEY_ROLES]:
            raise ConfigurationError(f"role {unknown[0]!r} has no key to rotate; name one of {ONE_KEY_ROLES}")
        keys = {role: SigningKey.read_or_make(self._key_path(f"{role}.next")).public for role in rotate}
        return self._chain.propose(root_keys=root_keys, threshold=threshold, role_keys=keys)

    def accept_root(self, proposal: bytes) -> None:
        """Make a signed proposal the root that sites follow; root keys that it leaves out are removed here.

        Raises `ConfigurationError` for missing signatures or another version.
        """
        with self._whole_or_not():
            self._chain.accept(proposal)
            self._admit_new_keys()

    @property
    def next_root(self) -> str:
        """The file name of the root after the newest."""
        return f"{self._chain.root.version + 1}.root.json"

    def adopt(self, files: Mapping[str, bytes]) -> bool:
        """Go on from newer metadata that these keys signed before the folder was restored from a backup.

        Metadata that is not newer, not complete or not ours changes nothing. `files` are a timestamp and what
        it names, and the next root if there is one. Raises `ConfigurationError` when that root is genuine:
        then keys of this folder may be out of use.
        """
        if self._chain.continues(files.get(self.next_root, b"")):
            raise ConfigurationError(
                f"the hub has {self.next_root}, which is newer than {self.folder}; restore a backup from "
                "after the last change of keys"
            )
        try:
            timestamp = self._verified(Timestamp, files["timestamp.json"], "timestamp")
            snapshot_name = f"{timestamp.snapshot_meta.version}.snapshot.json"
            snapshot = self._verified(Snapshot, files[snapshot_name], "snapshot")
            targets_name = f"{snapshot.meta['targets.json'].version}.targets.json"
            self._verified(Targets, files[targets_name], "targets")
        except (KeyError, DeserializationError, UnsignedMetadataError):
            return False
        if timestamp.version <= self._timestamp.version:
            return False
        with self._whole_or_not():
            for name in (targets_name, snapshot_name, "timestamp.json"):
                write_atomically(self._path(name), files[name])
            self._load()
        return True

    def _verified(self, kind: type[T], data: bytes, role: str) -> T:
        """Metadata signed by the key of its role. Raises `DeserializationError`, `UnsignedMetadataError`."""
        metadata = Metadata[T].from_bytes(data)
        self._chain.root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        if not isinstance(metadata.signed, kind):
            raise UnsignedMetadataError(f"metadata of role {role} has another type")
        return metadata.signed

    def metadata_files(self) -> Mapping[str, bytes]:
        """File name -> bytes, in the order in which they must be made public (timestamp last)."""
        names = [f"{version}.root.json" for version in range(1, self._chain.root.version + 1)]
        names += [f"{self._targets.version}.targets.json", f"{self._snapshot.version}.snapshot.json"]
        return {name: self._path(name).read_bytes() for name in [*names, "timestamp.json"]}

    def _load(self) -> None:
        """Read the metadata that holds. Raises `StateFileBroken`."""
        self._chain.load()
        self._timestamp = self._read(Timestamp, "timestamp.json")
        self._snapshot = self._read(Snapshot, f"{self._timestamp.snapshot_meta.version}.snapshot.json")
        self._targets = self._read(Targets, f"{self._snapshot.meta['targets.json'].version}.targets.json")

    @contextmanager
    def _whole_or_not(self) -> Iterator[None]:
        """Metadata that the disk does not take was never signed: what is on disk holds."""
        try:
            yield
        except OSError:
            self._load()
            raise

    def _make(self) -> None:
        keys = {role: SigningKey.read_or_make(self._key_path(role)).public for role in ONE_KEY_ROLES}
        self._chain.begin(keys)
        self._targets, self._snapshot, self._timestamp = Targets(), Snapshot(), Timestamp()
        for part in (self._targets, self._snapshot, self._timestamp):
            part.version = 0  # writing counts up
        self._renew_targets()

    def _admit_new_keys(self) -> None:
        """Use the keys that the root names, and sign again what others signed; also after a crash.

        Raises `ConfigurationError` for a key that the root does not name.
        """
        for role in ONE_KEY_ROLES:
            new, path = self._key_path(f"{role}.next"), self._key_path(role)
            if new.exists() and self._chain.names(SigningKey.read(new), role):
                new.replace(path)
            if not self._chain.names(SigningKey.read(path), role):
                raise ConfigurationError(
                    f"key {path} is not the one that version {self._chain.root.version} of the root names; "
                    "restore keys and metadata from the same backup"
                )
        if not all(self._holds(role) for role in ONE_KEY_ROLES):
            self._renew_targets()

    def _holds(self, role: str) -> bool:
        """Whether the metadata of a role on disk is signed by the key that the root names."""
        names = {
            "timestamp": "timestamp.json",
            "snapshot": f"{self._snapshot.version}.snapshot.json",
            "targets": f"{self._targets.version}.targets.json",
        }
        metadata: Metadata[Targets] = Metadata.from_bytes(self._path(names[role]).read_bytes())
        signed = metadata.signed_bytes, metadata.signatures
        return self._chain.root.get_verification_result(role, *signed).verified

    def _renew_targets(self) -> None:
        self._targets.version += 1
        self._targets.expires = self._in(self._lifetimes.targets_s)
        self._write(self._targets, f"{self._targets.version}.targets.json", ["targets"])
        self._renew_snapshot()

    def _renew_snapshot(self) -> None:
        self._snapshot.version += 1
        self._snapshot.expires = self._in(self._lifetimes.snapshot_s)
        self._snapshot.meta["targets.json"] = MetaFile(self._targets.version)
        self._write(self._snapshot, f"{self._snapshot.version}.snapshot.json", ["snapshot"])
        self._renew_timestamp()

    def _renew_timestamp(self) -> None:
        self._timestamp.version += 1
        self._timestamp.expires = self._in(self._lifetimes.timestamp_s)
        self._timestamp.snapshot_meta = MetaFile(self._snapshot.version)
        self._write(self._timestamp, "timestamp.json", ["timestamp"])

    def _write(self, signed: T, name: str, key_names: Sequence[str]) -> None:
        metadata = Metadata(signed)
        for key_name in key_names:
            metadata.sign(SigningKey.read(self._key_path(key_name)).signer, append=True)
        write_atomically(self._path(name), metadata.to_bytes())

    def _refuse_lost_timestamp(self) -> None:
        """Without a timestamp there is nothing yet, or the first start was cut short before it."""
        later = [path for path in self._metadata.glob("*.targets.json") if path.name != "1.targets.json"]
        if later:
            raise StateFileBroken(
                f"release metadata {self._path('timestamp.json')} is lost; restore the folder from a backup"
            )

    def _read(self, kind: type[T], name: str) -> T:
        try:
            signed = Metadata[T].from_bytes(read_bytes(self._path(name))).signed
        except (DeserializationError, FileFault):
            signed = None
        if not isinstance(signed, kind):
            raise StateFileBroken(
                f"release metadata {self._path(name)} is lost or damaged; restore the folder from a backup"
            )
        return signed

    def _key_path(self, name: str) -> Path:
        return self._keys / f"{name}.pem"

    def _path(self, name: str) -> Path:
        return self._metadata / name

    def _in(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC) + timedelta(seconds=seconds)

    def _left(self, signed: Signed) -> float:
        return signed.expires.timestamp() - self._clock()


def inspect_repository(folder: Path, *, clock: Callable[[], float] = time.time) -> str:
    """What a folder holds, for a doctor; changes nothing.

    Raises `ConfigurationError` for a key and `StateFileBroken` for metadata that is lost, damaged or expired.
    """
    if not (folder / "metadata").is_dir():
        return f"{folder} is made at the first start"
    for name in (DIRECTOR, *ONE_KEY_ROLES):
        SigningKey.read(folder / "keys" / f"{name}.pem")
    return Repository.open(folder, clock=clock).described
