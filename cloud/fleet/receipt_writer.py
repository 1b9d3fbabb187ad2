"""Writes the receipts of sites to the hub, after what they cover is committed, and takes their checkpoints.

A receipt names the database and the hub. When one of them is another one than before, every site gets a new
receipt, from which its gate learns that it has to send again what is not covered. The director signs them.

With the first checkpoint of a site the cloud learns its key. A checkpoint is the last value of its site at
the hub, so none can be too many. One that contradicts an earlier one is refused, counted and kept as the
site's fault; one that holds is signed back to the site with its receipt.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from cloud.metrics import CloudMetrics
from cloud.store.ledger_store import LedgerStore
from cloud.store.receipt_store import ReceiptStore
from messaging.bus import Bus
from messaging.errors import TrustError
from messaging.nats.last_values import ChangedValues, all_latest
from messaging.nats.subjects import CHECKPOINTS, FLEET_REPORTS, RECEIPTS
from messaging.receipts import Receipt
from messaging.trust.keys import PublicKey, SigningKey
from messaging.trust.site_signatures import LedgerCheckpoint, signed_receipt, verified_checkpoint

logger = logging.getLogger(__name__)

SITES_AT_ONCE = 100
SITES_PER_TRANSACTION = 100


@dataclass
class ReceiptWriter:
    """One instance per process."""

    bus: Bus
    store: ReceiptStore
    ledgers: LedgerStore
    director: SigningKey
    _database: str = ""
    _hub: str = ""
    _written: dict[str, bytes] = field(default_factory=dict)
    _due: dict[str, None] = field(default_factory=dict)

    async def begin(self) -> None:
        """Learn which database and hub these are; another hub needs all receipts. Raises `WireError`."""
        self._database = self._database or await asyncio.to_thread(self.store.identity)
        hub = (await self.bus.stream_state(FLEET_REPORTS)).identity
        if hub != self._hub:
            self._written = dict(await all_latest(self.bus, RECEIPTS))
            self._due = dict.fromkeys(await asyncio.to_thread(self.store.sites))
            self._hub = hub

    @property
    def database(self) -> str:
        """The database's identity, once begun."""
        return self._database

    def mark_due(self, sites: Iterable[str]) -> None:
        """Have the receipts of these sites written next."""
        self._due = dict.fromkeys(sites) | self._due

    async def write(self, sites: Iterable[str] = ()) -> None:
        """Write the receipts of these sites and of some of those that are due. Raises `WireError`."""
        self.mark_due(sites)
        batch = list(self._due)[:SITES_AT_ONCE]
        if not batch:
            return
        values = await asyncio.to_thread(self._signed, batch)
        changed = [site for site in batch if self._written.get(site) != values[site]]
        await asyncio.gather(*(self.bus.put_latest(RECEIPTS, site, values[site]) for site in changed))
        self._written.update((site, values[site]) for site in changed)
        for site in batch:
            del self._due[site]

    def _signed(self, sites: Sequence[str]) -> dict[str, bytes]:
        lanes, ledgers = self.store.receipts(sites), self.ledgers.receipts(sites)
        return {
            site: signed_receipt(
                Receipt(site, self._database, self._hub, lanes[site], ledgers.get(site)), self.director
            )
            for site in sites
        }


@dataclass
class CheckpointIntake:
    """Stores checkpoints that changed; one instance per process."""

    bus: Bus
    store: LedgerStore
    receipts: ReceiptWriter
    metrics: CloudMetrics

    def __post_init__(self) -> None:
        self._changed = ChangedValues(self.bus, CHECKPOINTS)

    async def step(self) -> int:
        """Take the checkpoints that changed; how many were new. Raises `WireError`, `StoreUnavailable`."""
        taken = 0
        async for page in self._changed.pages(SITES_PER_TRANSACTION):
            taken += await self._take(list(page.items()))
        return taken

    async def keys(self, sites: Collection[str]) -> dict[str, PublicKey]:
        """The keys of these sites; one that has just been enrolled is read from its checkpoint.

        A gate publishes a checkpoint before its first report. Raises `WireError`, `StoreUnavailable`.
        """
        known = await asyncio.to_thread(self.store.keys, sites)
        unknown = sorted(set(sites) - known.keys())
        values = [(site, await self.bus.get_latest(CHECKPOINTS, site)) for site in unknown]
        shown = [(site, value) for site, value in values if value is not None]
        if shown and await self._take(shown):
            known |= await asyncio.to_thread(self.store.keys, [site for site, _ in shown])
        return known

    async def _take(self, batch: Sequence[tuple[str, bytes]]) -> int:
        results = await asyncio.to_thread(self._stored, batch)
        taken = [site for site, fault in results.items() if not fault]
        self.receipts.mark_due(taken)
        return len(taken)

    def _stored(self, batch: Sequence[tuple[str, bytes]]) -> dict[str, str]:
        good, refused = list[LedgerCheckpoint](), dict[str, str]()
        for site, value in batch:
            try:
                good.append(verified_checkpoint(value, site))
            except TrustError as error:
                refused[site] = str(error)
        results = self.store.take(good) | refused
        for site, fault in results.items():
            if fault:
                self.metrics.checkpoints_refused.inc()
                logger.error("checkpoint of site %s refused: %s", site, fault)
        return results
