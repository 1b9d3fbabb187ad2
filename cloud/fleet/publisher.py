"""Blocking calls by which the cloud's threads sign releases and send orders on the event loop.

Stages and the API run in threads, while the hub connection and the signing repository belong to the event
loop. This is the only module that crosses between them; every call waits for its result, for a limited time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from cloud.fleet.releases import Releases
from messaging.bus import Bus
from messaging.errors import WireUnavailable
from messaging.nats.subjects import REQUESTS, WAKE, command_subject
from messaging.releases import BundleDescription, RolloutOrder
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.tickets import DowngradeTicket
from messaging.trust.verdict_requests import OpenRequests

T = TypeVar("T")
TIMEOUT_S = 60.0


class Publisher:
    """Signs and sends for threads; never called on the event loop itself, which would deadlock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, releases: Releases, bus: Bus) -> None:
        self._loop, self._releases, self._bus = loop, releases, bus

    def publish_first(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign the starting detector for service."""
        return self._wait(lambda: self._releases.publish_first(bundle, description))

    def publish_teacher(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign a teacher for service. Raises `NotNow`."""
        return self._wait(lambda: self._releases.publish_teacher(bundle, description))

    def publish_trial(
        self,
        bundle: bytes,
        description: BundleDescription,
        *,
        campaign: str,
        evaluation: bytes,
        synthetic_set_digest: str | None = None,
    ) -> ReleaseManifest:
        """Sign a candidate for shadow runs."""
        return self._wait(
            lambda: self._releases.publish_trial(
                bundle,
                description,
                campaign=campaign,
                evaluation=evaluation,
                synthetic_set_digest=synthetic_set_digest,
            )
        )

    def promote(self, digest: str, *, campaign: str) -> ReleaseManifest:
        """Sign a trial release of a campaign for service."""
        return self._wait(lambda: self._releases.promote(digest, campaign=campaign))

    def ticket(self, digest: str) -> DowngradeTicket | None:
        """The downgrade ticket of a release, if it has one."""

        async def ticket() -> DowngradeTicket | None:
            return self._releases.ticket(digest)

        return self._wait(ticket)

    def sign_ticket(self, digest: str, sites: Sequence[str], expires_at_utc: int) -> DowngradeTicket:
        """Permit sites (none named: all) to go back to a release."""
        return self._wait(lambda: self._releases.sign_ticket(digest, sites, expires_at_utc))

    def withdraw_ticket(self, digest: str) -> DowngradeTicket:
        """Permit no further site to go back to a release. Raises `NotKnown` if it has no ticket."""
        return self._wait(lambda: self._releases.withdraw_ticket(digest))

    def refresh_timestamp(self) -> None:
        """Sign a new timestamp, which shows sites that the metadata is fresh."""
        self._wait(self._releases.refresh_timestamp)

    def send(self, order: RolloutOrder) -> None:
        """Publish an order for its site, with a hint so that the site fetches it at once."""

        async def send() -> None:
            await self._releases.send(order)
            await self._bus.hint(command_subject(order.site, WAKE))

        self._wait(send)

    def ask(self, requests: OpenRequests) -> None:
        """Publish the open verdict requests of a site, with a hint so that it fetches them at once."""

        async def ask() -> None:
            await self._bus.put_latest(REQUESTS, requests.site, self._releases.signed_requests(requests))
            await self._bus.hint(command_subject(requests.site, WAKE))

        self._wait(ask)

    def _wait(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        future = asyncio.run_coroutine_threadsafe(make(), self._loop)
        try:
            return future.result(TIMEOUT_S)
        except TimeoutError:
            future.cancel()
            raise WireUnavailable(f"the hub did not answer within {TIMEOUT_S:.0f} s; try again") from None
