"""Payload <-> bytes, and the one table of payload types.

A message is a CloudEvent around one report, or around several of one kind where the kind is batched: id (a
ULID), source (the site), type (kind), time, and the reports, encoded by the payload's schema (see `schema`;
docs/wire-format.md has the byte layout). The table `PAYLOADS` defines for each kind: its model, lane, size
cap, how many a message may hold, shedding priority and retention; subjects, permissions, streams, caps and
the gate's allow-list are generated from it and written nowhere else. Every message has exactly one encoding:
`decode` accepts only what `encode` writes, with the schema digest of this program or of an earlier schema
that lacks optional fields (`PayloadType.added`); those are absent then.
"""

import binascii
import re
import struct
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from messaging.errors import MessageRefused
from messaging.fields import SLUG_PATTERN, ULID_PATTERN
from messaging.reports import (
    LAST_UTC,
    ClassPrototype,
    GuardReport,
    HazardEvent,
    Heartbeat,
    Misdetection,
    OperatorVerdict,
    RecallTally,
    Report,
    ShadowReport,
    SwapReceipt,
    VerdictAnswer,
)
from messaging.wire_format.column_encodings import ModelFields, Origin, SlugText, ulid_number, ulid_text
from messaging.wire_format.mixed_radix import MixedRadixReader, MixedRadixWriter
from messaging.wire_format.schema import encoding_of, without_field
from messaging.wire_format.schema_digest import SCHEMA_DIGEST_BYTES, schema_digest, schema_text

FORMAT_VERSION = 3
MAX_MESSAGE_BYTES = 8 * 1024


class Lane(StrEnum):
    """Hazards are forwarded first and never shed; evidence after; latest keeps only the last value."""

    HAZARDS = "hazards"
    EVIDENCE = "evidence"
    LATEST = "latest"


@dataclass(frozen=True)
class PayloadType:
    """One row of the table. `shed_order` None means never shed; lower numbers are shed first.

    `max_reports` is how many reports of the kind one message may hold; above 1 the kind is batched. `added`:
    optional fields that earlier schemas lack, the newest last, named as in the schema's text.
    """

    kind: str
    model: type[Report]
    lane: Lane
    cap_bytes: int
    shed_order: int | None
    retention_days: int
    max_reports: int = 1
    added: tuple[str, ...] = ()


_ADDED = ("cameras.budget", "transport_bytes", "cameras.flow")
PAYLOADS: dict[str, PayloadType] = {
    row.kind: row
    for row in (
        PayloadType("hazard", HazardEvent, Lane.HAZARDS, 4096, None, 30, max_reports=64),
        PayloadType("swap", SwapReceipt, Lane.HAZARDS, 512, None, 30),
        PayloadType("verdict", OperatorVerdict, Lane.HAZARDS, 512, None, 30),
        PayloadType("misdetection", Misdetection, Lane.EVIDENCE, 4096, 0, 30, max_reports=64),
        PayloadType("prototype", ClassPrototype, Lane.EVIDENCE, 4096, 1, 30, max_reports=16),
        PayloadType("recall", RecallTally, Lane.EVIDENCE, 4096, 2, 30, max_reports=64),
        PayloadType("shadow", ShadowReport, Lane.EVIDENCE, 4096, 3, 30),
        PayloadType("heartbeat", Heartbeat, Lane.LATEST, 4096, 4, 1, added=_ADDED),
        PayloadType("answer", VerdictAnswer, Lane.HAZARDS, 128, None, 30),
        PayloadType("guard", GuardReport, Lane.EVIDENCE, 256, 5, 30),
    )
}
_KINDS = {row.model: row.kind for row in PAYLOADS.values()}
_KIND_ORDER = tuple(PAYLOADS)
_ENCODINGS: dict[str, ModelFields] = {row.kind: encoding_of(row.model) for row in PAYLOADS.values()}
_MAX_KINDS = 32
_CHECK_BYTES = 3
_HEAD_BYTES = _CHECK_BYTES + SCHEMA_DIGEST_BYTES
_ULID_COUNT = 1 << 128
SCHEMAS: dict[str, str] = {
    kind: schema_text(kind, number, PAYLOADS[kind].max_reports, _ENCODINGS[kind])
    for number, kind in enumerate(_KIND_ORDER)
}
"""The schema of every payload type as text, one line per field."""
SCHEMA_DIGESTS: dict[str, bytes] = {kind: schema_digest(text) for kind, text in SCHEMAS.items()}
"""The schema digest that messages of a payload type carry."""


def _readable(row: PayloadType) -> dict[bytes, ModelFields]:
    """The encodings of a kind's schema and of its earlier ones, by their digests."""
    encoding = _ENCODINGS[row.kind]
    found = {SCHEMA_DIGESTS[row.kind]: encoding}
    for path in reversed(row.added):
        encoding = without_field(encoding, path)
        text = schema_text(row.kind, _KIND_ORDER.index(row.kind), row.max_reports, encoding)
        found[schema_digest(text)] = encoding
    return found


_READABLE = {row.kind: _readable(row) for row in PAYLOADS.values()}


@dataclass(frozen=True)
class Message:
    """A report with its envelope, and `more` of the same kind. `id` is a ULID, made once with the message."""

    id: str
    site: str
    at_utc: int
    report: Report
    more: tuple[Report, ...] = ()

    @property
    def kind(self) -> str:
        """The payload type's name in the table."""
        return kind_of(self.report)

    @property
    def reports(self) -> tuple[Report, ...]:
        """All reports of the message, at least one."""
        return (self.report, *self.more)


