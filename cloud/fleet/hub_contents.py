"""What the hub keeps for sites, published again when it is lost: bundles, metadata, orders, credentials.

Everything of it is also in the cloud's data folder and database. A hub whose disk was lost is recognised by
the identities of its streams, which `Hub.prepare` makes again, empty.
"""

import asyncio
import logging
from dataclasses import dataclass

from cloud.detector.model_files import ModelFiles
from cloud.fleet.hub import Hub
from cloud.fleet.releases import Releases
from cloud.fleet.rollout_driver import RolloutDriver

logger = logging.getLogger(__name__)


@dataclass
class HubContents:
    """Fills one hub."""

    hub: Hub
    releases: Releases
    rollouts: RolloutDriver
    models: ModelFiles
    _filled: tuple[str, ...] | None = None

    async def step(self) -> None:
        """Make streams and buckets that the hub lacks, and fill them if they are new. Raises `WireError`."""
        await self.hub.prepare()
        identities = await self.hub.identities()
        if identities == self._filled:
            return
        if self._filled is not None:
            logger.warning("the hub has lost what it kept for sites; releases and orders are published again")
        await self.releases.publish_again(lambda digest: self.models.bundle(digest).read_bytes())
        await asyncio.to_thread(self.rollouts.send_last_orders)
        await self.hub.renew_credentials()
        self._filled = identities
