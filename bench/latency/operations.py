"""Counts what a model computes and moves, by running its graph once, unoptimised, under ONNX Runtime's profiler.

The profiler tells shapes and bytes of every node; nothing else has to understand the graph, and the package `onnx` is
not needed. 8-bit models are counted by the convolutions that they stand for.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import MissingExtraError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one run.

    operations : of convolutions and matrix products, two per multiply-add; everything else is small beside them
    bytes : read and written by all nodes, each input and output once
    """

    operations: int
    bytes: int


def count(data: bytes, shapes: Mapping[str, Sequence[int]]) -> Cost:
    """Return what one run costs.

    Parameters
    ----------
    data : an ONNX file's bytes
    shapes : input → shape; inputs are float32
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        session.run(None, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    told = [event["args"] for event in events if event.get("name", "").endswith("_kernel_time")]
    return Cost(
        operations=sum(
            node_operations(node["op_name"], _shapes(node, "input"), _shapes(node, "output")) for node in told
        ),
        bytes=sum(int(node[size]) for node in told for size in ("activation_size", "parameter_size", "output_size")),
    )


def node_operations(kind: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Return the operations of one node; 0 for what is neither a convolution nor a matrix product.

    A convolution makes each value of its output from the weights of one filter; a transposed one spreads each value of
    its input over them.
    """
    if kind in ("Conv", "FusedConv"):
        return 2 * prod(outputs[0]) * prod(inputs[1][1:])
    if kind == "QLinearConv":  # input, scale, zero, weights, ...
        return 2 * prod(outputs[0]) * prod(inputs[3][1:])
    if kind == "ConvInteger":
        return 2 * prod(outputs[0]) * prod(inputs[1][1:])
    if kind == "ConvTranspose":
        return 2 * prod(inputs[0]) * prod(inputs[1][1:])
    if kind in ("MatMul", "MatMulInteger", "FusedMatMul", "Gemm"):
        return 2 * prod(outputs[0]) * inputs[0][-1]
    return 0


def _shapes(node: Mapping[str, Any], side: str) -> list[Shape]:
    return [tuple(shape) for each in node[f"{side}_type_shape"] for shape in each.values()]
