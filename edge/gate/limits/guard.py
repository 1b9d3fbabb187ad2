"""What leaves of a message that the site's broker has: admitted, coarse, within the count caps, under one id.

A message that is in the ledger leaves again exactly as it is listed. What is over a count cap is shed: it
never leaves, and is counted and logged.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Sequence

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import LedgerEntry, Outgoing
from edge.gate.limits.admission import Admission, admitted, admitted_heartbeat, outgoing_of, parts_of, without
from edge.gate.limits.count_caps import CountCaps, camera_of
from messaging.blobs import digest_of
from messaging.bus import Delivery, StoredMessage
from messaging.errors import MessageRefused
from messaging.reports import Report
from messaging.wire_format.codec import Message

logger = logging.getLogger(__name__)

_READY_KEPT = 2000  # more than a broker delivers without acknowledgement


class Guard:
    """The guard of one site's way up. `shed` counts reports by kind."""

    def __init__(self, admission: Admission, caps: CountCaps, ledger: Ledger) -> None:
        self._admission, self._caps, self._ledger = admission, caps, ledger
        self._ready: OrderedDict[tuple[str, bytes], Outgoing] = OrderedDict()
        self._shedding: set[tuple[str, str]] = set()
        self._beat: tuple[str, Outgoing | None] = ("", None)
        self.shed: Counter[str] = Counter()

    def leaving(self, source: Delivery | StoredMessage) -> Outgoing | None:
        """What leaves of a message, decided once; None when all of it is shed. Raises `MessageRefused`.

        Raises `OSError` when a new name cannot be kept on the disk.
        """
        known = self._ready.get((source.message_id, source.data))
        if known is not None:
            return known
        found = self._first_leaving(source)
        if found is not None:
            self._ready[source.message_id, source.data] = found
            if len(self._ready) > _READY_KEPT:
                self._ready.popitem(last=False)
        return found

    def _first_leaving(self, source: Delivery | StoredMessage) -> Outgoing | None:
        if self._is_older(source):
            return outgoing_of(self._formed(source))
        message = self._message(source)
        listed = self._ledger.listed(message.id)
        if listed is not None:
            return _as_listed(message, listed)
        over = self._decided(message, source.stored_at_utc)
        rest = without(message, over)
        return None if rest is None else outgoing_of(rest)

    def leaving_again(self, source: StoredMessage) -> Outgoing:
        """A message that left before, as it did. Raises `MessageRefused`."""
        if self._is_older(source):
            return outgoing_of(self._formed(source))
        message = self._message(source)
        listed = self._ledger.listed(message.id)
        return outgoing_of(message) if listed is None else _as_listed(message, listed)

    def heartbeat(self, data: bytes, now_utc: int) -> tuple[str, Outgoing | None]:
        """The node's id of a heartbeat and what leaves of it; None if it was listed before this start.

        The same heartbeat is given as the same bytes. Raises as `leaving` does.
        """
        message = admitted_heartbeat(self._admission.site, data)
        if message.id != self._beat[0]:
            known = {message.id, self._admission.ids.outgoing(message.id)}
            if any(self._ledger.listed(one) for one in known):
                self._beat = (message.id, None)
            else:
                self._beat = (message.id, outgoing_of(self._admission.heartbeat(message, now_utc)))
        return self._beat

    def _message(self, source: Delivery | StoredMessage) -> Message:
        return self._admission.report(source.subject, source.message_id, source.data, source.stored_at_utc)

    def _formed(self, source: Delivery | StoredMessage) -> Message:
        return admitted(self._admission.site, source.subject, source.message_id, source.data)

    def _is_older(self, source: Delivery | StoredMessage) -> bool:
        """Whether it was listed under the node's own id, by a version of the gate that let this leave."""
        return self._ledger.listed(source.message_id) is not None

    def _decided(self, message: Message, stored_at_utc: int) -> frozenset[str]:
        """The cameras whose reports are shed; the others are charged."""
        over = self._caps.over(message.kind, message.reports, stored_at_utc)
        rest = without(message, over)
        if rest is not None:
            self._caps.charge(message.kind, rest.reports, stored_at_utc)
        self._note_shed(message.kind, message.reports, over)
        return over

    def _note_shed(self, kind: str, reports: Sequence[Report], over: frozenset[str]) -> None:
        for camera, number in Counter(camera_of(report) for report in reports).items():
            if camera not in over:
                self._shedding.discard((kind, camera))
                continue
            self.shed[kind] += number
            if (kind, camera) not in self._shedding:
                self._shedding.add((kind, camera))
                logger.warning(
                    "%s reports of %s are over their cap and are shed; `counts` of the gate's configuration "
                    "sets it",
                    *(kind, f"camera {camera}" if camera else "the site"),
                )


def _as_listed(message: Message, listed: LedgerEntry) -> Outgoing:
    """The message, or the part of it, that the ledger lists. Raises `MessageRefused` for other bytes."""
    for part in parts_of(message):
        outgoing = outgoing_of(part)
        if digest_of(outgoing.data) == listed.sha256:
            return outgoing
    raise MessageRefused(f"message id {listed.id} was used before for other bytes; it was not sent")
