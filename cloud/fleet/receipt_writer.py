"""Writes the receipts of sites to the hub, after what they cover is committed.

A receipt names the database and the hub. When one of them is another one than before, every site gets a new
receipt, from which its gate learns that it has to send again what is not covered.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.store.receipt_store import ReceiptStore
from messaging.bus import Bus
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS
from messaging.receipts import Receipt

SITES_AT_ONCE = 100


@dataclass
class ReceiptWriter:
    """One instance per process."""

    bus: Bus
    store: ReceiptStore
    _database: str = ""
    _hub: str = ""
    _written: dict[str, bytes] = field(default_factory=dict)
    _due: dict[str, None] = field(default_factory=dict)

    async def begin(self) -> None:
        """Learn which database and hub these are; another hub needs all receipts. Raises `WireError`."""
        self._database = self._database or await asyncio.to_thread(self.store.identity)
        hub = (await self.bus.stream_state(FLEET_REPORTS)).identity
        if hub != self._hub:
            self._written = dict(await self.bus.all_latest(RECEIPTS))
            self._due = dict.fromkeys(await asyncio.to_thread(self.store.sites))
            self._hub = hub

    @property
    def database(self) -> str:
        """The database's identity, once begun."""
        return self._database

    async def write(self, sites: Iterable[str] = ()) -> None:
        """Write the receipts of these sites and of some of those that are due. Raises `WireError`."""
        self._due = dict.fromkeys(sites) | self._due
        batch = list(self._due)[:SITES_AT_ONCE]
        if not batch:
            return
        lanes = await asyncio.to_thread(self.store.receipts, batch)
        values = {site: Receipt(self._database, self._hub, lanes[site]).to_bytes() for site in batch}
        changed = [site for site in batch if self._written.get(site) != values[site]]
        await asyncio.gather(*(self.bus.put_latest(RECEIPTS, site, values[site]) for site in changed))
        self._written.update((site, values[site]) for site in changed)
        for site in batch:
            del self._due[site]
