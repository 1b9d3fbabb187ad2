"""An imported ONNX file: it must honour the bundle contract as it is, since nothing can be added to it later.

The most usual ways in which an exported file does not are found first, each with what to do; the contract
itself is checked by the code that loads bundles at a site.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from cloud.errors import WeightsRefused
from edge.errors import BundleRefused
from edge.vision.onnx_detector import MAX_BUNDLE_BYTES, OnnxDetector
from edge.vision.onnx_file import refuse_unsafe
from messaging.errors import FileFault
from messaging.releases import METADATA_KEY, ExecutionProvider
from messaging.runtime.binary_files import HEAD_BYTES, placeholder_of
from messaging.runtime.text_files import read_bytes

CPU = (ExecutionProvider.CPU,)  # whose numbers are the same on every machine
_SELECTS_BOXES = {"NonMaxSuppression", "TopK"}
_CONTRACT = "the bundle contract is in docs/use-your-own-detector.md"


def read_bundle(path: Path, classes: Sequence[str]) -> bytes:
    """The bytes of a bundle that a site can run. Raises `WeightsRefused` with the reason and remedy."""
    try:
        content = read_bytes(path, limit_bytes=MAX_BUNDLE_BYTES)
        placeholder = placeholder_of(content[:HEAD_BYTES])
        if placeholder is not None:
            raise WeightsRefused(f"{path} {placeholder}")
        refuse_unsafe(content, str(path))
        _refuse_usual_faults(onnx.load_from_string(content), path)
        names = OnnxDetector(content, providers=CPU).description.class_names
    except FileFault as fault:
        raise WeightsRefused(f"bundle {fault}") from None
    except BundleRefused as error:
        where = str(error).replace(f"bundle of {len(content)} bytes", str(path))
        raise WeightsRefused(where) from None
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise WeightsRefused(
            f"{path} detects {', '.join(unknown)}, and this deployment has {', '.join(classes)}; "
            "add them to the classes file, or import the checkpoint, whose classes can be mapped"
        )
    return content


def _refuse_usual_faults(model: onnx.ModelProto, path: Path) -> None:
    graph = model.graph
    weights = {tensor.data_type for tensor in graph.initializer}
    inputs = {value.type.tensor_type.elem_type for value in graph.input}
    if TensorProto.FLOAT16 in weights | inputs:
        raise WeightsRefused(
            f"{path} is in half precision; a bundle computes in single precision, export it with half=False"
        )
    sides = [side for value in graph.input for side in value.type.tensor_type.shape.dim[2:]]
    if not all(side.dim_value for side in sides):
        raise WeightsRefused(
            f"{path} has dynamic axes for height or width, and a bundle has one input size; export it with "
            "dynamic=False"
        )
    if any(node.op_type in _SELECTS_BOXES for node in graph.node):
        raise WeightsRefused(
            f"{path} selects boxes itself (end-to-end or built-in non-maximum suppression), and a bundle "
            "gives the scores of all boxes; export its one-to-many head without NMS, or import the "
            "checkpoint (.pt)"
        )
    if METADATA_KEY not in {entry.key for entry in model.metadata_props}:
        raise WeightsRefused(
            f"{path} has no metadata {METADATA_KEY!r}, which describes classes, thresholds and embedding; "
            f"import the checkpoint (.pt) that it was exported from, or add them: {_CONTRACT}"
        )
