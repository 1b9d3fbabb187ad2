"""The codec: one encoding of every message, only payload types of the table, caps and validation."""

import binascii
import struct
from dataclasses import replace
from typing import Any

import pytest

from messaging.errors import MessageRefused
from messaging.reports import Report
from messaging.wire_format.codec import (
    FORMAT_VERSION,
    MAX_MESSAGE_BYTES,
    PAYLOADS,
    Lane,
    Message,
    decode,
    encode,
    kind_of,
)
from tests.support.messaging.samples import HAZARD, MISDETECTION, SAMPLES, ULID_SAMPLE


def _message(kind: str) -> Message:
    return Message(ULID_SAMPLE, "s1", 1_800_000_000, SAMPLES[kind])


def _hazard(**changes: Any) -> Message:
    return Message(ULID_SAMPLE, "s1", 1_800_000_000, HAZARD.model_copy(update=changes))


def test_every_payload_type_has_a_sample_and_a_cap_below_that_of_any_message() -> None:
    assert set(SAMPLES) == set(PAYLOADS)
    assert all(row.cap_bytes <= MAX_MESSAGE_BYTES for row in PAYLOADS.values())


def test_hazards_swaps_verdicts_and_answers_are_never_shed_and_misdetections_are_shed_first() -> None:
    never = {row.kind for row in PAYLOADS.values() if row.shed_order is None}
    assert never == {"hazard", "swap", "verdict", "answer"}
    assert all(PAYLOADS[kind].lane is Lane.HAZARDS for kind in never)
    sheddable = [row for row in PAYLOADS.values() if row.shed_order is not None]
    order = [row.kind for row in sorted(sheddable, key=lambda row: row.shed_order or 0)]
    assert [kind for kind in order if kind in ("misdetection", "prototype", "heartbeat")] == [
        "misdetection",
        "prototype",
        "heartbeat",
    ]


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_a_message_is_decoded_as_it_was_encoded(kind: str) -> None:
    data = encode(_message(kind))
    assert decode(data) == _message(kind)
    assert data[0] == FORMAT_VERSION
    assert len(data) <= min(136, PAYLOADS[kind].cap_bytes)


