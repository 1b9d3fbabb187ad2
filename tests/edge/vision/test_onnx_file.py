"""An ONNX file is inspected as bytes, and refused unless it is self-contained and standard."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.errors import BundleRefused, UnsafeGraph
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.onnx_file import MAX_DEPTH, MESSAGES, refuse_unsafe
from tests.support.edge.tiny_bundles import tiny_bundle


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    tensor.data_location = onnx.TensorProto.EXTERNAL


def _hidden_external(model: onnx.ModelProto) -> None:
    constant = helper.make_tensor("v", onnx.TensorProto.FLOAT, [1], [0.0])
    constant.data_location = onnx.TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=constant))


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def _foreign_opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))


def _own_function(model: onnx.ModelProto) -> None:
    model.functions.add().name = "f"


def _sparse_attribute(model: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["unused"])
    attribute = constant.attribute.add()
    attribute.name, attribute.type = "sparse_value", onnx.AttributeProto.SPARSE_TENSOR
    attribute.sparse_tensor.dims.append(1)
    model.graph.node.append(constant)


def _nested(model: onnx.ModelProto, depth: int, domain: str = "") -> None:
    """Graphs inside graphs; the innermost has one operator of `domain`."""
    node = helper.make_node("Identity", ["a"], ["b"], domain=domain)
    for level in range(depth):
        graph = helper.make_graph([node], f"level{level}", [], [])
        node = helper.make_node("If", ["a"], ["b"], then_branch=graph)
    model.graph.node.append(node)


def _hidden_operator(model: onnx.ModelProto) -> None:
    _nested(model, 3, "com.evil")


def _too_deep(model: onnx.ModelProto) -> None:
    _nested(model, MAX_DEPTH + 1)


def _as_deep_as_allowed(model: onnx.ModelProto) -> None:
    _nested(model, MAX_DEPTH)


def test_a_self_contained_standard_model_is_accepted() -> None:
    refuse_unsafe(tiny_bundle(), "model.onnx")
    refuse_unsafe(tiny_bundle(change=_as_deep_as_allowed), "model.onnx")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_external, "other files"),
        (_hidden_external, "other files"),
        (_sparse, "sparse initialisers"),
        (_sparse_attribute, "sparse tensors"),
        (_foreign_operator, "com.evil"),
        (_hidden_operator, "com.evil"),
        (_foreign_opset, "com.evil"),
        (_own_function, "functions"),
        (_too_deep, f"more than {MAX_DEPTH} deep"),
    ],
)
def test_a_model_that_is_not_self_contained_is_refused_with_its_name_and_the_reason(
    change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    with pytest.raises(UnsafeGraph, match=reason) as refused:
        refuse_unsafe(tiny_bundle(change=change), "model.onnx")
    assert "model.onnx" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 graphs"),
        (b"\xff" * 100, "cut short"),
        (b"\x3a\x80", "cut short"),
        (b"\x3a\x7f\x00", "cut short"),
        (b"\x3a\x00\x3a\x00", "2 graphs"),
    ],
    ids=["empty", "endless number", "number cut short", "field longer than the file", "two graphs"],
)
def test_bytes_that_are_no_onnx_file_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BundleRefused, match=reason):
        refuse_unsafe(content, "model.onnx")


def _number(value: int, *, bytes_more: int = 0) -> bytes:
    """A varint; with more bytes than it needs."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F)
    parts += [0] * bytes_more
    return bytes([part | 0x80 for part in parts[:-1]] + parts[-1:])


def _tag(number: int, wire_type: int, *, high_bit: bool = False, bytes_more: int = 0) -> bytes:
    return _number(number << 3 | wire_type | (high_bit << 32), bytes_more=bytes_more)


def _sized(tag: bytes, content: bytes, *, bytes_more: int = 0) -> bytes:
    return tag + _number(len(content), bytes_more=bytes_more) + content


