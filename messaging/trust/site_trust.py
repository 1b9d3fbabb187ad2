"""What a site trusts: its trust file, and releases checked by the TUF client workflow.

The mirror folder is untrusted: its writer may withhold, replay, mix or forge. Signatures, versions,
expiry, lengths and digests are checked here, against state that the site keeps in a folder of its own, and
in that order; bytes of weights are returned only if length and digest are the signed ones. Time is an
argument.
"""

import base64
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from messaging.blobs import digest_of
from messaging.errors import BlobError, ConfigurationError, FileFault, TrustError
from messaging.runtime.atomic_files import make_folder, sync_tree
from messaging.runtime.text_files import read_bytes
from messaging.trust.keys import PublicKey
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.tickets import TICKET_FIELD, DowngradeTicket, read_ticket

CHUNK_BYTES = 128 * 1024
_KEY_BYTES = 32
BASE_URL = "mirror:///metadata/"


@dataclass(frozen=True)
class SiteTrust:
    """What a site is given when it is enrolled: root metadata and the director's public key."""

    root_bytes: bytes
    director: PublicKey

    @classmethod
    def read(cls, path: Path) -> Self:
        """The site's trust file. Raises `ConfigurationError`: its path, what is wrong, and the remedy."""
        try:
            return cls.from_bytes(read_bytes(path))
        except FileFault as error:
            raise ConfigurationError(f"{error}; enrol the site with `blindspot sites add`") from None
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None

    def to_bytes(self) -> bytes:
        """The trust file."""
        parts = {
            "root": base64.b64encode(self.root_bytes).decode("ascii"),
            "director": {"key_id": self.director.key_id, "public_hex": self.director.public_hex},
        }
        return json.dumps(parts, sort_keys=True, indent=1).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the trust file. Raises `ConfigurationError` when it is not one."""
        trust = None
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError, DeserializationError):
            parts = json.loads(data)
            director = PublicKey(str(parts["director"]["key_id"]), str(parts["director"]["public_hex"]))
            whole = cls(base64.b64decode(parts["root"], validate=True), director)
            if len(bytes.fromhex(director.public_hex)) == _KEY_BYTES and whole.root_expires:
                trust = whole
        if trust is None:
            what = "is not a site's trust file" if data.strip() else "is empty"
            raise ConfigurationError(f"it {what}; enrol the site again to get a new one")
        return trust

    @property
    def root_expires(self) -> datetime:
        """When the root metadata expires. Raises `DeserializationError` for another content."""
        return Metadata[Root].from_bytes(self.root_bytes).signed.expires


class TrustedReleases:
    """Releases as a mirror folder offers them, used only as far as the site's own state allows.

    One instance may use a state folder at a time.
    """

    def __init__(self, folder: Path, mirror: Path, trust: SiteTrust) -> None:
        """Args: the site's own state folder, the mirror (`metadata/`, `targets/`), the trust file."""
        self._folder = folder
        self._mirror = mirror
        self._trust = trust
        self._durable: list[int] = []
        make_folder(folder)

    def manifest(self, digest: str, now_utc: int) -> ReleaseManifest:
        """The signed manifest of a release. Raises as `signed` does."""
        return self.signed(digest, now_utc)[0]

    def signed(self, digest: str, now_utc: int) -> tuple[ReleaseManifest, DowngradeTicket | None]:
        """The signed manifest of a release and its downgrade ticket, by the newest metadata of the mirror.

        Raises:
            TrustError: with the reason that a receipt states; nothing that was verified before is lost.
            BlobError: the mirror is not complete yet; ask again later.
        """
        try:
            updater = self._updater(now_utc)
            updater.refresh()
            target = updater.get_targetinfo(digest)
        except exceptions.DownloadHTTPError as error:
            raise BlobError(f"the mirror lacks a metadata file: {error}") from None
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            raise _translated(error) from error
        self._make_durable()
        if target is None or target.hashes != {"sha256": digest}:
            raise TrustError(f"release {digest[:12]} is not among the signed releases", "unknown_release")
        fields = target.unrecognized_fields
        manifest = ReleaseManifest.from_target(digest, target.length, fields.get("custom"))
        return manifest, read_ticket(fields.get(TICKET_FIELD), f"release {digest[:12]}")

    def manifests(self) -> tuple[ReleaseManifest, ...]:
        """All signed releases, whatever the age of the metadata. Raises as `signed` does.

        For what only asks which releases have ever been signed; nothing may be installed by it.
        """
        try:
            updater = self._updater(0)
            updater.refresh()
        except exceptions.DownloadHTTPError as error:
            raise BlobError(f"the mirror lacks a metadata file: {error}") from None
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            raise _translated(error) from error
        self._make_durable()
        targets = updater._trusted_set.targets.targets  # noqa: SLF001  # python-tuf lists them nowhere else
        found = []
        for digest, target in targets.items():
            with contextlib.suppress(TrustError):  # of a later version of this program
                custom = target.unrecognized_fields.get("custom")
                found.append(ReleaseManifest.from_target(digest, target.length, custom))
        return tuple(found)

    def weights(self, manifest: ReleaseManifest) -> bytes:
        """Bytes of a release from the mirror; at most one byte more than was signed is ever read.

        Raises:
            TrustError: wrong length or digest.
            BlobError: the mirror does not have them yet.
        """
        path = self._mirror / "targets" / manifest.digest
        try:
            data = b"".join(_chunks(path, manifest.length_bytes + 1))
        except FileNotFoundError:
            raise BlobError(f"the mirror lacks the weights {manifest.digest[:12]}") from None
        except OSError as error:
            raise BlobError(f"weights {manifest.digest[:12]} cannot be read: {error}") from None
        return checked_weights(data, manifest)

    def _updater(self, now_utc: int) -> Updater:
        updater = Updater(
            str(self._folder),
            BASE_URL,
            fetcher=_FolderFetcher(self._mirror / "metadata"),
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=self._trust.root_bytes,
        )
        # python-tuf offers no other way to set its time, and ours may not be the wall clock
        updater._trusted_set.reference_time = datetime.fromtimestamp(now_utc, UTC)  # noqa: SLF001
        return updater

    def _make_durable(self) -> None:
        """Fsync what python-tuf wrote: versions already seen must survive a power cut."""
        stamp = [path.stat().st_mtime_ns for path in sorted(self._folder.rglob("*.json"))]
        if stamp == self._durable:
            return
        sync_tree(self._folder)
        self._durable = stamp


