"""Real ONNX bundles of a few kilobytes: two classes, one box from the brightest place, colour as feature."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from messaging.releases import METADATA_KEY, BundleDescription
from messaging.taxonomy import taxonomy_of

NAMES = ("fire", "smoke")
SIZE, STRIDE = 64, 16
GRID = SIZE // STRIDE


def tiny_description(**changes: object) -> BundleDescription:
    fields: dict[str, object] = {
        "name": "tiny",
        "class_names": NAMES,
        "taxonomy_digest": taxonomy_of(NAMES).digest,
        "input_width": SIZE,
        "input_height": SIZE,
        "thresholds": {"fire": 0.5, "smoke": 0.5},
        "feature_stride": STRIDE,
        "embedding_width": 3,
        "embedding_digest": "e" * 64,
        "clip_norm": 1.0,
        "licence": "none",
        **changes,
    }
    return BundleDescription.model_validate(fields)


def tiny_bundle(
    description: BundleDescription | None = None, change: Callable[[onnx.ModelProto], None] | None = None
) -> bytes:
    """One anchor per 16-pixel cell with a 16-pixel box; fire's score is the red mean, smoke's the blue."""
    description = description or tiny_description()
    columns = (np.arange(GRID) + 0.5) * STRIDE
    centres = np.stack([np.tile(columns, GRID), np.repeat(columns, GRID)])
    sizes = np.full((2, GRID * GRID), STRIDE)
    boxes = np.concatenate([centres, sizes])[None].astype(np.float32)
    pick = np.zeros((2, 3, 1, 1), np.float32)
    pick[0, 0], pick[1, 2] = 1, 1
    constants = {
        "grid": boxes,
        "pick": pick,
        "flat": np.asarray([0, 2, GRID * GRID], np.int64),
        "batch_first": np.asarray([0], np.int64),
        "tail": np.asarray([4, GRID * GRID], np.int64),
    }
    nodes = [
        helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Conv", ["features", "pick"], ["score_map"]),
        helper.make_node("Reshape", ["score_map", "flat"], ["scores"]),
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Gather", ["shape", "batch_first"], ["batch"]),
        helper.make_node("Concat", ["batch", "tail"], ["wanted"], axis=0),
        helper.make_node("Expand", ["grid", "wanted"], ["spread"]),
        helper.make_node("Concat", ["spread", "scores"], ["boxes"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 6, GRID * GRID]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3, GRID, GRID]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: description.model_dump_json()})
    if change is not None:
        change(model)
    content: bytes = model.SerializeToString()
    return content