@pytest.mark.parametrize("kind", sorted(kind for kind, row in PAYLOADS.items() if row.max_reports > 1))
def test_batched_reports_keep_their_order_and_a_full_message_is_below_its_cap(kind: str) -> None:
    row, sample = PAYLOADS[kind], SAMPLES[kind]
    other = sample.model_copy(update={"camera": "south", "class_name": "unknown"})
    pair = (other, sample)
    whole = Message(ULID_SAMPLE, "s1", 1_800_000_000, sample, pair * (row.max_reports // 2 - 1) + (other,))
    assert len(whole.reports) == row.max_reports
    assert decode(encode(whole)) == whole
    with pytest.raises(MessageRefused, match=f"at most {row.max_reports}"):
        encode(replace(whole, more=(*whole.more, sample)))


def test_a_message_holds_reports_of_one_kind() -> None:
    with pytest.raises(MessageRefused, match="one kind"):
        encode(Message(ULID_SAMPLE, "s1", 0, MISDETECTION, (HAZARD,)))


def _checked(content: bytes) -> bytes:
    """Content (schema digest and body) after a format version and CRC that are right."""
    return struct.pack("<BH", FORMAT_VERSION, binascii.crc_hqx(content, 0)) + content


GOOD, SWAP = encode(_message("hazard")), encode(_message("swap"))
REFUSED: list[tuple[str, bytes, str]] = [
    ("a JPEG", b"\xff\xd8\xff\xe0", "format version 255"),
    ("JSON", b'{"type": "blindspot.hazard.v1"}', "format version 123"),
    ("empty", b"", "format version none"),
    ("an older version", b"\x02" + GOOD[1:], "format version 2"),
    ("a later version", b"\x04" + GOOD[1:], "format version 4"),
    ("a kind that no row names", _checked(GOOD[3:6] + b"\x1f"), "payload type 31 is not on the allow-list"),
    ("nothing but a version", bytes([FORMAT_VERSION]), "damaged"),
    ("no whole schema digest", _checked(GOOD[3:5]), "damaged"),
    (
        "the schema of another kind",
        _checked(encode(_message("swap"))[3:6] + GOOD[6:]),
        "was written with schema",
    ),
    ("something after the last field", _checked(GOOD[3:] + b"\xff"), "not in its canonical encoding"),
    ("zeros after the last field", _checked(GOOD[3:] + b"\x00"), "not in its canonical encoding"),
    ("cut short", GOOD[:40], "damaged"),
    ("one bit turned", GOOD[:40] + bytes([GOOD[40] ^ 4]) + GOOD[41:], "damaged"),
    ("a camera that no slug allows", encode(_hazard(camera="_")), "HazardEvent: field 'camera'"),
    ("over the cap of any kind", GOOD * (MAX_MESSAGE_BYTES + 1), "was not read"),
    ("over the cap of its kind", _checked(SWAP[3:] + bytes(600)), "its cap is 512"),
]


@pytest.mark.parametrize(("why", "data", "sentence"), REFUSED, ids=[row[0] for row in REFUSED])
def test_bytes_that_encode_does_not_write_are_refused(why: str, data: bytes, sentence: str) -> None:
    with pytest.raises(MessageRefused, match=sentence):
        decode(data)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("severity above its bound", {"severity": 9}),
        ("severity as text", {"severity": "5"}),
        ("a fraction above one", {"confidence": 1.5}),
        ("a fraction that is not a number", {"confidence": float("nan")}),
        ("an infinite fraction", {"confidence": float("inf")}),
        ("free text", {"camera": "hello world, this is text!"}),
        ("a name too long", {"camera": "a" * 41}),
        ("bytes", {"zone": b"\xff\xd8"}),
        ("a time as a covert channel", {"at_utc": 10**40}),
        ("a time before 1970", {"at_utc": -(10**10)}),
        ("a digest of another length", {"model_digest": "ab"}),
        ("an id in small letters", {"event": ULID_SAMPLE.lower()}),
        ("a part that is missing", {"box": None}),
    ],
)
def test_a_report_that_was_not_validated_is_not_encoded(why: str, changes: dict[str, Any]) -> None:
    with pytest.raises(MessageRefused):
        encode(_hazard(**changes))


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("an id of free text", {"id": "hello world, this is text!"}),
        ("an id in small letters", {"id": ULID_SAMPLE.lower()}),
        ("an id of other digits", {"id": "٠" * 26}),
        ("a site of free text", {"site": "what a nice day"}),
        ("a site in another script", {"site": "ölöl"}),
        ("a site with a wildcard", {"site": "*"}),
        ("a time as text", {"at_utc": "12"}),
        ("a time that is true", {"at_utc": True}),
        ("a time as a covert channel", {"at_utc": 10**40}),
    ],
)
def test_an_invalid_envelope_is_not_encoded(why: str, changes: dict[str, Any]) -> None:
    with pytest.raises(MessageRefused):
        encode(replace(_message("hazard"), **changes))


def test_a_type_outside_the_table_cannot_be_sent() -> None:
    class Snapshot(Report):
        image: str

    with pytest.raises(MessageRefused, match="allow-list"):
        kind_of(Snapshot(image="x"))
    with pytest.raises(MessageRefused, match="allow-list"):
        encode(Message(ULID_SAMPLE, "s1", 0, Snapshot(image="x")))


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [("confidence", 0.123456789, 0.12), ("confidence", 1.0, 1.0), ("confidence", 0.005, 0.0)],
)
def test_numbers_are_rounded_when_a_report_is_built(field: str, given: float, kept: float) -> None:
    assert getattr(HAZARD.__class__.model_validate({**HAZARD.model_dump(), field: given}), field) == kept


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("prototype", "scale"),
        ("prototype", "noise_sigma"),
        ("prototype", "epsilon"),
        ("prototype", "epsilon_spent"),
        ("prototype", "delta"),
        ("heartbeat", "resident_mb"),
        ("heartbeat", "epsilon_spent"),
    ],
)
def test_no_number_keeps_digits_that_could_carry_data(kind: str, field: str) -> None:
    values = SAMPLES[kind].model_dump()
    fine = values[field] * (1 + 1.23456789e-9)
    assert getattr(type(SAMPLES[kind]).model_validate({**values, field: fine}), field) == values[field]


def test_a_message_over_the_cap_of_its_kind_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(PAYLOADS["hazard"], cap_bytes=20)
    monkeypatch.setitem(PAYLOADS, "hazard", small)
    with pytest.raises(MessageRefused, match="its cap is 20; split the report"):
        encode(Message(ULID_SAMPLE, "harbour", 1_800_000_000, HAZARD))
