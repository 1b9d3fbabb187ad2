"""What the cloud has signed and a report may therefore name: digests and classes of releases.

Read from the mirror's metadata, verified from the trust file on with a state of the gate's own; how old the
metadata is does not matter, since nothing is installed by it. What was signed once stays known, on disk:
reports wait at a site longer than a release stays in the metadata.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.gate.mirror import digest_in_order
from messaging.errors import BlobError, ConfigurationError, FileFault, TrustError
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_json
from messaging.trust.site_trust import SiteTrust, TrustedReleases

logger = logging.getLogger(__name__)

_RETRY_S = 30.0
NAMES_FILE = "signed_names.json"
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class SignedNames:
    """Digests of releases (and those that rollout orders name), their embeddings and their classes."""

    digests: frozenset[str] = frozenset()
    embeddings: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()

    def union(self, other: "SignedNames") -> "SignedNames":
        """What either of the two has."""
        return SignedNames(
            self.digests | other.digests, self.embeddings | other.embeddings, self.classes | other.classes
        )


class SignedReleases:
    """The names that the mirror of one site shows. `clock` is monotonic seconds."""

    def __init__(self, folder: Path, mirror: Path, trust: SiteTrust, clock: Callable[[], float]) -> None:
        """Args: a folder of the gate's own for the verified metadata and the names, the mirror, the trust."""
        self._releases = TrustedReleases(folder / "metadata", mirror, trust)
        self._file = folder / NAMES_FILE
        self._mirror, self._clock = mirror, clock
        self._names = _kept(self._file)
        self._seen: Stamp = ()
        self._retry_at_s = 0.0

    def now(self) -> SignedNames:
        """All that was ever signed, as far as this gate has seen it. Raises `OSError`."""
        stamp = self._stamp()
        if stamp and stamp != self._seen and self._clock() >= self._retry_at_s:
            try:
                self._take(self._read())
                self._seen = stamp
            except (TrustError, BlobError, ConfigurationError) as error:
                logger.warning("the mirror's releases are not read yet: %s", error)
                self._retry_at_s = self._clock() + _RETRY_S
        return self._names

    def _read(self) -> SignedNames:
        manifests = self._releases.manifests()
        orders = [path.read_bytes() for path in (self._mirror / "orders").glob("*.json")]
        return SignedNames(
            frozenset({m.digest for m in manifests} | {d for o in orders if (d := digest_in_order(o))}),
            frozenset(m.embedding_digest for m in manifests),
            frozenset(name for m in manifests for name in m.class_names),
        )

    def _take(self, found: SignedNames) -> None:
        if (whole := self._names.union(found)) != self._names:
            lists = {name: sorted(values) for name, values in asdict(whole).items()}
            write_atomically(self._file, json.dumps(lists, indent=1).encode())
            self._names = whole

    def _stamp(self) -> Stamp:
        """Changes with the metadata and the orders; empty while there is no metadata."""
        timestamp = self._mirror / "metadata" / "timestamp.json"
        if not timestamp.exists():
            return ()
        paths = [timestamp, *sorted((self._mirror / "orders").glob("*.json"))]
        return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)


def _kept(path: Path) -> SignedNames:
    """The names that were known before; none if the file is missing or damaged: the mirror has them again."""
    try:
        found = read_json(path) if path.exists() else {}
        return SignedNames(**{name: frozenset(map(str, values)) for name, values in found.items()})
    except (FileFault, TypeError, AttributeError):
        logger.warning("%s cannot be read; signed names are read from the mirror again", path)
        return SignedNames()
