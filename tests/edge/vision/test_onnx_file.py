"""An ONNX file is inspected as bytes, and refused unless it is self-contained and standard."""

from collections.abc import Callable

import onnx
import pytest
from onnx import helper

from edge.errors import BundleRefused, UnsafeGraph
from edge.vision.onnx_file import MAX_DEPTH, refuse_unsafe
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
