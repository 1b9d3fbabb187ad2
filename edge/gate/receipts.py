"""Takes the cloud's receipts: checks each against the ledger, and lets the site delete what is committed.

A receipt that cannot be true is refused as a whole: it is beyond the ledger or the stream, or names another
entry than the ledger has for the message. A receipt from another hub or database than the last one makes the
gate send again what is not receipted: the other one may never have had it. The last receipt is kept beside
the ledger, whose owner cannot write it: the cloud has signed it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.gate.ledger import Ledger
from edge.gate.limits.site_ids import SiteIds
from edge.gate.lost_messages import LostMessages
from edge.gate.sent_lane import SentLane
from edge.gate.uplink import DURABLE
from messaging.bus import Bus, StreamState
from messaging.errors import MessageRefused, TrustError
from messaging.nats.subjects import RECEIPTS, SITE_STREAMS
from messaging.receipts import LaneReceipt, LedgerReceipt, Receipt
from messaging.runtime.atomic_files import write_atomically
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import SiteKey, verified_receipt
from messaging.wire_format.codec import Lane

logger = logging.getLogger(__name__)


@dataclass
class ReceiptCounts:
    """What receipts did since the gate started. `fault`: why the present receipt is refused, or empty.

    `ledger`: the last checkpoint that the cloud has verified, as it states.
    """

    receipt_n: int = 0
    purged_through: int = 0
    refused: int = 0
    fault: str = ""
    ledger: LedgerReceipt | None = None


class Receipts:
    """The receipts of one site. `clock` is monotonic seconds."""

    def __init__(
        self,
        key: SiteKey,
        buses: tuple[Bus, Bus],
        *,
        director: PublicKey,
        ledger: Ledger,
        kept: Path,
        ids: SiteIds,
        lanes: Mapping[Lane, SentLane],
        lost: LostMessages,
        clock: Callable[[], float],
    ) -> None:
        """Args: the site's key, its bus and the hub's, and who signs receipts.

        Then the ledger, the file of the last receipt, the ids as they leave, the uplink's lanes, and the
        count of what the site's broker loses.
        """
        self._key, self._site, self._director, self._kept = key, key.site, director, kept
        self._applied = b""
        self._site_bus, self._hub_bus = buses
        self._ledger, self._ids = ledger, ids
        self._lanes, self._lost = lanes, lost
        self._clock = clock
        self._identities: tuple[str, str] | None = None
        self._refused = b""
        self.counts = ReceiptCounts()

    async def take(self) -> None:
        """Take the receipt that is at the hub, and purge what the site need not keep. Raises `WireError`."""
        states, acknowledged = {}, {}
        for lane, stream in SITE_STREAMS.items():
            states[lane] = await self._site_bus.stream_state(stream)
            acknowledged[lane] = await self._site_bus.acknowledged_through(stream, DURABLE)
            self._lanes[lane].begin(states[lane].identity, states[lane].first_sequence)
            self._lanes[lane].sent(acknowledged[lane], self._clock())
            self._lost.compare(lane, states[lane], max(acknowledged[lane], self._lanes[lane].settled))
        data = await self._hub_bus.get_latest(RECEIPTS, self._site)
        if data is not None:
            try:
                await self._apply(verified_receipt(data, self._director), states)
                self.counts.fault = ""
                self._keep(data)
            except (MessageRefused, TrustError) as error:
                self._refuse(data, str(error))
        for lane, state in states.items():
            await self._purge(lane, state, acknowledged[lane])

    async def _apply(self, receipt: Receipt, states: Mapping[Lane, StreamState]) -> None:
        """Settle what the receipt covers, all of it or nothing. Raises `MessageRefused`."""
        covered = [
            (lane, receipt.lanes[lane])
            for lane, state in states.items()
            if lane in receipt.lanes and receipt.lanes[lane].stream == state.identity
        ]
        self._check_ledger(receipt)
        for lane, claimed in covered:
            await self._check(lane, claimed, states[lane])
        identities = (receipt.database, receipt.hub)
        if self._identities is not None and self._identities != identities:
            logger.warning(
                "receipts come from database %s and hub %s, no longer from %s and %s; everything without a "
                "receipt is sent again",
                *(*identities, *self._identities),
            )
            for sent in self._lanes.values():
                sent.forget_receipts(self._clock())
        self._identities, self.counts.ledger = identities, receipt.ledger
        for lane, claimed in covered:
            self._lanes[lane].receipted(claimed.through)
            self.counts.receipt_n = max(self.counts.receipt_n, claimed.n)

    def _check_ledger(self, receipt: Receipt) -> None:
        """Raise `MessageRefused` unless the receipt is for this site's key and ledger."""
        found = receipt.ledger
        if receipt.site != self._site:
            raise MessageRefused(f"the receipt is for site {receipt.site[:40]}, this is {self._site}")
        if found is None:
            return
        if found.key != self._key.key.public.public_hex:
            raise MessageRefused(
                "the cloud knows this site by another key, with which its reports must be signed; "
                f"`blindspot sites revoke {self._site}` and `add` it again"
            )
        entry = self._ledger.entry(found.n)
        if found.n > 0 and (entry is None or entry.position.hash != found.hash):
            raise MessageRefused(
                f"the cloud has verified another ledger up to entry {found.n}; the ledger here was restored "
                f"from an older copy or rewritten (it ends at entry {self._ledger.head.n})"
            )

    def _keep(self, data: bytes) -> None:
        """Keep the receipt beside the ledger. Raises `OSError`."""
        if data != self._applied:
            write_atomically(self._kept, data)
            self._applied = data

    async def _check(self, lane: Lane, claimed: LaneReceipt, state: StreamState) -> None:
        """Raise `MessageRefused` unless the ledger has the entry that the receipt names for its message."""
        if claimed.through <= self._lanes[lane].settled:
            return
        what = f"the receipt of {lane} up to message {claimed.through}"
        if claimed.through > state.last_sequence:
            raise MessageRefused(f"{what} is beyond the site's last message, {state.last_sequence}")
        entry = self._ledger.entry(claimed.n)
        if entry is None:
            raise MessageRefused(
                f"{what} names ledger entry {claimed.n}; the ledger ends at entry {self._ledger.head.n}"
            )
        if entry.position.hash != claimed.hash:
            raise MessageRefused(f"{what} has another hash for ledger entry {claimed.n} than the ledger")
        kept = await self._site_bus.stored_messages(SITE_STREAMS[lane], claimed.through, 1)
        own = kept[0].message_id if kept and kept[0].sequence == claimed.through else ""
        if entry.id not in (own, self._ids.outgoing(own)):
            raise MessageRefused(f"{what} names ledger entry {claimed.n}, which is another message")

    def _refuse(self, data: bytes, reason: str) -> None:
        """Keep everything, and raise the alarm once for each receipt."""
        if data != self._refused:
            self._refused = data
            self.counts.refused += 1
            logger.error("%s; the receipt is refused and the site keeps its messages", reason)
        self.counts.fault = reason

    async def _purge(self, lane: Lane, state: StreamState, acknowledged: int) -> None:
        """Purge what is settled and acknowledged without a gap."""
        through = min(acknowledged, self._lanes[lane].settled)
        if through >= state.first_sequence and state.messages:
            await self._site_bus.purge_through(SITE_STREAMS[lane], through)
            self.counts.purged_through = max(self.counts.purged_through, through)
