"""Inspects an ONNX file before any runtime opens it: the protobuf is parsed, nothing is executed.

A bundle must be self-contained. External data (files beside it), sparse initialisers, operators outside
the standard domains and model-local functions are refused here. Pure functions on bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import BundleRefused, UnsafeGraph

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
MAX_DEPTH = 8

MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTIONS = 7, 8, 25
GRAPH_NODE, GRAPH_INITIALISER, GRAPH_SPARSE = 1, 5, 15
NODE_ATTRIBUTE, NODE_DOMAIN = 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
OPSET_DOMAIN = 1

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """One protobuf field: its number and either its bytes or its integer."""

    number: int
    content: memoryview
    integer: int


def refuse_unsafe(model: bytes, origin: str) -> None:
    """Raise `BundleRefused`, naming `origin`, for a file that is not a self-contained standard model."""
    graphs = 0
    try:
        for field in _fields(memoryview(model)):
            if field.number == MODEL_FUNCTIONS:
                raise UnsafeGraph(f"{origin} defines functions of its own; export it without them")
            if field.number == MODEL_OPSET:
                _check_opset(field.content, origin)
            if field.number == MODEL_GRAPH:
                graphs += 1
                _check_graph(field.content, origin, 0)
    except (IndexError, UnicodeDecodeError):
        raise BundleRefused(f"{origin} is not an ONNX file or is cut short; fetch it again") from None
    if graphs != 1:
        raise BundleRefused(f"{origin} is not an ONNX file: it holds {graphs} graphs instead of one")


def _check_opset(opset: memoryview, origin: str) -> None:
    for field in _fields(opset):
        if field.number == OPSET_DOMAIN:
            _check_domain(field.content, origin)


def _check_domain(domain: memoryview, origin: str) -> None:
    name = bytes(domain).decode()
    if name not in STANDARD_DOMAINS:
        raise UnsafeGraph(f"{origin} needs operators of domain {name!r}; only standard ONNX is allowed")


def _check_graph(graph: memoryview, origin: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsafeGraph(f"{origin} nests graphs more than {MAX_DEPTH} deep")
    for field in _fields(graph):
        if field.number == GRAPH_SPARSE:
            raise UnsafeGraph(f"{origin} has sparse initialisers; export it with dense ones")
        if field.number == GRAPH_INITIALISER:
            _check_tensor(field.content, origin)
        if field.number == GRAPH_NODE:
            _check_node(field.content, origin, depth)


def _check_node(node: memoryview, origin: str, depth: int) -> None:
    for field in _fields(node):
        if field.number == NODE_DOMAIN:
            _check_domain(field.content, origin)
        if field.number == NODE_ATTRIBUTE:
            for part in _fields(field.content):
                if part.number in ATTRIBUTE_SPARSE:
                    raise UnsafeGraph(f"{origin} has sparse tensors; export it with dense ones")
                if part.number in ATTRIBUTE_TENSORS:
                    _check_tensor(part.content, origin)
                if part.number in ATTRIBUTE_GRAPHS:
                    _check_graph(part.content, origin, depth + 1)


def _check_tensor(tensor: memoryview, origin: str) -> None:
    for field in _fields(tensor):
        if field.number == TENSOR_EXTERNAL or (field.number == TENSOR_LOCATION and field.integer != 0):
            raise UnsafeGraph(f"{origin} keeps tensors in other files; export it as one file")


def _fields(message: memoryview) -> Iterator[Field]:
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire, number = key & 7, key >> 3
        integer, length = 0, 0
        if wire == VARINT:
            integer, at = _varint(message, at)
        elif wire == BYTES:
            length, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise IndexError(wire)
        if at + length > end:
            raise IndexError(at)
        yield Field(number, message[at : at + length], integer)
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError(at)
