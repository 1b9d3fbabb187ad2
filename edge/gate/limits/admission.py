"""What may leave a site: the gate's verdict on one message, bytes in, a message or a refusal out.

The site in the envelope, the site in the subject and the gate's own must be one; kind and id must agree.
`Admission` adds what this site has reason to report (`pins`) and how coarse (`coarse`); what is forwarded is
encoded again from the parsed report, so that no byte of a sender's choosing survives.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edge.gate.ledger_entries import Outgoing
from edge.gate.limits.coarse import coarse_message
from edge.gate.limits.count_caps import camera_of
from edge.gate.limits.heartbeat_pace import HeartbeatPace
from edge.gate.limits.known_names import KnownNames
from edge.gate.limits.pins import check, check_request
from edge.gate.limits.site_ids import SiteIds
from messaging.errors import MessageRefused
from messaging.nats.subjects import HEARTBEATS, parse_report_subject, report_subject
from messaging.reports import Heartbeat
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode, encode

_MOST_CAMERAS = 6


def admitted(site: str, subject: str, message_id: str, data: bytes) -> Message:
    """A report of the right form. Raises `MessageRefused` with the reason."""
    parts = parse_report_subject(subject)
    message = decode(data)
    _same("site of the subject", parts.site, site)
    _same("site of the envelope", message.site, site)
    _same("kind of the envelope", message.kind, parts.kind)
    _same("id of the envelope", message.id, parts.id)
    _same("id of the delivery", message_id, message.id)
    if PAYLOADS[message.kind].lane is Lane.LATEST:
        raise MessageRefused(f"{message.kind} is a last value; it does not travel as a stream message")
    return message


def admitted_heartbeat(site: str, data: bytes) -> Message:
    """A heartbeat of the right form. Raises `MessageRefused` with the reason."""
    message = decode(data)
    _same("site of the envelope", message.site, site)
    if PAYLOADS[message.kind].lane is not Lane.LATEST:
        raise MessageRefused(f"{message.kind} is not a last value; it travels as a stream message")
    return message


def outgoing_of(message: Message) -> Outgoing:
    """A message with the subject and the bytes with which it leaves."""
    if PAYLOADS[message.kind].lane is Lane.LATEST:
        subject = f"$KV.{HEARTBEATS}.{message.site}"
    else:
        subject = report_subject(message.site, message.kind, message.id)
    return Outgoing(message.id, subject, message.kind, encode(message))


def without(message: Message, cameras: frozenset[str]) -> Message | None:
    """A message without the reports of some cameras; None when nothing is left."""
    kept = [report for report in message.reports if camera_of(report) not in cameras]
    return replace(message, report=kept[0], more=tuple(kept[1:])) if kept else None


def parts_of(message: Message) -> Iterator[Message]:
    """The message, then what is left of it without one camera, two and so on: it left as one of these."""
    cameras = sorted({camera_of(report) for report in message.reports})
    most = len(cameras) if len(cameras) <= _MOST_CAMERAS else 1
    for number in range(most + 1):
        for dropped in itertools.combinations(cameras, number):
            if (part := without(message, frozenset(dropped))) is not None:
                yield part


@dataclass(frozen=True)
class Admission:
    """What one site's gate lets leave. `asked`: the verdict requests that may be answered.

    `transport_bytes`: what the gate has written beside payloads, which it states in heartbeats.
    """

    site: str
    ids: SiteIds
    names: KnownNames
    pace: HeartbeatPace
    asked: Callable[[], frozenset[int]] = frozenset
    transport_bytes: Callable[[], int | None] = lambda: None

    def report(self, subject: str, message_id: str, data: bytes, stored_at_utc: int) -> Message:
        """A report as it may leave. Raises `MessageRefused`, `PinBroken`, or `OSError` for a full disk."""
        message = admitted(self.site, subject, message_id, data)
        check(message, self.names, stored_at_utc)
        check_request(message, self.asked)
        return coarse_message(message, stored_at_utc, self.ids.outgoing)

    def heartbeat(self, message: Message, now_utc: int) -> Message:
        """A heartbeat as it may leave; each is given once. Raises as `report` does."""
        assert isinstance(message.report, Heartbeat), "the payload table has one last value"
        current = message.report.model_copy(update={"at_utc": now_utc})
        check(replace(message, report=current), self.names, now_utc)
        paced = self.pace.paced(current, now_utc)
        stated = paced.model_copy(update={"transport_bytes": self.transport_bytes()})
        return replace(message, id=self.ids.outgoing(message.id), at_utc=now_utc, report=stated)


def _same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise MessageRefused(f"the {what} is {_printable(found)}, expected {expected!r}")


def _printable(text: str) -> str:
    return repr(re.sub(r"[^\w.\-]", "?", text[:40], flags=re.ASCII))
