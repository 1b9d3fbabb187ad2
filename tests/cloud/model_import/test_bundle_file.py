"""ONNX files that are imported: a bundle as it is, and one sentence for each usual way of not being one."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from cloud.errors import WeightsRefused
from cloud.model_import.bundle_file import read_bundle
from tests.support.edge.tiny_bundles import NAMES, tiny_bundle

Change = Callable[[onnx.ModelProto], None]


def dynamic(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def half_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def half_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT16, [1], [1.0]))


def end_to_end(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("TopK", ["scores", "k"], ["values", "indices"]))


def with_nms(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["selected"]))


def without_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def of_ultralytics(model: onnx.ModelProto) -> None:
    helper.set_model_props(model, {"names": "{0: 'fire'}", "task": "detect", "stride": "32"})


def other_output(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.output[:] = ["output0" if name == "boxes" else name for name in node.output]
    model.graph.output[0].name = "output0"


def own_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def read(tmp_path: Path, content: bytes) -> bytes:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return read_bundle(path, NAMES)


def test_a_bundle_is_kept_byte_for_byte(tmp_path: Path) -> None:
    assert read(tmp_path, tiny_bundle()) == tiny_bundle()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (dynamic, "has dynamic axes for height or width, and a bundle has one input size"),
        (half_input, "is in half precision"),
        (half_weights, "is in half precision"),
        (end_to_end, "selects boxes itself (end-to-end or built-in"),
        (with_nms, "selects boxes itself (end-to-end or built-in"),
        (without_metadata, "has no metadata 'blindspot'"),
        (of_ultralytics, "has no metadata 'blindspot'"),
        (other_output, "has no output 'boxes'"),
        (own_operator, "needs operators of domain 'com.example'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_bundle_is_one_sentence(tmp_path: Path, change: Change, sentence: str) -> None:
    with pytest.raises(WeightsRefused) as refused:
        read(tmp_path, tiny_bundle(change=change))
    assert sentence in str(refused.value)
    assert str(tmp_path / "model.onnx") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git-LFS pointer"),
        (b"PK\x03\x04 a checkpoint", "is not an ONNX file"),
        (tiny_bundle()[:-50], "is not an ONNX file or is cut short"),
    ],
)
def test_a_file_that_is_no_onnx_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(WeightsRefused, match=sentence) as refused:
        read(tmp_path, content)
    assert "\n" not in str(refused.value)


def test_a_bundle_of_classes_that_the_deployment_lacks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_bundle())
    with pytest.raises(WeightsRefused, match="detects smoke, and this deployment has fire, pothole"):
        read_bundle(path, ("fire", "pothole"))
