"""Inspects an ONNX file before any runtime opens it: the protobuf is parsed, nothing is executed.

A bundle must be self-contained. External data (files beside it), sparse initialisers, operators outside
the standard domains and model-local functions are refused here. Parsers of protobuf differ in what they make
of odd bytes (a tag of more than 32 bits, an unknown field, a number in more bytes than it needs), and what
this one does not see another one may obey. So every field must be one of `MESSAGES`, with its wire type, and
every number in its shortest form: of such bytes there is only one reading. Pure functions on bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.errors import BundleRefused, UnsafeGraph

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
MAX_DEPTH = 8

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_TAG_LIMIT, _NUMBER_LIMIT = 2**32, 2**64


@dataclass(frozen=True)
class Allowed:
    """A field that a message may have: its wire types, and the message that it holds, if any."""

    wire_types: tuple[int, ...]
    message: str | None = None


def _fields(
    numbers: str = "", text: str = "", packed: str = "", fixed: str = "", **messages: str
) -> Mapping[int, Allowed]:
    """Field numbers by kind, separated by spaces; those of a message by its name."""
    kinds = {(VARINT,): numbers, (BYTES,): text, (VARINT, BYTES): packed, (FIXED32, FIXED64, BYTES): fixed}
    table = {int(field): Allowed(wires) for wires, fields in kinds.items() for field in fields.split()}
    for name, fields in messages.items():
        table |= {int(field): Allowed((BYTES,), name) for field in fields.split()}
    return table


# The fields of onnx.proto that a bundle may have; left out are training, functions, sparse tensors, external
# data, segments, references to attributes of functions, and devices.
MESSAGES = {
    "model": _fields("1 5", "2 3 4 6", graph="7", opset="8", entry="14"),
    "opset": _fields("2", "1"),
    "entry": _fields(text="1 2"),
    "graph": _fields(text="2 10", node="1", tensor="5", value="11 12 13", annotation="14", entry="16"),
    "annotation": _fields(text="1", entry="2"),
    "node": _fields(text="1 2 3 4 6 7 8", attribute="5", entry="9"),
    "attribute": _fields("3 20", "1 4 9 13", "8", "2 7", tensor="5 10", graph="6 11", type="14 15"),
    "tensor": _fields("2 14", "6 8 9 12", "1 5 7 11", "4 10", entry="16"),
    "value": _fields(text="1 3", type="2", entry="4"),
    "type": _fields(text="6", tensor_type="1", holder="4 9"),
    "holder": _fields(type="1"),
    "tensor_type": _fields("1", shape="2"),
    "shape": _fields(dimension="1"),
    "dimension": _fields("1", "2 3"),
}
REFUSED = {
    ("model", 25): "defines functions of its own; export it without them",
    ("graph", 15): "has sparse initialisers; export it with dense ones",
    ("attribute", 22): "has sparse tensors; export it with dense ones",
    ("attribute", 23): "has sparse tensors; export it with dense ones",
    ("tensor", 13): "keeps tensors in other files; export it as one file",
}
"""Fields with a sentence of their own; others that are not in `MESSAGES` share one."""
_DOMAINS = {("opset", 1), ("node", 7)}
_DATA_LOCATION = ("tensor", 14)


@dataclass(frozen=True)
class Field:
    """One protobuf field: its number, wire type, and either its bytes or its integer."""

    number: int
    wire_type: int
    content: memoryview
    integer: int


def refuse_unsafe(model: bytes, origin: str) -> None:
    """Raise `BundleRefused`, naming `origin`, for a file that is not a self-contained standard model."""
    try:
        _check("model", memoryview(model), origin, 0)
        graphs = sum(field.number == 7 for field in _parsed(memoryview(model)))
    except (IndexError, UnicodeDecodeError):
        raise BundleRefused(f"{origin} is not an ONNX file or is cut short; fetch it again") from None
    if graphs != 1:
        raise BundleRefused(f"{origin} is not an ONNX file: it holds {graphs} graphs instead of one")


def _check(message: str, content: memoryview, origin: str, depth: int) -> None:
    """Check a message and all that it holds; `depth` counts graphs, and types, inside each other."""
    if depth > MAX_DEPTH:
        raise UnsafeGraph(f"{origin} nests graphs more than {MAX_DEPTH} deep")
    for field in _parsed(content):
        place = (message, field.number)
        allowed = MESSAGES[message].get(field.number)
        if allowed is None or field.wire_type not in allowed.wire_types:
            raise UnsafeGraph(f"{origin} {_reason(place, field)}")
        if place in _DOMAINS:
            _check_domain(field.content, origin)
        if place == _DATA_LOCATION and field.integer != 0:
            raise UnsafeGraph(f"{origin} {REFUSED['tensor', 13]}")
        if allowed.message is not None:
            nested = (message, allowed.message) in {("attribute", "graph"), ("holder", "type")}
            _check(allowed.message, field.content, origin, depth + nested)


def _reason(place: tuple[str, int], field: Field) -> str:
    known = REFUSED.get(place)
    if known is not None:
        return known
    return (
        f"is not an ONNX file, or has what no bundle needs (field {field.number}, wire type "
        f"{field.wire_type}, in a {place[0]}); export it again"
    )


def _check_domain(domain: memoryview, origin: str) -> None:
    name = bytes(domain).decode()
    if name not in STANDARD_DOMAINS:
        raise UnsafeGraph(f"{origin} needs operators of domain {name!r}; only standard ONNX is allowed")


def _parsed(message: memoryview) -> Iterator[Field]:
    """The fields of a message. Raises `IndexError` where its bytes end early or are not the shortest form."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at, _TAG_LIMIT)
        wire, number = key & 7, key >> 3
        integer, length = 0, 0
        if wire == VARINT:
            integer, at = _varint(message, at, _NUMBER_LIMIT)
        elif wire == BYTES:
            length, at = _varint(message, at, _NUMBER_LIMIT)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise IndexError(wire)
        if at + length > end:
            raise IndexError(at)
        yield Field(number, wire, message[at : at + length], integer)
        at += length


def _varint(message: memoryview, at: int, limit: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= limit or (byte == 0 and shift):
                raise IndexError(at)
            return value, at
    raise IndexError(at)
