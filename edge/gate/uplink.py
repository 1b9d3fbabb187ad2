"""From the site's streams to the hub: admit, cap, list, publish, acknowledge, forget on receipt.

Hazards first, always. A message is acknowledged at the site only after the hub has stored it, and the
site's stream is purged only up to what was acknowledged without a gap and what the cloud has receipted.
What is not admitted is set aside in a folder of the site, counted, and never sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.gate.admission import admitted, admitted_heartbeat
from edge.gate.ledger import CHECKPOINT_EVERY, Ledger, LedgerEntry, Outgoing
from edge.gate.rate_cap import RateCap
from messaging.blobs import digest_of
from messaging.bus import Bus, Delivery
from messaging.errors import MessageRefused, WireFull
from messaging.nats.subjects import HEARTBEATS, RECEIPTS, SITE_STREAMS, checkpoint_subject
from messaging.receipts import receipt_of
from messaging.runtime.atomic_files import write_atomically
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, PAYLOADS, Lane

logger = logging.getLogger(__name__)

DURABLE = "fwd"
_BATCH = {Lane.HAZARDS: 50, Lane.EVIDENCE: 100}
_QUARANTINE_FILES = 200
_HELD_BACK_S = 2.0
_LEAST_ROOM = {Lane.HAZARDS: 1, Lane.EVIDENCE: MAX_MESSAGE_BYTES}


@dataclass
class UplinkCounts:
    """What the uplink did since the gate started."""

    forwarded: Counter[str]
    duplicates: int = 0
    refused: int = 0
    held_back: int = 0
    receipt_n: int = 0
    purged_through: int = 0


class Uplink:
    """One site's way up. `clock` is monotonic seconds, `now_utc` seconds since 1970."""

    def __init__(
        self,
        site: str,
        buses: tuple[Bus, Bus],
        *,
        ledger: Ledger,
        cap: RateCap,
        quarantine: Path,
        clock: Callable[[], float],
        now_utc: Callable[[], float],
    ) -> None:
        """Args: the site's name, the site's bus and the hub's, and what the way up is guarded by."""
        self._site = site
        self._site_bus, self._hub_bus = buses
        self._ledger = ledger
        self._cap = cap
        self._quarantine = quarantine
        self._clock = clock
        self._now_utc = now_utc
        self._ledger_n_at_start = ledger.head.n
        self._listed: dict[Lane, dict[int, int]] = {lane: {} for lane in SITE_STREAMS}
        self._uncharged: set[int] = set()
        self._last_heartbeat = ""
        self._checkpoint_n = ledger.head.n
        self.counts = UplinkCounts(Counter())

    async def forward(self, lane: Lane, *, timeout_s: float = 0.0) -> int:
        """Forward one batch of a lane; how many messages the site had. Raises `WireError`."""
        if self._cap.available(lane, self._clock()) < _LEAST_ROOM[lane]:
            return 0
        deliveries = await self._site_bus.pull(
            SITE_STREAMS[lane], DURABLE, batch=_BATCH[lane], timeout_s=timeout_s
        )
        if not deliveries:
            return 0
        going = await self._within_cap(await self._admitted(deliveries), lane)
        before = self._ledger.head.n
        entries = self._listed_before_sending([outgoing for _, outgoing in going])
        self._uncharged.update(entry.n for entry in entries if entry.n > before)
        results = await asyncio.gather(
            *(self._published(o, entry) for (_, o), entry in zip(going, entries, strict=True)),
            return_exceptions=True,
        )
        await self._settle(lane, going, entries, results)
        return len(deliveries)

    async def forward_heartbeat(self) -> bool:
        """Forward the site's heartbeat if it is a new one; whether it was. Raises `WireError`."""
        data = await self._site_bus.get_latest(HEARTBEATS, self._site)
        if data is None:
            return False
        try:
            outgoing = admitted_heartbeat(self._site, data)
            if outgoing.message_id == self._last_heartbeat:
                return False
            if self._cap.available(Lane.LATEST, self._clock()) < len(outgoing.data):
                return False
            self._listed_before_sending([outgoing])
        except MessageRefused as error:
            self._set_aside(data, str(error))
            return False
        await self._hub_bus.put_latest(HEARTBEATS, self._site, outgoing.data)
        self._cap.charge(len(outgoing.data), Lane.LATEST)
        self._last_heartbeat = outgoing.message_id
        self.counts.forwarded[outgoing.kind] += 1
        return True

    async def take_receipt(self) -> None:
        """Let the site forget what the cloud has receipted. Raises `WireError`."""
        data = await self._hub_bus.get_latest(RECEIPTS, self._site)
        if data is None:
            return
        try:
            receipt = receipt_of(data)
        except MessageRefused as error:
            logger.warning("the receipt for %s cannot be read: %s", self._site, error)
            return
        self.counts.receipt_n = receipt.n
        if receipt.n < self._ledger_n_at_start:
            return
        for lane, stream in SITE_STREAMS.items():
            await self._purge(lane, stream, receipt.n)

    async def send_checkpoint(self, *, force: bool = False) -> None:
        """Send the hub number and hash of the last entry, every hundred entries. Raises `WireError`.

        Its message id is the hash, which no other site can guess and use first.
        """
        head = self._ledger.head
        due = head.n // CHECKPOINT_EVERY > self._checkpoint_n // CHECKPOINT_EVERY
        if head.n > self._checkpoint_n and (due or force):
            await self._hub_bus.publish(checkpoint_subject(self._site), head.to_bytes(), message_id=head.hash)
            self._checkpoint_n = head.n

    def _listed_before_sending(self, going: Sequence[Outgoing]) -> list[LedgerEntry]:
        """The messages' ledger entries. Raises `OSError` when the disk does not take them: none may leave."""
        return self._ledger.append(going, int(self._now_utc()))

    def _charge(self, entry: LedgerEntry) -> None:
        """Charge the caps for a report that the hub has, once. Entries of before the start are charged."""
        if entry.n in self._uncharged:
            self._uncharged.remove(entry.n)
            self._cap.charge(entry.length_bytes, PAYLOADS[entry.kind].lane)

    async def _admitted(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Outgoing]]:
        good: dict[str, tuple[Delivery, Outgoing]] = {}
        for delivery in deliveries:
            try:
                outgoing = admitted(self._site, delivery.subject, delivery.message_id, delivery.data)
                self._ledger.check(outgoing)
            except MessageRefused as error:
                await self._refuse(delivery, str(error))
                continue
            if outgoing.message_id in good:
                await self._refuse(delivery, f"message id {outgoing.message_id} comes twice")
            else:
                good[outgoing.message_id] = (delivery, outgoing)
        return list(good.values())

    async def _refuse(self, delivery: Delivery, reason: str) -> None:
        self._set_aside(delivery.data, reason)
        await delivery.refuse()

    def _set_aside(self, data: bytes, reason: str) -> None:
        path = self._quarantine / f"{digest_of(data)[:32]}.bin"
        kept = sum(1 for _ in self._quarantine.glob("*.bin")) if self._quarantine.exists() else 0
        if kept < _QUARANTINE_FILES and not path.exists():
            write_atomically(path, data)
            write_atomically(path.with_suffix(".reason"), reason.encode())
        self.counts.refused += 1
        logger.warning("refused a message of %d bytes: %s", len(data), reason)

    async def _within_cap(
        self, going: Sequence[tuple[Delivery, Outgoing]], lane: Lane
    ) -> list[tuple[Delivery, Outgoing]]:
        """The first messages that the caps allow; the others come again later, in order."""
        room = self._cap.available(lane, self._clock())
        fitting = 0
        for _, outgoing in going:
            room -= len(outgoing.data)
            if room < 0:
                break
            fitting += 1
        self.counts.held_back += len(going) - fitting
        await asyncio.gather(*(d.retry_later(_HELD_BACK_S) for d, _ in going[fitting:]))
        return list(going[:fitting])

    async def _published(self, outgoing: Outgoing, entry: LedgerEntry) -> None:
        accepted = await self._hub_bus.publish(
            outgoing.subject,
            outgoing.data,
            message_id=outgoing.message_id,
            headers=entry.position.headers(),
        )
        self._charge(entry)
        self.counts.forwarded[outgoing.kind] += 1
        self.counts.duplicates += accepted.duplicate

    async def _settle(
        self,
        lane: Lane,
        going: Sequence[tuple[Delivery, Outgoing]],
        entries: Sequence[LedgerEntry],
        results: Sequence[BaseException | None],
    ) -> None:
        """Acknowledge what the hub has; hand the rest back to the site's broker and raise why."""
        trouble: BaseException | None = None
        done: list[Delivery] = []
        for (delivery, _), entry, result in zip(going, entries, results, strict=True):
            if result is None:
                self._listed[lane][delivery.sequence] = entry.n
                done.append(delivery)
            elif isinstance(result, MessageRefused):
                await self._refuse(delivery, str(result))
            else:
                trouble = trouble or result
                await delivery.retry_later(_HELD_BACK_S if isinstance(result, WireFull) else 0.5)
        await asyncio.gather(*(delivery.acknowledge() for delivery in done))
        if trouble is not None:
            raise trouble

    async def _purge(self, lane: Lane, stream: str, receipt_n: int) -> None:
        """Purge up to the last sequence before which all was acknowledged and receipted."""
        through = await self._site_bus.acknowledged_through(stream, DURABLE)
        listed = self._listed[lane]
        unreceipted = [sequence for sequence, n in listed.items() if n > receipt_n]
        through = min([through, *(sequence - 1 for sequence in unreceipted)])
        state = await self._site_bus.stream_state(stream)
        if through >= state.first_sequence and state.messages:
            await self._site_bus.purge_through(stream, through)
            self.counts.purged_through = max(self.counts.purged_through, through)
        for sequence in [s for s in listed if s <= through]:
            del listed[sequence]
