"""Small help with ONNX graphs: preparing one for calibration, and who makes and reads which tensor."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from engine.errors import UnsupportedModelError

Values = npt.NDArray[np.float32]


def prepare(data: bytes, name: str) -> ModelProto:
    """Return a model's graph with constants folded, norms merged into convolutions, and every node named.

    ONNX Runtime's own basic rewriting is used: the operations stay those of ONNX itself.

    Parameters
    ----------
    data : bytes of an ONNX file
    name : of the model, for messages

    Raises
    ------
    UnsupportedModelError
        The graph holds Q/DQ already, or half-precision layers.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prepared.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        model = onnx.load(str(path))
    kinds = {node.op_type for node in model.graph.node}
    if "QuantizeLinear" in kinds or "DequantizeLinear" in kinds:
        raise UnsupportedModelError(f"model {name}: is quantized already; calibrate the float32 model")
    if any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer):
        raise UnsupportedModelError(f"model {name}: holds float16; calibrate the float32 model")
    known = {entry.domain for entry in onnx.load_model_from_string(data).opset_import}
    for entry in [entry for entry in model.opset_import if entry.domain not in known]:
        model.opset_import.remove(entry)  # the library lists all that it knows, needed or not
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """Return for each tensor that a node makes the node."""
    return {name: node for node in graph.node for name in node.output if name}


def consumers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """Return for each tensor the nodes that read it, each once."""
    found: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            found.setdefault(name, []).append(node)
    return found


def constants(graph: GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the initialisers by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def float_values(tensor: onnx.TensorProto) -> Values:
    """Return an initialiser's numbers as float32."""
    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)


def set_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    """Replace all nodes of a graph."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def drop_unread(graph: GraphProto) -> None:
    """Drop initialisers that no node reads."""
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
