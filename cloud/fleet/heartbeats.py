"""Moves the sites' last heartbeats from the hub into the store, apart from reports.

A site that sends nothing new costs a comparison of bytes. What changed is decoded and stored in a thread, by
transactions of many sites, so that neither the event loop nor the store is held for long.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloud.fleet.report_checks import RefusalReason, ReportRefused, reason_of
from cloud.metrics import CloudMetrics
from cloud.store.ledger_store import LedgerStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.bus import Bus
from messaging.errors import MessageRefused, TrustError
from messaging.nats.subjects import HEARTBEATS
from messaging.receipts import LedgerPosition
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import verified_heartbeat
from messaging.wire_format.codec import Message, decode

logger = logging.getLogger(__name__)

SITES_PER_TRANSACTION = 500


@dataclass
class HeartbeatIntake:
    """Stores heartbeats that changed; one instance per process."""

    bus: Bus
    store: ReportStore
    metrics: CloudMetrics
    ledgers: LedgerStore
    _seen: dict[str, bytes] = field(default_factory=dict)

    async def step(self) -> int:
        """Read the last values of sites that are not revoked; returns the number of heartbeats stored.

        Raises `WireError` and `StoreUnavailable`; what was not stored is read again.
        """
        revoked = await asyncio.to_thread(self.store.revoked_sites)
        values = await self.bus.all_latest(HEARTBEATS)
        latest = {site: value for site, value in values.items() if site not in revoked}
        changed = [(site, value) for site, value in latest.items() if self._seen.get(site) != value]
        self._seen = {site: value for site, value in self._seen.items() if site in latest}
        stored = 0
        for first in range(0, len(changed), SITES_PER_TRANSACTION):
            batch = changed[first : first + SITES_PER_TRANSACTION]
            keys = await asyncio.to_thread(self.ledgers.keys, [site for site, _ in batch])
            batch = [(site, value) for site, value in batch if site in keys]  # others come again
            good = await asyncio.to_thread(self._decoded, batch, keys)
            stored += await asyncio.to_thread(self.store.put_heartbeats, good)
            self._seen.update(batch)
        return stored

    def _decoded(self, batch: Sequence[tuple[str, bytes]], keys: Mapping[str, PublicKey]) -> list[Received]:
        good: list[Received] = []
        for site, value in batch:
            try:
                ledger, data = _verified(keys[site], site, value)
                message = decode(data)
                _check(message, site)
            except MessageRefused as error:
                self.metrics.reports_refused.labels(kind="heartbeat", reason=reason_of(error)).inc()
                logger.warning("heartbeat of site %s refused: %s", site, error)
                continue
            self.metrics.received_bytes.labels(kind=message.kind).inc(len(data))
            good.append(Received(message, len(data), ledger))
        return good


def _verified(key: PublicKey, site: str, value: bytes) -> tuple[LedgerPosition, bytes]:
    try:
        return verified_heartbeat(key, site, value)
    except TrustError as error:
        raise ReportRefused(RefusalReason.SIGNATURE, str(error)) from None


def _check(message: Message, site: str) -> None:
    if message.kind != "heartbeat" or message.site != site:
        raise MessageRefused(f"key {site} holds a {message.kind} of site {message.site}")
