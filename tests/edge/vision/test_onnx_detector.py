"""A bundle is inspected, checked against its description and tried before it counts as a detector."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.errors import BundleRefused, DetectorError, UnsafeGraph
from edge.vision.detector import Detector
from edge.vision.onnx_detector import OnnxDetector, granted_provider
from edge.vision.providers import GrantedProvider
from messaging.releases import METADATA_KEY, ExecutionProvider
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description


def _red_square(width: int = 128, height: int = 64) -> np.ndarray:
    """Black but for a red square that covers one cell of the letterboxed input."""
    image = np.zeros((height, width, 3), np.uint8)
    image[0:32, 0:32, 2] = 255
    return image


def test_a_bundle_returns_boxes_in_the_pixels_of_the_frame_with_embeddings() -> None:
    detector: Detector = OnnxDetector(tiny_bundle())
    [seen] = detector.detect([_red_square()])
    assert seen.xyxy.tolist() == [[0.0, 0.0, 32.0, 32.0]]
    assert seen.class_id.tolist() == [0]
    assert seen.confidence[0] == pytest.approx(1.0)
    assert seen.embedding.shape == (1, 3)
    np.testing.assert_allclose(seen.embedding, detector.embed(_red_square(), seen.xyxy), atol=1e-6)


def test_images_of_different_sizes_share_a_batch_and_keep_their_order() -> None:
    images = [np.zeros((40, 80, 3), np.uint8), _red_square(), np.zeros((64, 64, 3), np.uint8)]
    assert [len(seen) for seen in OnnxDetector(tiny_bundle()).detect(images)] == [0, 1, 0]


def test_no_images_give_no_results() -> None:
    assert OnnxDetector(tiny_bundle()).detect([]) == []


def test_a_floor_replaces_the_thresholds() -> None:
    image = (_red_square() * 0.4).astype(np.uint8)
    detector = OnnxDetector(tiny_bundle())
    assert len(detector.detect([image])[0]) == 0
    assert len(detector.detect([image], floor=0.3)[0]) == 1


def test_the_digest_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    content = tiny_bundle()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    detector = OnnxDetector(path)
    assert detector.digest == hashlib.sha256(content).hexdigest()
    assert detector.description == tiny_description()


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def test_an_unsafe_graph_is_refused_before_any_runtime_opens_it() -> None:
    with pytest.raises(UnsafeGraph, match=r"com\.evil"):
        OnnxDetector(tiny_bundle(change=_foreign_operator))


def _nameless(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def _other_metadata(model: onnx.ModelProto) -> None:
    helper.set_model_props(model, {METADATA_KEY: "{}"})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xff" * 100, "cut short"),
        (b"not a model at all", "ONNX"),
        (tiny_bundle()[:-200], "cut short"),
        (tiny_bundle(change=_nameless), "not a detector bundle"),
        (tiny_bundle(change=_other_metadata), "breaks the bundle contract"),
        (tiny_bundle(tiny_description(input_width=96)), "description promises"),
        (tiny_bundle(tiny_description(embedding_width=4)), "features"),
        (tiny_bundle(tiny_description(feature_stride=8)), "features"),
        (tiny_bundle(tiny_description(boxes_output="other")), "no output 'other'"),
    ],
    ids=[
        "empty",
        "noise",
        "text",
        "truncated",
        "no-metadata",
        "bad-metadata",
        "size",
        "width",
        "stride",
        "name",
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_with_the_reason(content: bytes, sentence: str) -> None:
    with pytest.raises(BundleRefused, match=sentence):
        OnnxDetector(content)


def _later_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def _later_format(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def _broken_link(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def _no_input(model: onnx.ModelProto) -> None:
    del model.graph.input[:]


def _whole_numbers(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "floats"
    model.graph.node.append(helper.make_node("Cast", ["floats"], ["boxes"], to=onnx.TensorProto.INT64))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def _no_anchors(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "all"
    for name, value in (("start", [0]), ("end", [0]), ("axis", [2])):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.int64), name))
    model.graph.node.append(helper.make_node("Slice", ["all", "start", "end", "axis"], ["boxes"]))
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "anchors"


def _metadata(text: str) -> Callable[[onnx.ModelProto], None]:
    return lambda model: helper.set_model_props(model, {METADATA_KEY: text})


PAGE, POINTER = b"<!DOCTYPE html><html></html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
DAMAGED = {
    "emptied": (b"", "is empty (0 bytes)"),
    "zeros": (bytes(4096), "only zero bytes"),
    "page": (PAGE, "is a web page"),
    "pointer": (POINTER, "Git-LFS pointer"),
    "safetensors": (b"\x08\0\0\0\0\0\0\0{}      ", "ONNX"),
    "pickle": (b"\x80\x04\x95pickle", "ONNX"),
    "zip": (b"PK\x03\x04" + bytes(99), "ONNX"),
    "half": (tiny_bundle()[: len(tiny_bundle()) // 2], "cut short"),
    "one byte short": (tiny_bundle()[:-1], "cut short"),
    "later opset": (tiny_bundle(change=_later_opset), "refused by ONNX Runtime"),
    "later format": (tiny_bundle(change=_later_format), "refused by ONNX Runtime"),
    "unknown operator": (tiny_bundle(change=_unknown_operator), "refused by ONNX Runtime"),
    "broken link": (tiny_bundle(change=_broken_link), "refused by ONNX Runtime"),
    "no input": (tiny_bundle(change=_no_input), "ONNX Runtime"),
    "whole numbers": (tiny_bundle(change=_whole_numbers), "not float32"),
    "no anchors": (tiny_bundle(change=_no_anchors), "has shape (1, 6, 0)"),
    "metadata emptied": (tiny_bundle(change=_metadata("")), "breaks the bundle contract"),
    "metadata cut": (tiny_bundle(change=_metadata('{"name": "ti')), "breaks the bundle contract"),
    "metadata a list": (tiny_bundle(change=_metadata("[]")), "breaks the bundle contract"),
    "metadata a number": (tiny_bundle(change=_metadata('{"input_width": "wide"}')), "bundle contract ("),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_sentence_that_names_it(tmp_path: Path, name: str) -> None:
    content, sentence = DAMAGED[name]
    path = tmp_path / "model [x] ünï.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleRefused) as refused:
        OnnxDetector(path)
    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_or_a_link_to_nothing_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "link.onnx").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "link.onnx"):
        with pytest.raises(BundleRefused, match=f"detector bundle {path} "):
            OnnxDetector(path)


def test_a_class_list_that_does_not_fit_the_output_is_refused() -> None:
    names = ("fire", "smoke", "pothole")
    wrong = tiny_description(
        class_names=names,
        taxonomy_digest=hashlib.sha256(b'["fire", "smoke", "pothole"]').hexdigest(),
        thresholds=dict.fromkeys(names, 0.5),
    )
    with pytest.raises(BundleRefused, match="boxes"):
        OnnxDetector(tiny_bundle(wrong))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"gone\.onnx cannot be read"):
        OnnxDetector(tmp_path / "gone.onnx")


def test_a_model_runs_on_no_provider_that_is_not_in_the_list() -> None:
    with pytest.raises(BundleRefused, match="none of the execution providers cuda, tensorrt can be used"):
        OnnxDetector(tiny_bundle(), providers=[ExecutionProvider.CUDA, ExecutionProvider.TENSORRT])


def test_a_fallback_is_logged_and_stated(caplog: pytest.LogCaptureFixture) -> None:
    detector = OnnxDetector(tiny_bundle(), providers=[ExecutionProvider.CUDA, ExecutionProvider.CPU])
    assert detector.provider == GrantedProvider(ExecutionProvider.CPU, ExecutionProvider.CUDA)
    assert "runs on cpu instead of cuda" in caplog.text


def test_without_a_preference_the_best_that_the_runtime_has_is_no_fallback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert not OnnxDetector(tiny_bundle()).provider.fallback
    assert granted_provider(()) == OnnxDetector(tiny_bundle()).provider
    assert not caplog.records


def test_a_detector_that_fails_raises_and_never_returns_an_empty_result() -> None:
    detector = OnnxDetector(tiny_bundle())
    detector._description = tiny_description(input_width=96)  # the runtime now refuses the shape
    with pytest.raises(DetectorError, match="failed:"):
        detector.detect([_red_square()])


def test_numbers_that_are_not_finite_are_a_failure() -> None:
    def poison(model: onnx.ModelProto) -> None:
        grid = next(t for t in model.graph.initializer if t.name == "grid")
        grid.raw_data = np.full(4 * 16, np.nan, np.float32).tobytes()

    with pytest.raises(BundleRefused, match="non-finite"):
        OnnxDetector(tiny_bundle(change=poison))


_LOAD = """
import sys
from pathlib import Path
from edge.vision.onnx_detector import OnnxDetector
OnnxDetector(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("variable", [{}, {"ORT_DISABLE_TELEMETRY": "0"}], ids=["unset", "set by the user"])
def test_onnx_runtime_keeps_no_usage_data_to_send(tmp_path: Path, variable: dict[str, str]) -> None:
    bundle, home = tmp_path / "model.onnx", tmp_path / "home"
    bundle.write_bytes(tiny_bundle())
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    environment |= {"HOME": str(home)} | variable
    subprocess.run([sys.executable, "-c", _LOAD, str(bundle)], env=environment, check=True, timeout=60)
    assert not [path for path in home.rglob("*") if path.is_file()]
