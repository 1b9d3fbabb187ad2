"""Everything that the page shows, asked of the cloud at one moment; and the one place that keeps it fresh.

Many viewers share one snapshot: nothing is asked of the cloud more often than every `MAX_AGE_S`, and nothing
at all while nobody looks. A lost cloud leaves the last snapshot standing beside the sentence that says so.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dashboards.client import CloudAddress, CloudClient, find_cloud
from dashboards.errors import CloudLost, DashboardError
from messaging.resources import (
    CameraResource,
    CampaignResource,
    ComparisonResource,
    FailureModeResource,
    HazardResource,
    ImageResource,
    LedgerResource,
    OverviewResource,
    SiteResource,
)

MAX_AGE_S = 1.8
HAZARDS_SHOWN = 12
CAMPAIGNS_LOOKED_AT = 3


@dataclass(frozen=True)
class Snapshot:
    """What the cloud knew at `taken_at` (seconds since 1970).

    `campaign` is the newest one; `comparison` belongs to the newest campaign that has been evaluated.
    """

    taken_at: float
    overview: OverviewResource
    sites: tuple[SiteResource, ...] = ()
    cameras: tuple[CameraResource, ...] = ()
    hazards: tuple[HazardResource, ...] = ()
    modes: tuple[FailureModeResource, ...] = ()
    ledger: tuple[LedgerResource, ...] = ()
    campaign: CampaignResource | None = None
    images: tuple[ImageResource, ...] = ()
    comparison: tuple[ComparisonResource, ...] = ()


@dataclass(frozen=True)
class Sight:
    """What a viewer gets: the last snapshot, if there ever was one, and what is wrong now, if anything."""

    seen: Snapshot | None = None
    trouble: str | None = None


class Lookout:
    """Keeps one snapshot fresh for all viewers of one data folder."""

    def __init__(
        self,
        folder: Path,
        *,
        connect: Callable[[CloudAddress], CloudClient] = CloudClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._connect, self._clock = folder, connect, clock
        self._client: CloudClient | None = None
        self._sight = Sight()
        self._looked_at = float("-inf")
        self._images: tuple[object, tuple[ImageResource, ...]] = (None, ())
        self._lock = asyncio.Lock()

    async def look(self) -> Sight:
        """The sight, at most `MAX_AGE_S` old."""
        async with self._lock:
            if not 0.0 <= self._clock() - self._looked_at <= MAX_AGE_S:
                self._sight = await self._fresh()
                self._looked_at = self._clock()
            return self._sight

    async def thumbnail(self, campaign: str, image: int) -> bytes:
        """One synthetic image's thumbnail (JPEG). Raises `DashboardError`."""
        return await self._connected().thumbnail(campaign, image)

    async def close(self) -> None:
        """Give the connections back."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _fresh(self) -> Sight:
        try:
            return Sight(await self._snapshot(self._connected()))
        except CloudLost as error:
            await self.close()
            return replace(self._sight, trouble=str(error))
        except DashboardError as error:
            return replace(self._sight, trouble=str(error))

    def _connected(self) -> CloudClient:
        """The client; after a loss the folder is read again, because the cloud may answer elsewhere."""
        if self._client is None:
            self._client = self._connect(find_cloud(self._folder))
        return self._client

    async def _snapshot(self, client: CloudClient) -> Snapshot:
        campaigns = (await client.page("campaigns", CampaignResource, limit=CAMPAIGNS_LOOKED_AT)).items
        newest = campaigns[0] if campaigns else None
        return Snapshot(
            self._clock(),
            await client.get("overview", OverviewResource),
            sites=await client.every("sites", SiteResource),
            cameras=await client.every("cameras", CameraResource),
            hazards=(await client.page("hazards", HazardResource, limit=HAZARDS_SHOWN)).items,
            modes=await client.every("failure-modes", FailureModeResource),
            ledger=await client.every("ledger", LedgerResource),
            campaign=newest,
            images=await self._images_of(client, newest),
            comparison=await _comparison(client, campaigns),
        )

    async def _images_of(
        self, client: CloudClient, campaign: CampaignResource | None
    ) -> tuple[ImageResource, ...]:
        """The campaign's images; asked for again only when their number has changed."""
        if campaign is None:
            return ()
        mark = (client.url, campaign.id, campaign.images_kept, tuple(sorted(campaign.images_refused.items())))
        if mark != self._images[0]:
            images = await client.every(f"campaigns/{campaign.id}/images", ImageResource, limit=500)
            self._images = (mark, images)
        return self._images[1]


async def _comparison(
    client: CloudClient, campaigns: tuple[CampaignResource, ...]
) -> tuple[ComparisonResource, ...]:
    for campaign in campaigns:
        if campaign.candidate_digest is None:
            continue
        cells = await client.every(f"campaigns/{campaign.id}/comparison", ComparisonResource)
        if cells:
            return cells
    return ()
