"""Moves the sites' last heartbeats from the hub into the store, apart from reports.

Only what changed is read. It is decoded and stored in a thread, by transactions of many sites, so that
neither the event loop nor the store is held for long.
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
from messaging.nats.last_values import ChangedValues
from messaging.nats.subjects import HEARTBEATS
from messaging.receipts import LedgerPosition
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import verified_heartbeat
from messaging.wire_format.codec import Message, decode

logger = logging.getLogger(__name__)

SITES_PER_TRANSACTION = 100


@dataclass
class HeartbeatIntake:
    """Stores heartbeats that changed; one instance per process."""

    bus: Bus
    store: ReportStore
    metrics: CloudMetrics
    ledgers: LedgerStore
    _waiting: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._changed = ChangedValues(self.bus, HEARTBEATS)

    async def step(self) -> int:
        """Read the values that changed, of sites that are not revoked; the number of heartbeats stored.

        Raises `WireError` and `StoreUnavailable`; what was not stored is read again. The value of a site that
        is revoked, or has shown no key yet, waits until it is enrolled again or shows one.
        """
        stored = 0
        async for page in self._changed.pages(SITES_PER_TRANSACTION):
            stored += await self._take(page)
        waiting = list(self._waiting.items())
        for first in range(0, len(waiting), SITES_PER_TRANSACTION):
            stored += await self._take(dict(waiting[first : first + SITES_PER_TRANSACTION]))
        return stored

    async def _take(self, values: Mapping[str, bytes]) -> int:
        keys = await asyncio.to_thread(self.ledgers.keys, values.keys())
        ready = [(site, value) for site, value in values.items() if site in keys]
        good = await asyncio.to_thread(self._decoded, ready, keys)
        stored = await asyncio.to_thread(self.store.put_heartbeats, good)
        self._waiting.update(values)
        for site in keys:
            del self._waiting[site]
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