def checked_weights(data: bytes, manifest: ReleaseManifest) -> bytes:
    """The data, if length and digest are those that were signed. Raises `TrustError`."""
    if len(data) != manifest.length_bytes:
        raise TrustError(
            f"weights {manifest.digest[:12]} have {len(data)} bytes or more; signed: {manifest.length_bytes}",
            "wrong_length",
        )
    if digest_of(data) != manifest.digest:
        raise TrustError(
            f"weights {manifest.digest[:12]} have the digest {digest_of(data)[:12]}; they were changed",
            "wrong_digest",
        )
    return data


class _FolderFetcher(FetcherInterface):
    """Reads metadata from the mirror; an absent file is what HTTP calls 404."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self._folder / url.removeprefix(BASE_URL)
        if not path.exists():
            raise exceptions.DownloadHTTPError(f"{path.name} is not in the mirror", 404)
        return self._translated_chunks(path)

    def _translated_chunks(self, path: Path) -> Iterator[bytes]:
        try:
            yield from _chunks(path, None)
        except OSError as error:
            raise exceptions.DownloadError(f"{path.name} cannot be read: {error}") from error


def _chunks(path: Path, limit_bytes: int | None) -> Iterator[bytes]:
    """A regular file in pieces, at most `limit_bytes`; links, pipes and devices are refused."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        left = limit_bytes
        while chunk := file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
            if left is not None:
                left -= len(chunk)
            yield chunk


def _translated(error: Exception) -> TrustError | BlobError:
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.ExpiredMetadataError, "expired"),
        (exceptions.BadVersionNumberError, "older_version"),
        (exceptions.DownloadLengthMismatchError, "wrong_length"),
        (exceptions.LengthOrHashMismatchError, "wrong_digest"),
        (exceptions.RepositoryError, "bad_signature"),
    )
    for kind, reason in reasons:
        if isinstance(error, kind):
            return TrustError(f"the mirror's release metadata is refused ({reason}): {error}", reason)
    return BlobError(f"the mirror's release metadata cannot be read: {error}")
