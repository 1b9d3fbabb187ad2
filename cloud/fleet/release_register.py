"""Entering signed releases in the store, so that API, campaigns and rollouts find them."""

from collections.abc import Mapping

from cloud.store.records import Release
from cloud.store.release_store import ReleaseStore
from messaging.trust.manifest import ReleaseManifest


def record_release(
    releases: ReleaseStore,
    manifest: ReleaseManifest,
    description: Mapping[str, object],
    *,
    campaign: str | None,
    signed_at: float,
) -> None:
    """Store a signed release with its bundle description (JSON values); `campaign` made it, if any did."""
    releases.put_release(
        Release(
            digest=manifest.digest,
            channel=manifest.channel,
            name=manifest.name,
            version=manifest.version,
            length_bytes=manifest.length_bytes,
            parent_digest=manifest.parent_digest,
            campaign=campaign,
            description=description,
            signed_at=int(signed_at),
            role=manifest.role,
        )
    )
