"""A release verified as a site verifies it, from the cloud's own folder. Nothing there is changed.

The chain of roots is followed from its oldest version. Then each role's signatures, versions and expiry are
checked, and the stored bundle is compared with the signed digest.
"""

import tempfile
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


def verification(folder: DataFolder, digest: str, now: float) -> VerificationResource:
    """What a verification of one release finds now, with the fault if there is one."""
    found = VerificationResource(digest=digest, valid=False, verified_at=int(now))
    try:
        roles = read_signatures(folder.releases / "metadata")
        shown = tuple(SignatureResource.model_validate(one) for one in roles)
        found = found.model_copy(update={"signatures": shown})
        manifest = _manifest(folder.releases, digest, int(now))
        bundle = _bundle(folder.models / digest / "model.onnx", manifest)
    except (TrustError, BlobError, ConfigurationError, FileFault) as error:
        return found.model_copy(update={"fault": str(error)})
    signed = ("version", "channel", "evaluation_digest", "synthetic_set_digest")
    values = {name: getattr(manifest, name) for name in signed}
    return found.model_copy(update={**values, "valid": True, "bundle": bundle})


def _manifest(releases: Path, digest: str, now_utc: int) -> ReleaseManifest:
    director = SigningKey.read(releases / "keys" / "director.pem").public
    trust = SiteTrust(read_bytes(root_versions(releases / "metadata")[0]), director)
    with tempfile.TemporaryDirectory() as state:
        return TrustedReleases(Path(state), releases, trust).manifest(digest, now_utc)


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
