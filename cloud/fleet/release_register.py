"""Entering signed releases in the store, so that API, campaigns and rollouts find them.

A release that the cloud signed by itself gets an entry in the audit log, in the transaction of the release.
"""

from collections.abc import Mapping
from typing import Any

from cloud.fleet.rollout_driver import CLOUD
from cloud.store.access_records import AuditEntry
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
    requested: bool = False,
) -> None:
    """Store a signed release with its bundle description (JSON values); `campaign` made it, if any did.

    `requested`: a request asked for it, whose entry in the audit log names the person. `signed_at`: seconds
    since 1970.
    """
    release = Release(
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
    releases.put_release(release, None if requested else _audit_entry(releases, release))


def _audit_entry(releases: ReleaseStore, release: Release) -> AuditEntry:
    """What the cloud or a campaign signed; before: the release of the same bundle for its other channel."""
    others = [r for r in releases.releases() if r.digest == release.digest and r.channel != release.channel]
    return AuditEntry(
        at_utc=release.signed_at,
        user=CLOUD if release.campaign is None else f"campaign {release.campaign}",
        address="",
        action=f"sign for {release.channel}",
        object=f"model {release.digest[:12]}",
        status=200,
        before=_shown(others[0]) if others else None,
        after=_shown(release),
    )


def _shown(release: Release) -> dict[str, Any]:
    return {
        "digest": release.digest,
        "name": release.name,
        "role": str(release.role),
        "channel": str(release.channel),
        "version": release.version,
    }
