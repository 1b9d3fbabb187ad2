"""No image, crop, video or free text fits any field of any payload: fuzzed, field by field.

A message has one encoding, so its bytes contain nothing but its fields. The residue that a field of
fixed form can carry (a slug, a digest, sixty-four small integers) is bounded by the caps of the payload
table and of the gate, which have tests of their own.
"""

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.gate.limits.admission import admitted, outgoing_of
from messaging.errors import MessageRefused
from messaging.nats.subjects import report_subject
from messaging.reports import Report
from messaging.wire_format.codec import FORMAT_VERSION, PAYLOADS, SCHEMA_DIGESTS, Message, decode, encode
from tests.support.messaging.samples import SAMPLES, ULID_SAMPLE

Path = tuple[str | int, ...]
ROUNDS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def _message(report: Report) -> Message:
    return Message(ULID_SAMPLE, "s1", 1_800_000_000, report)


def _values(kind: str) -> dict[str, Any]:
    values: dict[str, Any] = SAMPLES[kind].model_dump(mode="json")
    return values


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path in a JSON tree: fields, their parts, the first item of lists."""
    if path:
        yield path
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value[:1]))
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _with(value: Any, path: Path, new: Any) -> Any:
    copy: Any = json.loads(json.dumps(value))
    target = copy
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = new
    return copy


PATHS = [(kind, path) for kind in PAYLOADS for path in _paths(_values(kind))]

images = st.one_of(
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


@pytest.mark.parametrize(("kind", "path"), PATHS, ids=[f"{k}:{'.'.join(map(str, p))}" for k, p in PATHS])
@settings(ROUNDS, max_examples=8)
@given(image=images)
def test_no_field_accepts_an_image_or_free_text(kind: str, path: Path, image: Any) -> None:
    values = _with(_values(kind), path, image)
    with pytest.raises(ValidationError):
        PAYLOADS[kind].model.model_validate_json(json.dumps(values), strict=True)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, row in PAYLOADS.items() for name in row.model.model_fields]
)
@settings(ROUNDS, max_examples=8)
@given(image=images)
def test_a_report_that_was_built_without_validation_is_not_encoded(kind: str, name: str, image: Any) -> None:
    forged = SAMPLES[kind].model_copy(update={name: image})
    with pytest.raises(MessageRefused):
        encode(_message(forged))


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@ROUNDS
@given(name=st.text(min_size=1, max_size=30), image=images)
def test_no_payload_accepts_another_field(kind: str, name: str, image: Any) -> None:
    values = _values(kind)
    for target in (values, *(part for part in values.values() if isinstance(part, dict))):
        if name in target:
            continue
        target[name] = image
        with pytest.raises(ValidationError):
            PAYLOADS[kind].model.model_validate_json(json.dumps(values), strict=True)
        del target[name]


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@ROUNDS
@given(image=images)
def test_an_attribute_added_to_a_report_is_not_encoded(kind: str, image: Any) -> None:
    carrier = SAMPLES[kind].model_copy(update={"image": image})
    assert encode(_message(carrier)) == encode(_message(SAMPLES[kind]))


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@ROUNDS
@given(more=st.binary(min_size=1, max_size=400))
def test_bytes_appended_to_a_message_are_refused(kind: str, more: bytes) -> None:
    with pytest.raises(MessageRefused):
        decode(encode(_message(SAMPLES[kind])) + more)


@ROUNDS
@given(data=st.binary(max_size=4000))
def test_no_bytes_but_those_of_the_schema_pass_the_gate(data: bytes) -> None:
    subject = report_subject("s1", "hazard", ULID_SAMPLE)
    for message in (data, bytes([FORMAT_VERSION]) + data):
        with pytest.raises(MessageRefused):
            admitted("s1", subject, ULID_SAMPLE, message)


@settings(ROUNDS, max_examples=300)
@given(body=st.binary(min_size=1, max_size=300))
def test_any_body_is_refused_or_is_the_encoding_of_valid_reports(body: bytes) -> None:
    kind = list(PAYLOADS)[body[0] % len(PAYLOADS)]
    content = SCHEMA_DIGESTS[kind] + body
    data = struct.pack("<BH", FORMAT_VERSION, binascii.crc_hqx(content, 0)) + content
    try:
        message = decode(data)
    except MessageRefused:
        return
    assert encode(message) == data
    for report in message.reports:
        assert type(report).model_validate_json(report.model_dump_json(), strict=True) == report


@pytest.mark.parametrize("kind", sorted(set(PAYLOADS) - {"heartbeat"}))
@ROUNDS
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_report_is_refused_or_leaves_as_a_valid_encoding(
    kind: str, position: int, byte: int, cut: bool
) -> None:
    good = encode(_message(SAMPLES[kind]))
    position %= len(good)
    damaged = good[:position] if cut else good[:position] + bytes([byte]) + good[position + 1 :]
    try:
        message = admitted("s1", report_subject("s1", kind, ULID_SAMPLE), ULID_SAMPLE, damaged)
    except MessageRefused:
        return
    outgoing = outgoing_of(message)
    assert outgoing.data == damaged == encode(decode(outgoing.data))
    assert len(outgoing.data) <= PAYLOADS[kind].cap_bytes
