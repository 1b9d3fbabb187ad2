"""A snapshot of everything that the page shows, read from the cloud, and the cache that renews it.

All viewers get the same snapshot: the cloud is read at most every `MAX_AGE_S`, never without viewers.
While the cloud is lost, the last snapshot stays together with the error.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dashboards.client import CloudClient
from dashboards.errors import CloudLost, DashboardError
from messaging.cloud_address import CloudAddress, find_cloud
from messaging.errors import FileFault
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
CAMPAIGNS_SEARCHED = 3


@dataclass(frozen=True)
class Snapshot:
    """The state of the cloud at `taken_at` (seconds since 1970).

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
class PageState:
    """What the page shows: the last snapshot, None before the first, and the current error, None without."""

    snapshot: Snapshot | None = None
    error: str | None = None


class SnapshotCache:
    """One snapshot for all viewers of the cloud of one data folder."""

    def __init__(
        self,
        folder: Path,
        *,
        connect: Callable[[CloudAddress], CloudClient] = CloudClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._connect, self._clock = folder, connect, clock
        self._client: CloudClient | None = None
        self._state = PageState()
        self._read_at = float("-inf")
        self._images: tuple[object, tuple[ImageResource, ...]] = (None, ())
        self._lock = asyncio.Lock()

    async def current(self) -> PageState:
        """The state, at most `MAX_AGE_S` old."""
        async with self._lock:
            if not 0.0 <= self._clock() - self._read_at <= MAX_AGE_S:
                self._state = await self._fresh()
                self._read_at = self._clock()
            return self._state

    async def thumbnail(self, campaign: str, image: int) -> bytes:
        """One synthetic image's thumbnail (JPEG). Raises `DashboardError`."""
        return await self._connected().thumbnail(campaign, image)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _fresh(self) -> PageState:
        try:
            return PageState(await self._snapshot(self._connected()))
        except CloudLost as error:
            await self.close()
            return replace(self._state, error=str(error))
        except DashboardError as error:
            return replace(self._state, error=str(error))

    def _connected(self) -> CloudClient:
        """The client; after a loss the folder is read again, because the address may have changed."""
        if self._client is None:
            try:
                self._client = self._connect(find_cloud(self._folder))
            except FileFault as error:
                raise CloudLost(str(error)) from None
        return self._client

    async def _snapshot(self, client: CloudClient) -> Snapshot:
        campaigns = (await client.page("campaigns", CampaignResource, limit=CAMPAIGNS_SEARCHED)).items
        newest = campaigns[0] if campaigns else None
        return Snapshot(
            self._clock(),
            await client.get("overview", OverviewResource),
            sites=await client.all_items("sites", SiteResource),
            cameras=await client.all_items("cameras", CameraResource),
            hazards=(await client.page("hazards", HazardResource, limit=HAZARDS_SHOWN)).items,
            modes=await client.all_items("failure-modes", FailureModeResource),
            ledger=await client.all_items("ledger", LedgerResource),
            campaign=newest,
            images=await self._images_of(client, newest),
            comparison=await _comparison(client, campaigns),
        )

    async def _images_of(
        self, client: CloudClient, campaign: CampaignResource | None
    ) -> tuple[ImageResource, ...]:
        """The campaign's images; read again only when their number has changed."""
        if campaign is None:
            return ()
        version = (
            client.url,
            campaign.id,
            campaign.images_kept,
            tuple(sorted(campaign.images_refused.items())),
        )
        if version != self._images[0]:
            images = await client.all_items(f"campaigns/{campaign.id}/images", ImageResource, limit=500)
            self._images = (version, images)
        return self._images[1]


async def _comparison(
    client: CloudClient, campaigns: tuple[CampaignResource, ...]
) -> tuple[ComparisonResource, ...]:
    for campaign in campaigns:
        if campaign.candidate_digest is None:
            continue
        cells = await client.all_items(f"campaigns/{campaign.id}/comparison", ComparisonResource)
        if cells:
            return cells
    return ()
