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


def slow_on_bright(rounds: int, limit: float = 0.9) -> Callable[[onnx.ModelProto], None]:
    """A change: on images brighter than `limit` a loop runs so many rounds; 2**62 do not end."""

    def change(model: onnx.ModelProto) -> None:
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go"], ["go_on"]),
                helper.make_node("Identity", ["sum"], ["total"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("round", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1]),
            ],
            [
                helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("total", TensorProto.FLOAT, [1]),
            ],
        )
        model.graph.node.extend(
            [
                *_is_bright(limit),
                helper.make_node("Loop", ["rounds", "bright", "nothing"], ["late"], body=body),
            ]
        )
        model.graph.initializer.extend(
            [
                helper.make_tensor("rounds", TensorProto.INT64, [], [rounds]),
                helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0]),
            ]
        )
        _add_to_boxes(model, "late")

    return change


def ends_process_on_bright(model: onnx.ModelProto) -> None:
    """A change: on images brighter than nine tenths a division overflows, which ends the process."""
    model.graph.initializer.extend(
        [
            helper.make_tensor("lowest", TensorProto.INT64, [1], [-(2**63)]),
            helper.make_tensor("minus_one", TensorProto.INT64, [1], [-1]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("no_weight", TensorProto.FLOAT, [1], [0.0]),
        ]
    )
    model.graph.node.extend(
        [
            *_is_bright(0.9),
            helper.make_node("Where", ["bright", "minus_one", "one"], ["divisor"]),
            helper.make_node("Div", ["lowest", "divisor"], ["quotient"]),
            helper.make_node("Cast", ["quotient"], ["large"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["large", "no_weight"], ["ended"]),
        ]
    )
    _add_to_boxes(model, "ended")


def not_a_number_on_bright(model: onnx.ModelProto) -> None:
    """A change: on images brighter than nine tenths the boxes are not numbers."""
    model.graph.initializer.append(helper.make_tensor("invalid", TensorProto.FLOAT, [1], [float("nan")]))
    model.graph.initializer.append(helper.make_tensor("valid", TensorProto.FLOAT, [1], [0.0]))
    model.graph.node.extend(
        [*_is_bright(0.9), helper.make_node("Where", ["bright", "invalid", "valid"], ["spoilt"])]
    )
    _add_to_boxes(model, "spoilt")


def one_endless_operator(model: onnx.ModelProto) -> None:
    """A change: one convolution that takes days, which ONNX Runtime computes when the model is opened."""
    for name, side in (("large", 6000), ("kernel", 1500)):
        shape = helper.make_tensor(f"{name}_shape", TensorProto.INT64, [4], [1, 1, side, side])
        model.graph.initializer.append(shape)
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        model.graph.node.append(helper.make_node("ConstantOfShape", [f"{name}_shape"], [name], value=one))
    model.graph.node.append(helper.make_node("Conv", ["large", "kernel"], ["convolved"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["convolved"], ["late"], keepdims=0))
    _add_to_boxes(model, "late")


def _is_bright(limit: float) -> list[onnx.NodeProto]:
    """Nodes that compute `bright`, whether the mean of the images is above a limit."""
    value = helper.make_tensor("limit", TensorProto.FLOAT, [], [limit])
    return [
        helper.make_node("ReduceMean", ["images"], ["brightness"], keepdims=0),
        helper.make_node("Constant", [], ["brightness_limit"], value=value),
        helper.make_node("Greater", ["brightness", "brightness_limit"], ["bright"]),
    ]


def _add_to_boxes(model: onnx.ModelProto, name: str) -> None:
    for node in model.graph.node:
        if "boxes" in node.output:
            node.output[list(node.output).index("boxes")] = "clean_boxes"
    model.graph.node.append(helper.make_node("Add", ["clean_boxes", name], ["boxes"]))
