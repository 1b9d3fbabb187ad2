"""The chain of root metadata in a folder, version after version, and the root keys that are on this machine.

Sites follow the chain from the root that they were given: each version is signed by enough root keys of the
one before and of its own. A fresh chain has one root key, on this machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Root

from messaging.errors import ConfigurationError, FileFault, StateFileBroken
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_bytes
from messaging.trust.keys import PublicKey, SigningKey
from messaging.trust.root_metadata import check_root, propose_root, read_root, sign_root

ROOT = "root"


@dataclass(frozen=True)
class Lifetimes:
    """How long each role's metadata holds, in seconds. Sites keep what they run when it has expired."""

    root_s: int = 3 * 365 * 86400
    targets_s: int = 365 * 86400
    snapshot_s: int = 14 * 86400
    timestamp_s: int = 86400


class RootChain:
    """Reads and extends the chain; `load` or `begin` comes first."""

    def __init__(self, metadata: Path, keys: Path, clock: Callable[[], float], lifetime_s: int) -> None:
        self._metadata, self._keys = metadata, keys
        self._clock, self._lifetime_s = clock, lifetime_s
        self.newest = b""
        self.root = Root()

    def load(self) -> None:
        """Read the newest version. Raises `StateFileBroken`."""
        roots = [path for path in self._metadata.glob("*.root.json") if path.name.split(".")[0].isdigit()]
        path = max(roots, key=_version) if roots else self._path(1)
        try:
            self.newest = read_bytes(path)
            self.root = read_root(self.newest, str(path)).signed
        except (ConfigurationError, FileFault):
            raise StateFileBroken(
                f"release metadata {path} is lost or damaged; restore the folder from a backup"
            ) from None

    def begin(self, role_keys: Mapping[str, PublicKey]) -> None:
        """Write version 1 with one root key, made here, and the keys of the other roles."""
        own = SigningKey.read_or_make(self._own_key)
        root = Root(expires=self._end(), consistent_snapshot=True)
        for role, key in {ROOT: own.public, **role_keys}.items():
            root.add_key(key.tuf_key, role)
        self._write(root, sign_root(Metadata(root).to_bytes(), own))

    def propose(
        self,
        *,
        root_keys: Sequence[PublicKey] = (),
        threshold: int = 0,
        role_keys: Mapping[str, PublicKey] | None = None,
    ) -> bytes:
        """The next version, signed by the root keys on this machine only. Raises `ConfigurationError`."""
        data = propose_root(
            self.newest,
            expires_at_utc=int(self._end().timestamp()),
            root_keys=root_keys,
            threshold=threshold,
            role_keys=role_keys,
        )
        for key in self.keys_here():
            data = sign_root(data, key)
        return data

    def accept(self, proposal: bytes) -> None:
        """Add a version that is signed by enough keys, and remove root keys here that it retires.

        Raises `ConfigurationError`.
        """
        root, before = check_root(self.newest, proposal), self._paths_here()
        self._write(root, proposal)
        for path in before - self._paths_here():
            path.unlink()

    def continues(self, data: bytes) -> bool:
        """Whether bytes are a genuine next version."""
        try:
            check_root(self.newest, data)
        except ConfigurationError:
            return False
        return True

    def names(self, key: SigningKey, role: str) -> bool:
        """Whether the newest root names this key for a role."""
        return key.public.key_id in self.root.roles[role].keyids

    def keys_here(self) -> list[SigningKey]:
        """The root keys on this machine that the newest root names."""
        return [SigningKey.read(path) for path in sorted(self._paths_here())]

    def refuse_lost_keys(self) -> None:
        """Raise `ConfigurationError` when some but too few root keys are here, or the only one is not."""
        needed, here = self.root.roles[ROOT].threshold, len(self.keys_here())
        if here < needed and (here or needed == 1):
            raise ConfigurationError(
                f"{here} of the {needed} root keys that must sign are there, such as {self._own_key}; "
                "restore it from a backup"
            )

    def _write(self, root: Root, data: bytes) -> None:
        write_atomically(self._path(root.version), data)
        self.newest, self.root = data, root

    @property
    def _own_key(self) -> Path:
        return self._keys / f"{ROOT}.pem"

    def _paths_here(self) -> set[Path]:
        paths = self._keys.glob(f"{ROOT}*.pem")
        return {path for path in paths if self.names(SigningKey.read(path), ROOT)}

    def _path(self, version: int) -> Path:
        return self._metadata / f"{version}.root.json"

    def _end(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()) + self._lifetime_s, UTC)


def _version(path: Path) -> int:
    return int(path.name.split(".")[0])
