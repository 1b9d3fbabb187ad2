"""The codec: canonical bytes out, only the allow-list in, and one table that everything is generated from."""

import json
from typing import Any

import pytest

from messaging.codec import MAX_MESSAGE_BYTES, PAYLOADS, Lane, Message, decode, encode, kind_of
from messaging.errors import MessageRefused
from messaging.reports import Report
from tests.messaging.samples import HAZARD, SAMPLES, ULID_SAMPLE


def _message(kind: str) -> Message:
    return Message(ULID_SAMPLE, "s1", 1_800_000_000, SAMPLES[kind])


def _event(kind: str = "hazard", **changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(_message(kind))), **changes}).encode()


def test_every_row_of_the_table_has_a_sample_and_a_cap_within_the_wires() -> None:
    assert set(SAMPLES) == set(PAYLOADS)
    assert all(row.cap_bytes <= MAX_MESSAGE_BYTES for row in PAYLOADS.values())


def test_hazards_swaps_and_verdicts_are_never_shed_and_the_order_is_that_of_the_decision() -> None:
    never = {row.kind for row in PAYLOADS.values() if row.shed_order is None}
    assert never == {"hazard", "swap", "verdict"}
    assert all(PAYLOADS[kind].lane is Lane.HAZARDS for kind in never)
    sheddable = [row for row in PAYLOADS.values() if row.shed_order is not None]
    order = [row.kind for row in sorted(sheddable, key=lambda row: row.shed_order or 0)]
    assert [kind for kind in order if kind in ("misdetection", "prototype", "heartbeat")] == [
        "misdetection",
        "prototype",
        "heartbeat",
    ]


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_a_message_survives_the_wire_and_its_bytes_are_canonical(kind: str) -> None:
    data = encode(_message(kind))
    assert decode(data) == _message(kind)
    assert encode(decode(data)) == data
    assert data.isascii()
    assert b" " not in data
    assert len(data) <= PAYLOADS[kind].cap_bytes


def test_a_cloud_event_says_who_what_and_when() -> None:
    event = json.loads(encode(_message("hazard")))
    assert event["specversion"] == "1.0"
    assert event["type"] == "blindspot.hazard.v1"
    assert (event["source"], event["id"], event["time"]) == ("site/s1", ULID_SAMPLE, 1_800_000_000)


def test_spaces_order_and_unknown_envelope_fields_do_not_survive() -> None:
    event = json.loads(encode(_message("hazard")))
    sloppy = json.dumps({"smuggled": "text", **dict(reversed(event.items()))}, indent=4).encode()
    assert encode(decode(sloppy)) == encode(_message("hazard"))


REFUSED: list[tuple[str, bytes]] = [
    ("not JSON", b"\xff\xd8\xff\xe0"),
    ("empty", b""),
    ("a list", b"[]"),
    ("a number", b"7"),
    ("no type", b"{}"),
    ("type is a number", _event(type=3)),
    ("unknown kind", _event(type="blindspot.snapshot.v1")),
    ("unknown version", _event(type="blindspot.hazard.v2")),
    ("another vendor", _event(type="hazard.v1")),
    ("id is free text", _event(id="hello world, this is text!")),
    ("id in small letters", _event(id=ULID_SAMPLE.lower())),
    ("id is not of ASCII digits", _event(id="٠" * 26)),
    ("source is no site", _event(source="s1")),
    ("source is free text", _event(source="site/what a nice day")),
    ("source in another script", _event(source="site/ölöl")),
    ("source has a wildcard", _event(source="site/*")),
    ("time is text", _event(time="12")),
    ("time is a fraction", _event(time=1.5)),
    ("time is true", _event(time=True)),
    ("time is a covert channel", _event(time=10**40)),
    ("payload is a list", _event(data=[1, 2])),
    ("payload lacks a field", _event(data={"camera": "north"})),
    ("payload has one more", _event(data={**json.loads(encode(_message("hazard")))["data"], "x": 1})),
    ("payload of another kind", _event("hazard", type="blindspot.swap.v1")),
    ("deep nesting", b'{"type":' + b"[" * 4000 + b"]" * 4000 + b"}"),
    ("over the cap of any kind", b" " * (MAX_MESSAGE_BYTES + 1)),
    ("over the cap of its kind", _event(pad=" " * 3000)),
    ("not a number", _event().replace(b"0.91", b"NaN")),
    ("infinite", _event().replace(b"0.91", b"1e999")),
    ("a number as text", _event().replace(b'"severity": 5', b'"severity": "005"')),
    ("a number as truth", _event().replace(b'"severity": 5', b'"severity": true')),
    ("a huge integer", _event().replace(b'"severity": 5', b'"severity": ' + b"9" * 1500)),
]


@pytest.mark.parametrize(("why", "data"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_not_a_message_of_ours_is_refused(why: str, data: bytes) -> None:
    with pytest.raises(MessageRefused):
        decode(data)


def test_the_refusal_names_kind_and_field() -> None:
    data = json.loads(encode(_message("hazard")))["data"]
    with pytest.raises(MessageRefused, match=r"blindspot\.hazard\.v1: field 'severity'"):
        decode(_event(data={**data, "severity": 9}))


def test_a_type_outside_the_table_cannot_be_sent() -> None:
    class Snapshot(Report):
        picture: str

    with pytest.raises(MessageRefused, match="allow-list"):
        kind_of(Snapshot(picture="x"))
    with pytest.raises(MessageRefused, match="allow-list"):
        encode(Message(ULID_SAMPLE, "s1", 0, Snapshot(picture="x")))


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [("confidence", 0.123456789, 0.12), ("confidence", 1.0, 1.0), ("confidence", 0.005, 0.0)],
)
def test_figures_are_rounded_where_they_are_built(field: str, given: float, kept: float) -> None:
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
def test_no_figure_has_room_for_a_message(kind: str, field: str) -> None:
    values = SAMPLES[kind].model_dump()
    fine = values[field] * (1 + 1.23456789e-9)
    assert getattr(type(SAMPLES[kind]).model_validate({**values, field: fine}), field) == values[field]
