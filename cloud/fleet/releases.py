"""Signs releases: a detector bundle for channel `trial`, later, after its shadow runs, for `service`.

A teacher is signed for `service` at once: a person decides about it, and it reports nothing by itself.

Bundles are stored as blobs, metadata and orders under names, through seams given as arguments. Every step
may be repeated after a crash: signing happens once, storing happens again. Nothing here evaluates a model;
what a campaign asks to sign must pass the promotion gate, which is given as an argument.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from cloud.errors import NotKnown, NotNow, WeightsRefused
from messaging.blobs import Blobs, digest_of
from messaging.releases import BundleDescription, Channel, Role, RolloutOrder, order_key
from messaging.trust.manifest import MAX_BUNDLE_BYTES, ReleaseManifest
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository
from messaging.trust.tickets import DowngradeTicket
from messaging.trust.verdict_requests import OpenRequests, sign_requests

logger = logging.getLogger(__name__)

PutNamed = Callable[[str, bytes], Awaitable[None]]
Gate = Callable[[str, str, Channel], None]  # campaign, digest, channel; raises for what is not to be signed


class Releases:
    """The releases of a fleet, fetched by every site's gate. One instance per repository.

    Args:
        repository: signs the metadata and holds the keys.
        blobs: store of bundles and evaluation reports.
        put_metadata: publishes one metadata file, by file name.
        put_order: publishes one site's order, by `order_key` of site and role.
        gate: raises for a release of a campaign without the evaluation that its channel needs.
    """

    def __init__(
        self, repository: Repository, blobs: Blobs, *, put_metadata: PutNamed, put_order: PutNamed, gate: Gate
    ) -> None:
        self._repository = repository
        self._blobs = blobs
        self._put_metadata = put_metadata
        self._put_order = put_order
        self._gate = gate
        self._publishing = asyncio.Lock()

    def all(self) -> dict[str, ReleaseManifest]:
        """Every release by digest."""
        return self._repository.releases()

    async def publish_first(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign the starting detector for service without a trial: there is no incumbent yet.

        Raises `NotNow` when the fleet has another detector.
        """
        detectors = {digest for digest, known in self.all().items() if known.role is Role.DETECTOR}
        others = detectors - {digest_of(bundle)}
        if others:
            raise NotNow(
                f"the fleet has {len(others)} other releases; a later detector must go through its trial"
            )
        return await self._publish(bundle, description, Channel.SERVICE)

    async def publish_teacher(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign a teacher for service. Raises `NotNow` when the same bundle is released as a detector."""
        known = self.all().get(digest_of(bundle))
        if known is not None and known.role is not Role.TEACHER:
            raise NotNow(
                f"bundle {known.digest[:12]} is released as a {known.role}; a detector confirms its own "
                "errors, so give a teacher that is another network"
            )
        return await self._publish(bundle, description, Channel.SERVICE, role=Role.TEACHER)

    async def publish_trial(
        self,
        bundle: bytes,
        description: BundleDescription,
        *,
        campaign: str,
        evaluation: bytes,
        synthetic_set_digest: str | None = None,
    ) -> ReleaseManifest:
        """Sign a bundle for shadow runs; the evaluation report is stored and named in the manifest.

        Repeating it with the same bundle returns the first manifest. Raises what the gate raises.
        """
        await asyncio.to_thread(self._gate, campaign, digest_of(bundle), Channel.TRIAL)
        evaluation_digest = await self._blobs.put(evaluation)
        return await self._publish(
            bundle,
            description,
            Channel.TRIAL,
            evaluation_digest=evaluation_digest,
            synthetic_set_digest=synthetic_set_digest,
        )

    async def promote(self, digest: str, *, campaign: str) -> ReleaseManifest:
        """Sign a trial release of a campaign for service.

        Raises `NotKnown` when it was never released for trial, and what the gate raises.
        """
        known = self.all().get(digest)
        if known is None:
            raise NotKnown(f"bundle {digest[:12]} was never released for trial; publish it first")
        await asyncio.to_thread(self._gate, campaign, digest, Channel.SERVICE)
        manifest = known.model_copy(update={"channel": Channel.SERVICE})
        self._repository.publish(manifest)
        await self.publish_metadata()
        logger.info("release %s (version %d) is signed for service", digest[:12], manifest.version)
        return manifest

    def ticket(self, digest: str) -> DowngradeTicket | None:
        """The downgrade ticket of a release, if it has one."""
        return self._repository.ticket(digest)

    async def sign_ticket(self, digest: str, sites: Sequence[str], expires_at_utc: int) -> DowngradeTicket:
        """Permit sites (none named: all) to go back to a release. Raises `ConfigurationError`."""
        ticket = self._repository.sign_ticket(digest, sites, expires_at_utc)
        await self.publish_metadata()
        logger.info("downgrade ticket %d for release %s is signed", ticket.number, digest[:12])
        return ticket

    async def withdraw_ticket(self, digest: str) -> DowngradeTicket:
        """Permit no further site to go back to a release. Raises `NotKnown` if it has no ticket."""
        if self._repository.ticket(digest) is None:
            raise NotKnown(f"release {digest[:12]} has no downgrade ticket to withdraw")
        ticket = self._repository.withdraw_ticket(digest)
        await self.publish_metadata()
        logger.info("downgrade ticket %d for release %s is withdrawn", ticket.number, digest[:12])
        return ticket

    async def refresh_timestamp(self) -> None:
        """Sign and publish a new timestamp; must be called well within the timestamp's lifetime."""
        self._repository.refresh_timestamp()
        await self.publish_metadata()

    async def publish_metadata(self) -> None:
        """Publish all metadata files, the timestamp last."""
        async with self._publishing:  # so that none is replaced by an older one
            for name, data in self._repository.metadata_files().items():
                await self._put_metadata(name, data)

    async def publish_again(self, bundle: Callable[[str], bytes]) -> None:
        """Store the released bundles that are absent, then all metadata; `bundle` reads one by digest."""
        for digest in self.all():
            if await self._blobs.has(digest):
                continue
            try:
                await self._blobs.put(await asyncio.to_thread(bundle, digest))
            except NotKnown as error:
                logger.error("a released bundle cannot be published again: %s", error)
        await self.publish_metadata()

    async def send(self, order: RolloutOrder) -> None:
        """Sign an order and publish it for its site."""
        envelope = sign_order(order, self._repository.director)
        await self._put_order(order_key(order.site, order.role), envelope)

    def signed_requests(self, requests: OpenRequests) -> bytes:
        """The envelope of a site's verdict requests."""
        return sign_requests(requests, self._repository.director)

    async def _publish(
        self,
        bundle: bytes,
        description: BundleDescription,
        channel: Channel,
        *,
        role: Role = Role.DETECTOR,
        evaluation_digest: str | None = None,
        synthetic_set_digest: str | None = None,
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
            role=role,
            version=1
            + max([self._repository.release_floor, *(release.version for release in self.all().values())]),
            evaluation_digest=evaluation_digest,
            synthetic_set_digest=synthetic_set_digest,
        )
        self._repository.publish(manifest)
        await self.publish_metadata()
        logger.info(
            "%s %s signed for %s, version %d", manifest.role, digest[:12], manifest.channel, manifest.version
        )
        return manifest
