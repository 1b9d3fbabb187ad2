"""Payload <-> bytes, and the one table of payload types.

A message is a CloudEvent (structured JSON, canonical: sorted keys, no spaces) around one report. The
table `PAYLOADS` says of each kind: its model, lane, size cap, shedding priority and retention; subjects,
permissions, streams, caps and the gate's allow-list are generated from it and written nowhere else.
Encoding re-serialises the parsed object, so no byte of a sender's choosing survives.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from messaging.errors import MessageRefused
from messaging.reports import (
    LAST_UTC,
    ClassPrototype,
    HazardEvent,
    Heartbeat,
    Misdetection,
    OperatorVerdict,
    RecallTally,
    Report,
    ShadowReport,
    SwapReceipt,
)

SCHEMA_VERSION = 1
MAX_MESSAGE_BYTES = 8 * 1024


class Lane(StrEnum):
    """Hazards are forwarded first and never shed; evidence after; latest keeps only the last value."""

    HAZARDS = "hazards"
    EVIDENCE = "evidence"
    LATEST = "latest"


@dataclass(frozen=True)
class PayloadType:
    """One row of the table. `shed_order` None means never shed; else lower numbers go first."""

    kind: str
    model: type[Report]
    lane: Lane
    cap_bytes: int
    shed_order: int | None
    retention_days: int


PAYLOADS: dict[str, PayloadType] = {
    row.kind: row
    for row in (
        PayloadType("hazard", HazardEvent, Lane.HAZARDS, 2048, None, 30),
        PayloadType("swap", SwapReceipt, Lane.HAZARDS, 2048, None, 30),
        PayloadType("verdict", OperatorVerdict, Lane.HAZARDS, 2048, None, 30),
        PayloadType("misdetection", Misdetection, Lane.EVIDENCE, 2048, 0, 30),
        PayloadType("prototype", ClassPrototype, Lane.EVIDENCE, 4096, 1, 30),
        PayloadType("recall", RecallTally, Lane.EVIDENCE, 2048, 2, 30),
        PayloadType("shadow", ShadowReport, Lane.EVIDENCE, MAX_MESSAGE_BYTES, 3, 30),
        PayloadType("heartbeat", Heartbeat, Lane.LATEST, MAX_MESSAGE_BYTES, 4, 1),
    )
}
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SOURCE = re.compile(r"site/([a-z0-9][a-z0-9_-]{0,39})")
_KINDS = {row.model: row.kind for row in PAYLOADS.values()}


@dataclass(frozen=True)
class Message:
    """A report with its envelope. `id` is a ULID, made once where the report is born."""

    id: str
    site: str
    at_utc: int
    report: Report

    @property
    def kind(self) -> str:
        """The payload type's name in the table."""
        return kind_of(self.report)


def kind_of(report: Report) -> str:
    """The table's name for a report. Raises `MessageRefused` for a type that is not on the allow-list."""
    try:
        return _KINDS[type(report)]
    except KeyError:
        raise MessageRefused(
            f"{type(report).__name__} is not on the allow-list of payload types ({', '.join(PAYLOADS)})"
        ) from None


def encode(message: Message) -> bytes:
    """Canonical bytes of a message. Raises `MessageRefused` over the cap of its kind."""
    row = PAYLOADS[message.kind]
    event = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"site/{message.site}",
        "type": f"blindspot.{row.kind}.v{SCHEMA_VERSION}",
        "time": message.at_utc,
        "datacontenttype": "application/json",
        "data": message.report.model_dump(mode="json"),
    }
    data = json.dumps(event, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(data) > row.cap_bytes:
        raise MessageRefused(
            f"{row.kind} message {message.id} has {len(data)} bytes, its cap is {row.cap_bytes}; "
            "split the report"
        )
    return data


def decode(data: bytes) -> Message:
    """Parse and validate bytes. Raises `MessageRefused`: over the cap, unknown version or kind, bad schema.

    Unknown envelope fields are tolerated; unknown payload fields are not.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageRefused(f"message of {len(data)} bytes was not parsed; the cap is {MAX_MESSAGE_BYTES}")
    try:
        event: Any = json.loads(data)
        row = _row(event["type"])
        if len(data) > row.cap_bytes:
            raise MessageRefused(f"{row.kind} message has {len(data)} bytes, its cap is {row.cap_bytes}")
        report = row.model.model_validate_json(json.dumps(event["data"]), strict=True)
        return Message(_ulid(event["id"]), _site(event["source"]), _seconds(event["time"]), report)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MessageRefused(f"{event['type']}: field {where!r}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MessageRefused(f"not a Blindspot message: {type(error).__name__}: {str(error)[:80]}") from None


def _row(event_type: str) -> PayloadType:
    kind, _, version = event_type.removeprefix("blindspot.").rpartition(".v")
    if kind not in PAYLOADS or not event_type.startswith("blindspot."):
        raise MessageRefused(f"payload type {event_type[:60]!r} is not on the allow-list")
    if version != str(SCHEMA_VERSION):
        raise MessageRefused(f"{kind}: schema version {version[:8]!r}, this program reads {SCHEMA_VERSION}")
    return PAYLOADS[kind]


def _ulid(value: str) -> str:
    if _ULID.fullmatch(value) is None:
        raise ValueError("id is not a ULID")
    return value


def _site(source: str) -> str:
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise ValueError("source is not site/NAME")
    return match[1]


def _seconds(value: int) -> int:
    if type(value) is not int or not 0 <= value <= LAST_UTC:
        raise ValueError("time is not whole seconds since 1970")
    return value
