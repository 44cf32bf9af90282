"""Count what a model computes, from its graph run once at a size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def gigaflops(path: Path, inputs: Mapping[str, np.ndarray]) -> float:
    """Return the work of one run in GFLOP: convolutions and matrix products, two operations per multiply-add.

    Parameters
    ----------
    path : the ONNX model
    inputs : name → array of the size asked about
    """
    model = onnx.load(str(path))
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    known = {value.name for value in (*model.graph.input, *model.graph.output)} | set(weights)
    wanted = {name for node in model.graph.node if node.op_type in ("Conv", "MatMul") for name in _seen(node)}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - known))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    shapes = {name: value.shape for name, value in zip(names, session.run(names, dict(inputs)), strict=True)}
    shapes |= {name: value.shape for name, value in inputs.items()}
    operations = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            operations += 2 * int(np.prod(shapes[node.output[0]])) * int(np.prod(weights[node.input[1]][1:]))
        elif node.op_type == "MatMul":
            operations += 2 * int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1]
    return operations / 1e9


def _seen(node: onnx.NodeProto) -> list[str]:
    return [node.output[0]] if node.op_type == "Conv" else [node.output[0], node.input[0]]