def kind_of(report: Report) -> str:
    """The table's name for a report. Raises `MessageRefused` for a type that is not on the allow-list."""
    try:
        return _KINDS[type(report)]
    except KeyError:
        raise MessageRefused(
            f"{type(report).__name__} is not on the allow-list of payload types ({', '.join(PAYLOADS)})"
        ) from None


def encode(message: Message) -> bytes:
    """The bytes of a message. Raises `MessageRefused`: over the cap of its kind, or a value does not fit."""
    return _encoded(message, SCHEMA_DIGESTS[message.kind])


def _encoded(message: Message, digest: bytes) -> bytes:
    """The bytes in the schema with a digest. Raises as `encode`."""
    row = PAYLOADS[message.kind]
    if {kind_of(report) for report in message.more} - {row.kind} or len(message.reports) > row.max_reports:
        raise MessageRefused(
            f"{row.kind} message {message.id} holds {len(message.reports)} reports; at most "
            f"{row.max_reports} of this one kind fit"
        )
    try:
        data = _framed(digest + _body(message, row, _READABLE[row.kind][digest]))
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise MessageRefused(
            f"{row.kind} message {str(message.id)[:26]} does not fit its schema: {str(error)[:80]}"
        ) from None
    if len(data) > row.cap_bytes:
        raise MessageRefused(
            f"{row.kind} message {message.id} has {len(data)} bytes, its cap is {row.cap_bytes}; "
            "split the report"
        )
    return data


def decode(data: bytes) -> Message:
    """Decode and validate bytes.

    Raises `MessageRefused`: over the cap, another format version, unknown kind, another schema, a value that
    the schema does not admit, or another encoding of a message than `encode`'s.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageRefused(f"message of {len(data)} bytes was not read; the cap is {MAX_MESSAGE_BYTES}")
    if not data or data[0] != FORMAT_VERSION:
        found = data[0] if data else "none"
        raise MessageRefused(f"format version {found}, this program reads {FORMAT_VERSION}")
    if len(data) < _HEAD_BYTES or data != _framed(data[_CHECK_BYTES:]):
        raise MessageRefused(f"not a Blindspot message, or damaged: the check of its {len(data)} bytes fails")
    digest = data[_CHECK_BYTES:_HEAD_BYTES]
    try:
        message = _decoded(digest, MixedRadixReader(data[_HEAD_BYTES:]), len(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MessageRefused(f"{error.title}: field {where!r}: {first['msg']}") from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise MessageRefused(f"not a Blindspot message: {type(error).__name__}: {str(error)[:80]}") from None
    if _encoded(message, digest) != data:
        raise MessageRefused(f"{message.kind} message {message.id} is not in its canonical encoding")
    return message


def _framed(content: bytes) -> bytes:
    """Format version, a CRC against damage (the encoding has no redundancy of its own), and the content."""
    return struct.pack("<BH", FORMAT_VERSION, binascii.crc_hqx(content, 0)) + content


def _body(message: Message, row: PayloadType, encoding: ModelFields) -> bytes:
    out, origin = MixedRadixWriter(), Origin(_seconds(message.at_utc), _ulid(message.id))
    out.put(_KIND_ORDER.index(row.kind), _MAX_KINDS)
    out.put(ulid_number(origin.id), _ULID_COUNT)
    out.put(origin.at_utc, LAST_UTC + 1)
    SlugText().write(out, [_site(message.site)], origin)
    out.put(len(message.reports) - 1, row.max_reports)
    encoding.write(out, message.reports, origin)
    return out.to_bytes()


def _decoded(digest: bytes, source: MixedRadixReader, length_bytes: int) -> Message:
    number = source.take(_MAX_KINDS)
    if number >= len(_KIND_ORDER):
        raise MessageRefused(f"payload type {number} is not on the allow-list")
    row = PAYLOADS[_KIND_ORDER[number]]
    encoding = _READABLE[row.kind].get(digest)
    if encoding is None:
        raise MessageRefused(
            f"{row.kind} message was written with schema {digest.hex()}, this program reads "
            f"{SCHEMA_DIGESTS[row.kind].hex()}; run the same version of Blindspot at both ends"
        )
    if length_bytes > row.cap_bytes:
        raise MessageRefused(f"{row.kind} message has {length_bytes} bytes, its cap is {row.cap_bytes}")
    origin = Origin(id=ulid_text(source.take(_ULID_COUNT)), at_utc=source.take(LAST_UTC + 1))
    (site,) = SlugText().read(source, 1, origin)
    reports = encoding.read(source, source.take(row.max_reports) + 1, origin)
    source.end()
    return Message(origin.id, _site(site), origin.at_utc, reports[0], tuple(reports[1:]))


def _ulid(value: str) -> str:
    if re.fullmatch(ULID_PATTERN, value) is None:
        raise ValueError("id is not a ULID")
    return value


def _site(value: str) -> str:
    if re.fullmatch(SLUG_PATTERN, value) is None:
        raise ValueError("site is not a slug")
    return value


def _seconds(value: int) -> int:
    if type(value) is not int or not 0 <= value <= LAST_UTC:
        raise ValueError("time is not whole seconds since 1970")
    return value
