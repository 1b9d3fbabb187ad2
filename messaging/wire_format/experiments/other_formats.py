"""The same messages in CBOR, protobuf and UPER, with schemas generated from the column encodings.

Each format gets the most compact types that it has: enums and public slugs by number, fractions as steps of
their grid, times in their steps, digests and ids as bytes, decimals as 32-bit floats (UPER: mantissa and
exponent). They write report after report, without a version, a CRC or a schema digest.
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import asn1tools
import cbor2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from messaging.reports import LAST_UTC
from messaging.wire_format.codec import PAYLOADS, Message
from messaging.wire_format.column_encodings import (
    EXPONENTS,
    PUBLIC_SLUGS,
    BoundedInt,
    BoundedList,
    ColumnEncoding,
    DecimalNumber,
    GridNumber,
    HexDigest,
    ModelFields,
    OneOf,
    OptionalValue,
    RelativeTime,
    RelativeUlid,
    SlugText,
    ulid_number,
)
from messaging.wire_format.schema import encoding_of

_KINDS = tuple(PAYLOADS)
_SCALARS: dict[type, str] = {
    BoundedInt: "TYPE_UINT64",
    OneOf: "TYPE_UINT32",
    GridNumber: "TYPE_UINT32",
    RelativeTime: "TYPE_UINT32",
    RelativeUlid: "TYPE_BYTES",
    HexDigest: "TYPE_BYTES",
    DecimalNumber: "TYPE_FLOAT",
}


def plain_message(message: Message) -> dict[str, Any]:
    """A message as integers, bytes and text; absent values are left out of their dictionaries."""
    encoding = encoding_of(type(message.report))
    return {
        "id": _plain(RelativeUlid(), message.id),
        "kind": _KINDS.index(message.kind),
        "at_utc": message.at_utc,
        "site": _plain(SlugText(), message.site),
        "reports": [_plain(encoding, report) for report in message.reports],
    }


def _plain(encoding: ColumnEncoding, value: Any) -> Any:
    match encoding:
        case BoundedInt(least, _, step):
            return (value - least) // step if step > 1 or least > 0 else value
        case OneOf(values):
            return values.index(value)
        case GridNumber(grid, _):
            return grid.steps(value)
        case DecimalNumber():
            return struct.unpack("f", struct.pack("f", value))[0]
        case RelativeTime(step):
            return value // step
        case RelativeUlid():
            return ulid_number(value).to_bytes(16, "big")
        case HexDigest():
            return bytes.fromhex(value)
        case OptionalValue(inner):
            return None if value is None else _plain(inner, value)
        case BoundedList(inner, _, _):
            return [_plain(inner, item) for item in value]
        case ModelFields(_, fields):
            plain = {name: _plain(inner, getattr(value, name)) for name, inner in fields}
            return {name: found for name, found in plain.items() if found is not None}
    return PUBLIC_SLUGS.index(value) if value in PUBLIC_SLUGS else value


def cbor_bytes(message: Message) -> bytes:
    """CBOR with field names, in its deterministic encoding."""
    return cbor2.dumps(plain_message(message), canonical=True)


def positional_cbor_bytes(message: Message) -> bytes:
    """CBOR without field names: every report an array in the order of its schema."""
    encoding = encoding_of(type(message.report))
    whole = plain_message(message)
    reports = [_positional(encoding, report) for report in whole.pop("reports")]
    return cbor2.dumps([*whole.values(), reports], canonical=True)


def _positional(encoding: ColumnEncoding, value: Any) -> Any:
    match encoding:
        case OptionalValue(inner):
            return None if value is None else _positional(inner, value)
        case BoundedList(inner, _, _):
            return [_positional(inner, item) for item in value]
        case ModelFields(_, fields):
            return [_positional(inner, value.get(name)) for name, inner in fields]
    return value


def protobuf_bytes(message: Message) -> bytes:
    """protobuf (proto3): a tag before every value, packed lists, enums and public slugs as varints."""
    encoding = encoding_of(type(message.report))
    file = FileDescriptorProto(name="message.proto", package="blindspot", syntax="proto3")
    envelope = (("id", RelativeUlid()), ("kind", BoundedInt(0, 31)), ("at_utc", RelativeTime(1)))
    reports = BoundedList(encoding, 1, 64)
    _describe(file, "Message", (*envelope, ("site", SlugText()), ("reports", reports)))
    pool = DescriptorPool()
    pool.Add(file)
    built = GetMessageClass(pool.FindMessageTypeByName("blindspot.Message"))()
    _fill(built, plain_message(message))
    data: bytes = built.SerializeToString(deterministic=True)
    return data


def _describe(file: FileDescriptorProto, name: str, fields: tuple[tuple[str, ColumnEncoding], ...]) -> None:
    described = DescriptorProto(name=name)
    for field_name, encoding in fields:
        repeated = isinstance(encoding, BoundedList)
        inner = encoding.inner if isinstance(encoding, BoundedList | OptionalValue) else encoding
        variants = {field_name: _scalar(inner)}
        if isinstance(inner, SlugText):
            variants = {f"{field_name}_public": "TYPE_UINT32", field_name: "TYPE_STRING"}
        for variant, kind in variants.items():
            field = described.field.add(name=variant, number=len(described.field) + 1)
            field.label = (
                FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
            )
            field.type = FieldDescriptorProto.Type.Value(kind)
            if kind == "TYPE_MESSAGE":
                field.type_name = f".blindspot.{name}_{field_name}"
    file.message_type.append(described)
    for field_name, encoding in fields:
        inner = encoding.inner if isinstance(encoding, BoundedList | OptionalValue) else encoding
        if isinstance(inner, ModelFields):
            _describe(file, f"{name}_{field_name}", inner.fields)


def _scalar(encoding: ColumnEncoding) -> str:
    if isinstance(encoding, BoundedInt) and encoding.least < 0:
        return "TYPE_SINT32"
    return _SCALARS.get(type(encoding), "TYPE_MESSAGE")


def _fill(built: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            getattr(built, name).SetInParent()
            _fill(getattr(built, name), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                _fill(getattr(built, name).add(), item)
        elif isinstance(value, list):
            getattr(built, name).extend(value)
        else:
            public = isinstance(value, int) and f"{name}_public" in built.DESCRIPTOR.fields_by_name
            setattr(built, f"{name}_public" if public else name, value)


def uper_bytes(message: Message) -> bytes:
    """UPER (ASN.1 unaligned packed encoding rules): constrained integers, no tags, no field names."""
    encoding = encoding_of(type(message.report))
    most = PAYLOADS[message.kind].max_reports
    parts = [
        "id OCTET STRING (SIZE (16))",
        "kind INTEGER (0..31)",
        f"at-utc INTEGER (0..{LAST_UTC})",
        f"site {_asn1(SlugText())}",
        f"reports SEQUENCE (SIZE (1..{most})) OF {_asn1(encoding)}",
    ]
    text = f"B DEFINITIONS AUTOMATIC TAGS ::= BEGIN Message ::= SEQUENCE {{ {', '.join(parts)} }} END"
    codec = asn1tools.compile_string(text, "uper")
    values = _asn1_value(
        ModelFields(
            type(message.report), (("site", SlugText()), ("reports", BoundedList(encoding, 1, most)))
        ),
        plain_message(message),
    )
    whole = {"id": plain_message(message)["id"], "kind": _KINDS.index(message.kind), "at-utc": message.at_utc}
    data = bytes(codec.encode("Message", {**whole, **values}))
    if codec.decode("Message", data) != {**whole, **values}:
        raise ValueError(f"UPER does not give back the {message.kind} message")
    return data


_ASN1_SLUG = (
    f"CHOICE {{ public INTEGER (0..{len(PUBLIC_SLUGS) - 1}), other IA5String (SIZE (1..40)) "
    '(FROM ("a".."z" | "0".."9" | "_" | "-")) }'
)


def _asn1(encoding: ColumnEncoding) -> str:
    match encoding:
        case BoundedInt(least, most, step):
            return (
                f"INTEGER (0..{(most - least) // step})"
                if step > 1 or least > 0
                else f"INTEGER ({least}..{most})"
            )
        case OneOf(values):
            return f"INTEGER (0..{len(values) - 1})"
        case GridNumber(grid, most):
            return f"INTEGER (0..{grid.steps(most)})"
        case DecimalNumber(digits):
            exponent = f"INTEGER ({EXPONENTS.start}..{EXPONENTS.stop - 1})"
            return f"SEQUENCE {{ mantissa INTEGER (0..{10**digits - 1}), exponent {exponent} }}"
        case RelativeTime(step):
            return f"INTEGER (0..{LAST_UTC // step})"
        case RelativeUlid():
            return "OCTET STRING (SIZE (16))"
        case HexDigest():
            return "OCTET STRING (SIZE (32))"
        case OptionalValue(inner):
            return f"{_asn1(inner)} OPTIONAL"
        case BoundedList(inner, least, most):
            return f"SEQUENCE (SIZE ({least}..{most})) OF {_asn1(inner)}"
        case ModelFields(_, fields):
            return f"SEQUENCE {{ {', '.join(f'{_dashed(name)} {_asn1(inner)}' for name, inner in fields)} }}"
    return _ASN1_SLUG


def _asn1_value(encoding: ColumnEncoding, value: Any) -> Any:
    match encoding:
        case OptionalValue(inner):
            return _asn1_value(inner, value)
        case BoundedList(inner, _, _):
            return [_asn1_value(inner, item) for item in value]
        case ModelFields(_, fields):
            return {_dashed(name): _asn1_value(inner, value[name]) for name, inner in fields if name in value}
        case SlugText():
            return ("public" if isinstance(value, int) else "other", value)
        case DecimalNumber(digits):
            parts = Decimal(f"{value:.{digits}g}").normalize().as_tuple()
            return {"mantissa": int("".join(map(str, parts.digits))), "exponent": int(parts.exponent)}
    return value


def _dashed(name: str) -> str:
    return name.replace("_", "-")


OTHER_FORMATS: dict[str, Callable[[Message], bytes]] = {
    "uper": uper_bytes,
    "protobuf": protobuf_bytes,
    "cbor_positional": positional_cbor_bytes,
    "cbor": cbor_bytes,
}
