"""Releases verified as a site verifies them, from the cloud's own folder. Nothing there is changed.

The chain of roots is followed from its oldest version. Then each role's signatures, versions and expiry are
checked, and the stored bundle is compared with the signed digest.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cloud.settings import DataFolder
from messaging.blobs import digest_of_file
from messaging.errors import BlobError, ConfigurationError, FileFault, TrustError
from messaging.release_resources import SignatureResource, VerificationResource
from messaging.runtime.text_files import read_bytes
from messaging.trust.keys import SigningKey
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.metadata_signatures import read_signatures, root_versions
from messaging.trust.site_trust import SiteTrust, TrustedReleases

SIGNED, NOT_STORED = "as signed", "not stored here"
_FAULTS = (TrustError, BlobError, ConfigurationError, FileFault)


def verification(folder: DataFolder, digest: str, now: float) -> VerificationResource:
    """What a verification of one release finds now, with the fault if there is one."""
    return verifications(folder, [digest], now)[0]


def verifications(folder: DataFolder, digests: Sequence[str], now: float) -> list[VerificationResource]:
    """What a verification of each release finds now; what they share is read and verified once."""
    shown: tuple[SignatureResource, ...] = ()
    try:
        roles = read_signatures(folder.releases / "metadata")
        shown = tuple(SignatureResource.model_validate(one) for one in roles)
        with tempfile.TemporaryDirectory() as state:
            trusted = _trusted(folder.releases, Path(state))
            return [_verified(folder, trusted, one, shown, int(now)) for one in digests]
    except _FAULTS as error:
        return [_faulty(one, str(error), shown, int(now)) for one in digests]


def _verified(
    folder: DataFolder,
    trusted: TrustedReleases,
    digest: str,
    signatures: tuple[SignatureResource, ...],
    now_utc: int,
) -> VerificationResource:
    try:
        manifest = trusted.manifest(digest, now_utc)
        bundle = _bundle(folder.models / digest / "model.onnx", manifest)
    except _FAULTS as error:
        return _faulty(digest, str(error), signatures, now_utc)
    return VerificationResource(
        digest=digest,
        valid=True,
        verified_at=now_utc,
        version=manifest.version,
        channel=manifest.channel,
        bundle=bundle,
        evaluation_digest=manifest.evaluation_digest,
        synthetic_set_digest=manifest.synthetic_set_digest,
        signatures=signatures,
    )


def _faulty(
    digest: str, fault: str, signatures: tuple[SignatureResource, ...], now_utc: int
) -> VerificationResource:
    return VerificationResource(
        digest=digest, valid=False, fault=fault, verified_at=now_utc, signatures=signatures
    )


def _trusted(releases: Path, state: Path) -> TrustedReleases:
    director = SigningKey.read(releases / "keys" / "director.pem").public
    trust = SiteTrust(read_bytes(root_versions(releases / "metadata")[0]), director)
    return TrustedReleases(state, releases, trust)


def _bundle(path: Path, manifest: ReleaseManifest) -> str:
    """Whether the bundle is stored. Raises `TrustError` if it is another one than was signed."""
    if not path.exists():
        return NOT_STORED
    if digest_of_file(path) != manifest.digest:
        raise TrustError(
            f"what is stored as bundle {manifest.digest[:12]} is not the signed bundle: its digest differs; "
            "restore it from a backup",
            "wrong_digest",
        )
    return SIGNED
