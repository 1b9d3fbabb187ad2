"""What the gate writes to the hub beside the first sending of each payload, entered in the ledger.

The bytes of the connection (`messaging.nats.written_bytes`) without those of the payloads that were listed
meanwhile: subjects, headers and control lines, reads, subscriptions, pings, credentials, and whatever is sent
again. They are entered at the end of each period and of the gate, an entry for each purpose, so that the
bytes of all entries are those of the connection. What a killed gate had not entered is in its status file,
and is entered at its next start.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import TRANSPORT, Outgoing, Total
from messaging.nats.written_bytes import WrittenBytes
from messaging.runtime.os_errors import os_error_sentence

logger = logging.getLogger(__name__)

PERIOD_S = 3600


class Unlisted(BaseModel):
    """Bytes by purpose that were written in the period from `since_utc` on and are in no entry yet."""

    model_config = ConfigDict(frozen=True)

    since_utc: int = Field(ge=0, lt=2**53)
    bytes: Mapping[str, int]


class Transport:
    """The present period of one gate. For one thread."""

    def __init__(
        self,
        ledger: Ledger,
        written: WrittenBytes,
        *,
        now_utc: Callable[[], float],
        left: Unlisted | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        """Enter what an earlier gate has `left`, and begin a period. `written`: from the gate's start on."""
        self._ledger, self._written = ledger, written
        self._now_utc, self._period_s = now_utc, period_s
        self._before = _payload_bytes(ledger)
        self._entered: Counter[str] = Counter()
        self._since_utc = int(now_utc())
        if left is not None:
            self._enter(left)
            self._since_utc = max(self._since_utc, left.since_utc + 1)

    def unlisted(self) -> Unlisted:
        """What was written in the present period beside payloads."""
        listed = _payload_bytes(self._ledger) - self._before
        found = Counter(self._written.by_kind)
        found.subtract(listed)
        found.subtract(self._entered)
        return Unlisted(since_utc=self._since_utc, bytes={kind: n for kind, n in found.items() if n > 0})

    def bytes_in_all(self) -> int:
        """What was written beside payloads since the ledger began, the present period included."""
        entered = self._ledger.by_kind.get(TRANSPORT, Total()).bytes
        return entered + sum(self.unlisted().bytes.values())

    def enter_when_due(self) -> None:
        """Enter the period if it is over."""
        if self._now_utc() - self._since_utc >= self._period_s:
            self.enter()

    def enter(self) -> None:
        """Enter the present period and begin the next; a disk that is full is logged, and tried again."""
        found = self.unlisted()
        if self._enter(found):
            self._entered.update(found.bytes)
            self._since_utc = max(int(self._now_utc()), found.since_utc + 1)

    def _enter(self, found: Unlisted) -> bool:
        entries = [
            Outgoing(f"{TRANSPORT}.{found.since_utc}.{kind}", kind, TRANSPORT, written_bytes=number)
            for kind, number in sorted(found.bytes.items())
        ]
        try:
            self._ledger.append(entries, int(self._now_utc()))
        except OSError as error:
            logger.warning("bytes beside payloads are entered later: %s", os_error_sentence(error))
            return False
        return True


def _payload_bytes(ledger: Ledger) -> Counter[str]:
    return Counter({kind: total.bytes for kind, total in ledger.by_kind.items() if kind != TRANSPORT})
