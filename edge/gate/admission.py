"""What may leave a site: the gate's verdict on one message, bytes in, canonical bytes or a refusal out.

Pure: no clock, no wire. The site in the envelope, the site in the subject and the gate's own must be one;
kind and id must agree; what goes on is re-serialised from the parsed report, so that no byte of a
sender's choosing survives.
"""

import re

from edge.gate.ledger_entries import Outgoing
from messaging.errors import MessageRefused
from messaging.nats.subjects import HEARTBEATS, parse_report_subject
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode, encode


def admitted(site: str, subject: str, message_id: str, data: bytes) -> Outgoing:
    """A report as it may leave. Raises `MessageRefused` with the reason."""
    parts = parse_report_subject(subject)
    message = decode(data)
    _same("site of the subject", parts.site, site)
    _same("site of the envelope", message.site, site)
    _same("kind of the envelope", message.kind, parts.kind)
    _same("id of the envelope", message.id, parts.id)
    _same("id of the delivery", message_id, message.id)
    if PAYLOADS[message.kind].lane is Lane.LATEST:
        raise MessageRefused(f"{message.kind} is a last value; it does not travel as a stream message")
    return _outgoing(message, subject)


def admitted_heartbeat(site: str, data: bytes) -> Outgoing:
    """A heartbeat as it may leave. Raises `MessageRefused` with the reason."""
    message = decode(data)
    _same("site of the envelope", message.site, site)
    if PAYLOADS[message.kind].lane is not Lane.LATEST:
        raise MessageRefused(f"{message.kind} is not a last value; it travels as a stream message")
    return _outgoing(message, f"$KV.{HEARTBEATS}.{site}")


def _outgoing(message: Message, subject: str) -> Outgoing:
    return Outgoing(message.id, subject, message.kind, encode(message))


def _same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise MessageRefused(f"the {what} is {_printable(found)}, expected {expected!r}")


def _printable(text: str) -> str:
    return repr(re.sub(r"[^\w.\-]", "?", text[:40], flags=re.ASCII))
