"""Who has signed the release metadata in a folder, for people: roles, thresholds, keys, expiry. Only reads.

Whether a release may be installed is decided by `site_trust` alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from messaging.errors import ConfigurationError
from messaging.runtime.text_files import read_bytes
from messaging.trust.root_metadata import read_root

T = TypeVar("T", Snapshot, Targets, Timestamp)


@dataclass(frozen=True)
class RoleSignatures:
    """The newest metadata of one role.

    Attributes:
        threshold: how many of the role's keys must have signed it.
        keys: ids of the keys that the newest root names for the role.
        signed_by: those of them whose signature is valid.
    """

    role: str
    version: int
    expires_at_utc: int
    threshold: int
    keys: tuple[str, ...]
    signed_by: tuple[str, ...]


def root_versions(metadata: Path) -> list[Path]:
    """The files of the root, oldest version first. Raises `ConfigurationError` without one."""
    named = {path.name.split(".")[0]: path for path in metadata.glob("*.root.json")}
    found = [named[number] for number in sorted((n for n in named if n.isdigit()), key=int)]
    if not found:
        raise ConfigurationError(f"{metadata} holds no release metadata; start the cloud once to make it")
    return found


def read_signatures(metadata: Path) -> tuple[RoleSignatures, ...]:
    """The signatures of root, targets, snapshot and timestamp, each the newest.

    Raises `ConfigurationError` for files that are not release metadata, `FileFault` for those that cannot be
    read.
    """
    newest = root_versions(metadata)[-1]
    root = read_root(read_bytes(newest), str(newest))
    timestamp = _read(Timestamp, metadata / "timestamp.json")
    snapshot = _read(Snapshot, metadata / f"{timestamp.signed.snapshot_meta.version}.snapshot.json")
    targets = _read(Targets, metadata / f"{snapshot.signed.meta['targets.json'].version}.targets.json")
    return (
        _signatures("root", root.signed, root),
        _signatures("targets", root.signed, targets),
        _signatures("snapshot", root.signed, snapshot),
        _signatures("timestamp", root.signed, timestamp),
    )


def _read(kind: type[T], path: Path) -> Metadata[T]:
    try:
        found = Metadata[T].from_bytes(read_bytes(path))
    except DeserializationError:
        found = None
    if found is None or not isinstance(found.signed, kind):
        raise ConfigurationError(f"{path} is not release metadata; restore the folder from a backup")
    return found


def _signatures(role: str, root: Root, part: Metadata[Any]) -> RoleSignatures:
    result = root.get_verification_result(role, part.signed_bytes, part.signatures)
    return RoleSignatures(
        role=role,
        version=part.signed.version,
        expires_at_utc=int(part.signed.expires.timestamp()),
        threshold=result.threshold,
        keys=tuple(sorted(root.roles[role].keyids)),
        signed_by=tuple(sorted(result.signed)),
    )