def _with_weights_in_a_file(folder: Path, **trick: bool | int) -> bytes:
    """A bundle whose first weights lie in a file of the working directory, said in tags that are odd."""
    model = onnx.load_from_string(tiny_bundle())
    tensor = next(t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    content = numpy_helper.to_array(tensor).tobytes()
    (folder / "secret.bin").write_bytes(content)
    described = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    body = described.SerializeToString()
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", str(len(content)))):
        entry = onnx.StringStringEntryProto(key=key, value=value).SerializeToString()
        body += _sized(_tag(13, 2, **trick), entry)  # type: ignore[arg-type]  # a case's trick
    body += _tag(14, 0, **trick) + _number(1)  # type: ignore[arg-type]
    kept = [t for t in model.graph.initializer if t.name != tensor.name]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    graph = model.graph.SerializeToString() + _sized(_tag(5, 2), body)
    model.ClearField("graph")
    whole: bytes = model.SerializeToString()
    return whole + _sized(_tag(7, 2), graph)


@pytest.mark.parametrize(
    "trick",
    [{}, {"high_bit": True}, {"bytes_more": 1}, {"bytes_more": 4}],
    ids=["plain", "tag of more than 32 bits", "tag with a byte too many", "tag with four bytes too many"],
)
def test_weights_in_another_file_are_refused_however_their_tags_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trick: dict[str, bool | int]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = _with_weights_in_a_file(tmp_path, **trick)
    with pytest.raises(BundleRefused):
        OnnxDetector(bundle)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (_sized(_tag(7, 2, high_bit=True), b""), "not an ONNX file or is cut short"),
        (_sized(_tag(14, 2), b"", bytes_more=1), "not an ONNX file or is cut short"),
        (_tag(1, 0) + _number(9, bytes_more=2), "not an ONNX file or is cut short"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "not an ONNX file or is cut short"),
        (_sized(_tag(99, 2), b"x"), "field 99, wire type 2, in a model"),
        (_sized(_tag(20, 2), b""), "field 20, wire type 2, in a model"),
        (_tag(7, 0) + _number(1), "field 7, wire type 0, in a model"),
        (
            _sized(_tag(7, 2), _sized(_tag(5, 2), _sized(_tag(14, 2), b"1"))),
            "field 14, wire type 2, in a tensor",
        ),
        (_sized(_tag(7, 2), _sized(_tag(5, 2), _tag(14, 0) + _number(1 << 32))), "other files"),
        (_tag(3, 3) + _tag(3, 4), "not an ONNX file or is cut short"),
    ],
    ids=[
        "second graph behind a long tag",
        "length with a byte too many",
        "number with bytes too many",
        "number of more than 64 bits",
        "unknown field",
        "training information",
        "graph as a number",
        "data location as bytes",
        "data location of more than 32 bits",
        "group",
    ],
)
def test_bytes_that_parsers_read_differently_are_refused(more: bytes, reason: str) -> None:
    with pytest.raises(BundleRefused, match=reason):
        refuse_unsafe(tiny_bundle() + more, "model.onnx")


def test_negative_numbers_in_ten_bytes_are_allowed() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Gather", ["a", "b"], ["c"], axis=-1))
        model.graph.initializer.append(numpy_helper.from_array(np.asarray([-1], np.int64), "minus"))
        model.graph.initializer.append(helper.make_tensor("listed", onnx.TensorProto.INT64, [2], [-1, -7]))

    refuse_unsafe(tiny_bundle(change=change), "model.onnx")


def test_every_field_of_onnx_is_either_allowed_or_known_to_be_refused() -> None:
    """A field that a later version of ONNX adds is refused until somebody has decided about it."""
    messages = {
        "model": onnx.ModelProto,
        "opset": onnx.OperatorSetIdProto,
        "entry": onnx.StringStringEntryProto,
        "graph": onnx.GraphProto,
        "annotation": onnx.TensorAnnotation,
        "node": onnx.NodeProto,
        "attribute": onnx.AttributeProto,
        "tensor": onnx.TensorProto,
        "value": onnx.ValueInfoProto,
        "type": onnx.TypeProto,
        "holder": onnx.TypeProto.Sequence,
        "tensor_type": onnx.TypeProto.Tensor,
        "shape": onnx.TensorShapeProto,
        "dimension": onnx.TensorShapeProto.Dimension,
    }
    assert messages.keys() == MESSAGES.keys()
    refused = {
        name: {field.name for field in message.DESCRIPTOR.fields if field.number not in MESSAGES[name]}
        for name, message in messages.items()
    }
    assert {name: fields for name, fields in refused.items() if fields} == {
        "model": {"training_info", "functions", "configuration"},
        "graph": {"sparse_initializer"},
        "node": {"device_configurations"},
        "attribute": {"ref_attr_name", "sparse_tensor", "sparse_tensors"},
        "tensor": {"segment", "external_data"},
        "type": {"map_type", "opaque_type", "sparse_tensor_type"},
    }
    numbers = {name: {f.number for f in message.DESCRIPTOR.fields} for name, message in messages.items()}
    assert all(MESSAGES[name].keys() <= numbers[name] for name in messages)
