"""The schema digest: whatever changes the meaning of the bytes changes the digest that a message carries."""

import binascii
import struct
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import Field, create_model

from messaging.errors import MessageRefused
from messaging.fields import Fraction, Grid, Significant
from messaging.reports import HazardEvent, Report, UtcMinute, UtcSeconds
from messaging.taxonomy import Light, Weather
from messaging.wire_format.codec import FORMAT_VERSION, PAYLOADS, SCHEMA_DIGESTS, SCHEMAS, decode, encode
from messaging.wire_format.column_encodings import ModelFields
from messaging.wire_format.schema import encoding_of
from messaging.wire_format.schema_digest import SCHEMA_DIGEST_BYTES, schema_digest, schema_text
from tests.support.messaging.golden import golden_messages

Fields = dict[str, Any]


def _digest(fields: Fields, *, kind: str = "sample", number: int = 0, max_reports: int = 1) -> bytes:
    definitions: dict[str, Any] = {name: (annotation, ...) for name, annotation in fields.items()}
    model = create_model("Sample", __base__=Report, **definitions)
    return schema_digest(schema_text(kind, number, max_reports, encoding_of(model)))


FIELDS: Fields = {
    "light": Light,
    "confidence": Fraction,
    "count": Annotated[int, Field(ge=0, le=100)],
    "list": Annotated[tuple[bool, ...], Field(max_length=4)],
    "scale": Annotated[float, Significant(6)],
    "at_utc": UtcSeconds,
}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ("two fields in another order", dict(reversed(FIELDS.items()))),
        ("a field with another name", {("score" if k == "confidence" else k): v for k, v in FIELDS.items()}),
        ("a field less", {k: v for k, v in FIELDS.items() if k != "count"}),
        ("another enum", {**FIELDS, "light": Weather}),
        ("another upper bound", {**FIELDS, "count": Annotated[int, Field(ge=0, le=101)]}),
        ("another lower bound", {**FIELDS, "count": Annotated[int, Field(ge=1, le=100)]}),
        ("steps", {**FIELDS, "count": Annotated[int, Field(ge=0, le=100, multiple_of=10)]}),
        ("another grid", {**FIELDS, "confidence": Annotated[float, Field(ge=0, le=1), Grid(0.02)]}),
        ("longer lists", {**FIELDS, "list": Annotated[tuple[bool, ...], Field(max_length=5)]}),
        ("other items", {**FIELDS, "list": Annotated[tuple[Light, ...], Field(max_length=4)]}),
        ("fewer digits", {**FIELDS, "scale": Annotated[float, Significant(5)]}),
        ("minutes for seconds", {**FIELDS, "at_utc": UtcMinute}),
        ("a field that may be absent", {**FIELDS, "light": Light | None}),
    ],
)
def test_a_changed_schema_has_another_digest(change: str, fields: Fields) -> None:
    assert _digest(fields) != _digest(FIELDS)


def test_the_digest_depends_on_kind_number_and_batch_size_too() -> None:
    digests = {
        _digest(FIELDS),
        _digest(FIELDS, kind="other"),
        _digest(FIELDS, number=1),
        _digest(FIELDS, max_reports=64),
    }
    assert len(digests) == 4


def test_the_digest_does_not_depend_on_the_name_of_a_class() -> None:
    renamed = type("Renamed", (HazardEvent,), {})
    assert encoding_of(renamed).fields == encoding_of(HazardEvent).fields
    texts = {schema_text("hazard", 0, 64, encoding_of(model)) for model in (HazardEvent, renamed)}
    assert texts == {SCHEMAS["hazard"]}


def test_no_two_payload_types_have_the_same_digest() -> None:
    digests = {SCHEMA_DIGESTS[kind] for kind in PAYLOADS}
    assert len(digests) == len(PAYLOADS)
    assert {len(digest) for digest in digests} == {SCHEMA_DIGEST_BYTES}


def test_every_field_of_a_payload_has_a_line_in_the_order_of_the_model() -> None:
    for kind, row in PAYLOADS.items():
        lines = [line.split(":")[0] for line in SCHEMAS[kind].splitlines()]
        assert [name for name in lines if name in row.model.model_fields] == list(row.model.model_fields)


def test_a_message_whose_fields_have_another_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = encoding_of(HazardEvent)
    camera, class_name = encoding.fields[1:3]
    fields = (encoding.fields[0], class_name, camera, *encoding.fields[3:])
    reordered = schema_text("hazard", 0, 64, replace(encoding, fields=fields))
    content = schema_digest(reordered) + encode(golden_messages()["hazard"])[6:]
    data = struct.pack("<BH", FORMAT_VERSION, binascii.crc_hqx(content, 0)) + content
    with pytest.raises(MessageRefused) as refused:
        decode(data)
    assert str(refused.value) == (
        f"hazard message was written with schema {schema_digest(reordered).hex()}, this program reads "
        f"{SCHEMA_DIGESTS['hazard'].hex()}; run the same version of Blindspot at both ends"
    )


def test_an_encoding_without_a_line_cannot_be_part_of_a_schema() -> None:
    class Unknown:
        def write(self, out: Any, column: Any, origin: Any) -> None:
            """Never called."""

        def read(self, source: Any, count: int, origin: Any) -> list[Any]:
            return []

    with pytest.raises(TypeError, match="Unknown has no line in a schema"):
        schema_text("x", 0, 1, ModelFields(Report, (("field", Unknown()),)))
