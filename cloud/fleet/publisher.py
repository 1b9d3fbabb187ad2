"""From the cloud's threads to the hub: releases signed and sent on the one event loop that owns the link.

Stages and the API run in threads, the broker's connection and the signing repository belong to the loop;
this is the one place where a thread crosses over. Every call waits for its end, with a time limit.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cloud.fleet.releases import Releases
from messaging.bus import Bus
from messaging.errors import WireUnavailable
from messaging.nats.subjects import WAKE, command_subject
from messaging.releases import BundleDescription, RolloutOrder
from messaging.trust.manifest import ReleaseManifest

T = TypeVar("T")
PATIENCE_S = 60.0


class Publisher:
    """Blocking calls for threads; never to be called on the loop itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop, releases: Releases, bus: Bus) -> None:
        self._loop, self._releases, self._bus = loop, releases, bus

    def publish_first(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        """Sign the starting detector for service."""
        return self._wait(lambda: self._releases.publish_first(bundle, description))

    def publish_trial(
        self,
        bundle: bytes,
        description: BundleDescription,
        *,
        evaluation: bytes,
        synthetic_set_digest: str | None = None,
    ) -> ReleaseManifest:
        """Sign a candidate for shadow runs."""
        return self._wait(
            lambda: self._releases.publish_trial(
                bundle, description, evaluation=evaluation, synthetic_set_digest=synthetic_set_digest
            )
        )

    def promote(self, digest: str) -> ReleaseManifest:
        """Sign a trial release for service."""
        return self._wait(lambda: self._releases.promote(digest))

    def refresh_timestamp(self) -> None:
        """Sign a new timestamp, so that sites know the metadata is fresh."""
        self._wait(self._releases.refresh_timestamp)

    def manifests(self) -> dict[str, ReleaseManifest]:
        """Every release by digest."""

        async def read() -> dict[str, ReleaseManifest]:
            return self._releases.all()

        return self._wait(read)

    def send(self, order: RolloutOrder) -> None:
        """Put an order where its site looks, and wake the site up."""

        async def send() -> None:
            await self._releases.send(order)
            await self._bus.hint(command_subject(order.site, WAKE))

        self._wait(send)

    def _wait(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        future = asyncio.run_coroutine_threadsafe(make(), self._loop)
        try:
            return future.result(PATIENCE_S)
        except TimeoutError:
            future.cancel()
            raise WireUnavailable(f"the hub did not answer within {PATIENCE_S:.0f} s; try again") from None
