"""No picture, crop, video or free text fits any field of any payload: fuzzed, field by field.

The residue that a field of fixed form can carry (a slug, a digest, sixty-four small integers) is bounded
by the caps of the payload table and of the gate, which have tests of their own.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.admission import admitted
from messaging.codec import PAYLOADS, Message, decode, encode
from messaging.errors import MessageRefused
from messaging.subjects import report_subject
from tests.messaging.samples import SAMPLES, ULID_SAMPLE

Path = tuple[str | int, ...]
ROUNDS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def _event(kind: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(encode(Message(ULID_SAMPLE, "s1", 1_800_000_000, SAMPLES[kind])))
    return event


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON tree: fields, their parts, the first item of lists."""
    if path:
        yield path
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value[:1]))
    for key, part in parts:
        yield from _places(part, (*path, key))


def _with(value: Any, path: Path, new: Any) -> Any:
    copy: Any = json.loads(json.dumps(value))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return copy


PLACES = [(kind, path) for kind in PAYLOADS for path in _places(_event(kind)["data"], ("data",))]

pictures = st.one_of(
    st.lists(st.integers(0, 255), min_size=65, max_size=900),
    st.lists(st.lists(st.integers(0, 255), min_size=8, max_size=8), min_size=8, max_size=32),
    st.lists(st.floats(0, 1, allow_subnormal=False), min_size=65, max_size=200),
    st.binary(min_size=64, max_size=1200).map(lambda raw: base64.b64encode(raw).decode()),
    st.binary(min_size=64, max_size=600).map(lambda raw: (b"\xff\xd8\xff\xe0" + raw).decode("latin-1")),
    st.binary(min_size=64, max_size=600).map(lambda raw: "data:image/png;base64," + raw.hex()),
    st.text(min_size=65, max_size=900),
    st.binary(min_size=32, max_size=300).map(lambda raw: {"pixels": raw.hex()}),
    st.integers(min_value=2**64, max_value=2**4000),
)


@pytest.mark.parametrize(("kind", "path"), PLACES, ids=[f"{k}:{'.'.join(map(str, p))}" for k, p in PLACES])
@settings(ROUNDS, max_examples=8)
@given(picture=pictures)
def test_no_field_takes_a_picture_or_free_text(kind: str, path: Path, picture: Any) -> None:
    event = _with(_event(kind), path, picture)
    with pytest.raises(MessageRefused):
        decode(json.dumps(event).encode())


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@ROUNDS
@given(name=st.text(min_size=1, max_size=30), picture=pictures)
def test_no_payload_takes_one_field_more(kind: str, name: str, picture: Any) -> None:
    event = _event(kind)
    for place in (event["data"], *(part for part in event["data"].values() if isinstance(part, dict))):
        if name in place:
            continue
        place[name] = picture
        with pytest.raises(MessageRefused):
            decode(json.dumps(event).encode())
        del place[name]


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@ROUNDS
@given(name=st.text(min_size=1, max_size=30), picture=pictures)
def test_what_is_smuggled_beside_the_payload_does_not_leave(kind: str, name: str, picture: Any) -> None:
    clean = _event(kind)
    if name in clean:
        return
    try:
        message = decode(json.dumps({name: picture, **clean}).encode())
    except MessageRefused:
        return
    assert json.loads(encode(message)) == clean


@ROUNDS
@given(data=st.binary(max_size=4000))
def test_no_bytes_but_those_of_the_schema_pass_the_gate(data: bytes) -> None:
    subject = report_subject("s1", "hazard", ULID_SAMPLE)
    with pytest.raises(MessageRefused):
        admitted("s1", subject, ULID_SAMPLE, data)


@pytest.mark.parametrize("kind", sorted(set(PAYLOADS) - {"heartbeat"}))
@ROUNDS
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_report_is_refused_or_leaves_as_what_the_schema_says(
    kind: str, position: int, byte: int, cut: bool
) -> None:
    good = encode(Message(ULID_SAMPLE, "s1", 1_800_000_000, SAMPLES[kind]))
    position %= len(good)
    damaged = good[:position] if cut else good[:position] + bytes([byte]) + good[position + 1 :]
    try:
        outgoing = admitted("s1", report_subject("s1", kind, ULID_SAMPLE), ULID_SAMPLE, damaged)
    except MessageRefused:
        return
    assert outgoing.data == encode(decode(outgoing.data))
    assert len(outgoing.data) <= PAYLOADS[kind].cap_bytes
