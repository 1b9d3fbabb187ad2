"""From the site's streams to the hub: admit, cap, list, publish, acknowledge, send again without a receipt.

Hazards first, always. A message is acknowledged at the site only after the hub has stored it, and it is sent
again, under the ledger entry that it has, when no receipt for it comes (`receipts`). What is not admitted is
set aside in a folder of the site, counted, and never sent; what is over a count cap is shed (`guard`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.gate.ledger import CHECKPOINT_EVERY, Ledger
from edge.gate.ledger_entries import LedgerEntry, Outgoing
from edge.gate.limits.guard import Guard
from edge.gate.limits.pins import PinReason, reason_of
from edge.gate.limits.quarantine import Quarantine
from edge.gate.lost_messages import LostMessages
from edge.gate.rate_cap import RateCap
from edge.gate.sent_lane import SentLane
from messaging.bus import Bus, Delivery, acknowledge_all
from messaging.errors import MessageRefused, WireFull
from messaging.nats.subjects import CHECKPOINTS, HEARTBEATS, SITE_STREAMS
from messaging.receipts import LanePlace, ReportHeader
from messaging.trust.site_signatures import LedgerCheckpoint, SiteKey
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, PAYLOADS, Lane

DURABLE = "fwd"
_BATCH = {Lane.HAZARDS: 50, Lane.EVIDENCE: 100}
_HELD_BACK_S = 2.0
CHECKPOINT_EVERY_S = 600.0
_LEAST_ROOM = {Lane.HAZARDS: 1, Lane.EVIDENCE: MAX_MESSAGE_BYTES}


@dataclass
class UplinkCounts:
    """What the uplink did since the gate started: messages, and reports that were `shed`, by kind."""

    forwarded: Counter[str]
    shed: Counter[str]
    refusals: Counter[PinReason]
    duplicates: int = 0
    held_back: int = 0
    sent_again: int = 0

    @property
    def refused(self) -> int:
        """Messages that may not leave."""
        return self.refusals.total()


class Uplink:
    """One site's way up. `clock` is monotonic seconds, `now_utc` seconds since 1970."""

    def __init__(
        self,
        key: SiteKey,
        buses: tuple[Bus, Bus],
        *,
        ledger: Ledger,
        lanes: Mapping[Lane, SentLane],
        guard: Guard,
        cap: RateCap,
        quarantine: Quarantine,
        lost: LostMessages,
        clock: Callable[[], float],
        now_utc: Callable[[], float],
        note_sent: Callable[[Lane, float], None] = lambda lane, seconds: None,
    ) -> None:
        """Args: the site's key, the site's bus and the hub's, and what the way up is guarded by.

        `note_sent` is called with the seconds until the hub had stored a message.
        """
        self._key, self._site = key, key.site
        self._site_bus, self._hub_bus = buses
        self._ledger = ledger
        self._lanes = lanes
        self._guard, self._cap = guard, cap
        self._quarantine, self._lost = quarantine, lost
        self._clock = clock
        self._now_utc = now_utc
        self._note_sent = note_sent
        self._uncharged: set[int] = set()
        self._last_heartbeat = ""
        self._checkpoint: LedgerCheckpoint | None = None
        self._checkpoint_s = 0.0
        self.counts = UplinkCounts(Counter(), guard.shed, Counter(dict.fromkeys(PinReason, 0)))

    async def forward(self, lane: Lane, *, timeout_s: float = 0.0) -> int:
        """Forward one batch of a lane; how many messages the site had. Raises `WireError`."""
        await self._introduce()
        if self._cap.available(lane, self._clock()) < _LEAST_ROOM[lane]:
            return 0
        deliveries = await self._site_bus.pull(
            SITE_STREAMS[lane], DURABLE, batch=_BATCH[lane], timeout_s=timeout_s
        )
        if not deliveries:
            return 0
        await self._begin(lane)
        going = await self._within_cap(await self._admitted(deliveries, lane), lane)
        before = self._ledger.head.n
        entries = self._listed_before_sending([outgoing for _, outgoing in going])
        self._uncharged.update(entry.n for entry in entries if entry.n > before)
        results = await asyncio.gather(
            *(
                self._published(outgoing, entry, self._lanes[lane].place(delivery.sequence))
                for (delivery, outgoing), entry in zip(going, entries, strict=True)
            ),
            return_exceptions=True,
        )
        await self._settle(lane, going, results)
        return len(deliveries)

    async def _begin(self, lane: Lane) -> None:
        """Know the lane's stream before its first message leaves."""
        if not self._lanes[lane].stream:
            state = await self._site_bus.stream_state(SITE_STREAMS[lane])
            self._lanes[lane].begin(state.identity, state.first_sequence)

    async def forward_heartbeat(self) -> bool:
        """Forward the site's heartbeat if it is a new one; whether it was. Raises `WireError`."""
        await self._introduce()
        data = await self._site_bus.get_latest(HEARTBEATS, self._site)
        if data is None:
            return False
        try:
            own_id, outgoing = self._guard.heartbeat(data, int(self._now_utc()))
            if outgoing is None or own_id == self._last_heartbeat:
                return False
            if self._cap.available(Lane.LATEST, self._clock()) < len(outgoing.data):
                return False
            (entry,) = self._listed_before_sending([outgoing])
        except MessageRefused as error:
            self._set_aside(data, error)
            return False
        value = self._key.heartbeat_value(entry.position, outgoing.data)
        await self._hub_bus.put_latest(HEARTBEATS, self._site, value)
        self._cap.charge(len(outgoing.data), Lane.LATEST)
        self._last_heartbeat = own_id
        self.counts.forwarded[outgoing.kind] += 1
        return True

    async def send_again(self) -> bool:
        """Send a batch of each lane again that is due for want of a receipt; whether there was one.

        Raises `WireError`.
        """
        found = False
        for lane, sent in self._lanes.items():
            due = sent.due(self._clock(), _BATCH[lane])
            if due is not None:
                await self.send_checkpoint(force=not found)  # hub or cloud may have lost all that it knew
                await self._send_group_again(lane, *due)
                sent.sent_again(due[1], self._clock())
                found = True
        return found

    async def _send_group_again(self, lane: Lane, first: int, last: int) -> None:
        """Publish what the site still has of these sequences; the others will never be sent."""
        sent, going = self._lanes[lane], list[tuple[Outgoing, LedgerEntry, LanePlace]]()
        kept = await self._site_bus.stored_messages(SITE_STREAMS[lane], first, last - first + 1)
        gaps = set(range(first, last + 1)) - {message.sequence for message in kept}
        self._lost.missing(lane, gaps)
        for gap in gaps:
            sent.void(gap)
        for message in kept:
            if message.sequence > last:
                continue
            try:
                outgoing = self._guard.leaving_again(message)
                (entry,) = self._listed_before_sending([outgoing])
            except MessageRefused:  # it was set aside when it was delivered
                sent.void(message.sequence)
                continue
            going.append((outgoing, entry, sent.place(message.sequence)))
        await asyncio.gather(*(self._published(*one) for one in going))
        self.counts.sent_again += len(going)

    async def send_checkpoint(self, *, force: bool = False) -> None:
        """Send the hub the signed head, after so many entries and after so long. Raises `WireError`."""
        head, last, now_s = self._ledger.head, self._checkpoint, self._clock()
        if last is not None and not force:
            counted = head.n // CHECKPOINT_EVERY > last.n // CHECKPOINT_EVERY
            if head.n == last.n or not (counted or now_s >= self._checkpoint_s + CHECKPOINT_EVERY_S):
                return
        checkpoint = self._ledger.checkpoint()
        await self._hub_bus.put_latest(CHECKPOINTS, self._site, checkpoint.to_bytes())
        self._checkpoint, self._checkpoint_s = checkpoint, now_s

    async def _introduce(self) -> None:
        """Have the hub know the site's key before anything that it has signed."""
        if self._checkpoint is None:
            await self.send_checkpoint()

    def _listed_before_sending(self, going: Sequence[Outgoing]) -> list[LedgerEntry]:
        """The messages' ledger entries. Raises `OSError` when the disk does not take them: none may leave."""
        return self._ledger.append(going, int(self._now_utc()))

    def _charge(self, entry: LedgerEntry) -> None:
        """Charge the caps for a report that the hub has, once. Entries of before the start are charged."""
        if entry.n in self._uncharged:
            self._uncharged.remove(entry.n)
            self._cap.charge(entry.length_bytes, PAYLOADS[entry.kind].lane)

    async def _admitted(self, deliveries: Sequence[Delivery], lane: Lane) -> list[tuple[Delivery, Outgoing]]:
        good: dict[str, tuple[Delivery, Outgoing]] = {}
        for delivery in deliveries:
            try:
                outgoing = self._guard.leaving(delivery)
            except MessageRefused as error:
                await self._refuse(lane, delivery, error)
                continue
            if outgoing is None:
                await self._drop(lane, delivery)
            elif outgoing.message_id in good:
                twice = f"message id {delivery.message_id} comes twice"
                await self._refuse(lane, delivery, MessageRefused(twice))
            else:
                good[outgoing.message_id] = (delivery, outgoing)
        return list(good.values())

    async def _refuse(self, lane: Lane, delivery: Delivery, error: MessageRefused) -> None:
        self._set_aside(delivery.data, error)
        await self._drop(lane, delivery)

    async def _drop(self, lane: Lane, delivery: Delivery) -> None:
        await delivery.refuse()
        self._lanes[lane].void(delivery.sequence)

    def _set_aside(self, data: bytes, error: MessageRefused) -> None:
        self._quarantine.keep(data, str(error))
        self.counts.refusals[reason_of(error)] += 1

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

    async def _published(self, outgoing: Outgoing, entry: LedgerEntry, place: LanePlace) -> bool:
        """Publish one message; whether the hub had it already."""
        began_s = self._clock()
        header = ReportHeader(entry.position, place)
        accepted = await self._hub_bus.publish(
            outgoing.subject,
            outgoing.data,
            message_id=outgoing.message_id,
            headers=self._key.headers(outgoing.subject, header, outgoing.data),
        )
        self._note_sent(PAYLOADS[outgoing.kind].lane, self._clock() - began_s)
        self._charge(entry)
        return accepted.duplicate

    async def _settle(
        self,
        lane: Lane,
        going: Sequence[tuple[Delivery, Outgoing]],
        results: Sequence[BaseException | bool],
    ) -> None:
        """Acknowledge what the hub has; hand the rest back to the site's broker and raise why."""
        trouble: BaseException | None = None
        done: list[Delivery] = []
        for (delivery, outgoing), result in zip(going, results, strict=True):
            if isinstance(result, bool):
                self.counts.forwarded[outgoing.kind] += 1
                self.counts.duplicates += result
                done.append(delivery)
            elif isinstance(result, MessageRefused):
                await self._refuse(lane, delivery, result)
            else:
                trouble = trouble or result
                await delivery.retry_later(_HELD_BACK_S if isinstance(result, WireFull) else 0.5)
        await acknowledge_all(done)
        if trouble is not None:
            raise trouble
