"""Verdict -> signed release: first for `trial`, then, after the edge's word, for `service`.

Bundles go to the blobs, metadata and orders to named places, through seams given as arguments. Every step
may be repeated after a crash: what is signed is signed once, what is stored is stored again. Nothing here
judges a model; whoever calls has the verdict.
"""

import logging
from collections.abc import Awaitable, Callable

from cloud.errors import NotKnown, NotNow, WeightsRefused
from messaging.blobs import Blobs, digest_of
from messaging.releases import BundleDescription, Channel, RolloutOrder
from messaging.trust.manifest import MAX_BUNDLE_BYTES, ReleaseManifest
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository

logger = logging.getLogger(__name__)

PutNamed = Callable[[str, bytes], Awaitable[None]]


class Releases:
    """The releases of a fleet: signed here, fetched by every site's gate. One instance a repository."""

    def __init__(
        self, repository: Repository, blobs: Blobs, *, put_metadata: PutNamed, put_order: PutNamed
    ) -> None:
        """Set up.

        Args:
            repository: what signs.
            blobs: where bundles and evaluation reports go.
            put_metadata: makes one metadata file public, by file name.
            put_order: makes one site's order public, by site name.
        """
        self._repository = repository
        self._blobs = blobs
        self._put_metadata = put_metadata
        self._put_order = put_order

    def all(self) -> dict[str, ReleaseManifest]:
        """Every release by digest."""
        return self._repository.releases()

    async def publish_first(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign the starting detector straight for service: there is nothing yet to be better than.

        Raises `NotNow` when another release is there already.
        """
        others = set(self.all()) - {digest_of(bundle)}
        if others:
            raise NotNow(
                f"the fleet has {len(others)} other releases; a later detector must go through its trial"
            )
        return await self._publish(bundle, description, Channel.SERVICE, None, None)

    async def publish_trial(
        self,
        bundle: bytes,
        description: BundleDescription,
        *,
        evaluation: bytes,
        synthetic_set_digest: str | None = None,
    ) -> ReleaseManifest:
        """Sign a bundle for shadow runs; the evaluation report is stored and named in the manifest.

        Calling it again with the same bundle returns what was signed the first time.
        """
        evaluation_digest = await self._blobs.put(evaluation)
        return await self._publish(
            bundle, description, Channel.TRIAL, evaluation_digest, synthetic_set_digest
        )

    async def promote(self, digest: str) -> ReleaseManifest:
        """Sign a trial release for service. Raises `NotKnown` when it was never in trial."""
        known = self.all().get(digest)
        if known is None:
            raise NotKnown(f"bundle {digest[:12]} was never released for trial; publish it first")
        manifest = known.model_copy(update={"channel": Channel.SERVICE})
        self._repository.publish(manifest)
        await self.publish_metadata()
        logger.info("release %s (version %d) may serve", digest[:12], manifest.version)
        return manifest

    async def refresh_timestamp(self) -> None:
        """Sign a new timestamp and make it public; due well within its lifetime."""
        self._repository.refresh_timestamp()
        await self.publish_metadata()

    async def publish_metadata(self) -> None:
        """Make all metadata public, timestamp last."""
        for name, data in self._repository.metadata_files().items():
            await self._put_metadata(name, data)

    async def send(self, order: RolloutOrder) -> None:
        """Sign an order and put it where the site looks."""
        await self._put_order(order.site, sign_order(order, self._repository.director))

    async def _publish(
        self,
        bundle: bytes,
        description: BundleDescription,
        channel: Channel,
        evaluation_digest: str | None,
        synthetic_set_digest: str | None,
    ) -> ReleaseManifest:
        if not 0 < len(bundle) <= MAX_BUNDLE_BYTES:
            raise WeightsRefused(f"bundle has {len(bundle)} bytes; 1 to {MAX_BUNDLE_BYTES} are allowed")
        digest = await self._blobs.put(bundle)
        known = self.all().get(digest)
        manifest = known or ReleaseManifest.of(
            description,
            digest=digest,
            length_bytes=len(bundle),
            channel=channel,
            version=1 + max((release.version for release in self.all().values()), default=0),
            evaluation_digest=evaluation_digest,
            synthetic_set_digest=synthetic_set_digest,
        )
        self._repository.publish(manifest)
        await self.publish_metadata()
        logger.info("release %s signed for %s, version %d", digest[:12], manifest.channel, manifest.version)
        return manifest
