"""Tidy an exported graph: constants as initialisers, norms as one multiplication, nothing of the exporting machine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

Shape = tuple[int | str, ...]
FOLDABLE = {
    "Cast",
    "Concat",
    "ConstantOfShape",
    "Div",
    "Equal",
    "Gather",
    "Mul",
    "Range",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
    "Where",
}
"""Operations that are computed while tidying where they depend on constants alone."""


def tidy(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> None:
    """Tidy a model in place.

    Parameters
    ----------
    model : as the exporter wrote it
    shapes : of its inputs and outputs; sizes that may change get their plain names
    """
    _drop_identities(model.graph)
    _constants_to_initializers(model.graph)
    _fold_constants(model)
    _fold_batch_norms(model.graph)
    _drop_unused(model.graph)
    _strip(model)
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        del dimensions[:]
        for side in shapes[value.name]:
            dimension = dimensions.add()
            if isinstance(side, str):
                dimension.dim_param = side
            else:
                dimension.dim_value = side


def consumers(graph: onnx.GraphProto) -> dict[str, list[NodeProto]]:
    """Return for each tensor the nodes that read it."""
    found: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _drop_identities(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in outputs:
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _set_nodes(graph, kept)


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    kept = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    _set_nodes(graph, kept)


def _fold_constants(model: onnx.ModelProto) -> None:
    """Compute what depends on constants alone, such as the amounts of a padding."""
    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        inputs = [name for name in node.input if name]
        if node.op_type not in FOLDABLE or any(name not in values for name in inputs):
            kept.append(node)
            continue
        lone = onnx.helper.make_graph(
            [node],
            "constant",
            [onnx.helper.make_tensor_value_info(name, _element_type(values[name]), None) for name in inputs],
            [onnx.ValueInfoProto(name=name) for name in node.output],
        )
        evaluator = ReferenceEvaluator(onnx.helper.make_model(lone, opset_imports=model.opset_import))
        results = evaluator.run(None, {name: values[name] for name in inputs})
        for name, result in zip(node.output, results, strict=True):
            values[name] = np.asarray(result)
            graph.initializer.append(numpy_helper.from_array(values[name], name))
    _set_nodes(graph, kept)


def _fold_batch_norms(graph: onnx.GraphProto) -> None:
    """Put each norm into the convolution before it, or, where something stands between, make it a Mul and an Add."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    readers = consumers(graph)
    producers = {name: node for node in graph.node for name in node.output}
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type != "BatchNormalization":
            kept.append(node)
            continue
        scale, shift = _scale_and_shift(node, values)
        before = producers.get(node.input[0])
        if before is not None and before.op_type == "Conv" and len(readers[node.input[0]]) == 1:
            _into_convolution(graph, before, values, scale, shift)
            before.output[0] = node.output[0]
            producers[node.output[0]] = before
            continue
        column = (1, -1, 1, 1)
        names = [f"{node.output[0]}_{part}" for part in ("scale", "shift", "scaled")]
        for name, array in zip(names, (scale, shift), strict=False):
            graph.initializer.append(numpy_helper.from_array(array.reshape(column).astype(np.float32), name))
        kept.append(onnx.helper.make_node("Mul", [node.input[0], names[0]], [names[2]], name=f"{node.name}/Mul"))
        kept.append(onnx.helper.make_node("Add", [names[2], names[1]], [node.output[0]], name=f"{node.name}/Add"))
    _set_nodes(graph, kept)


def _scale_and_shift(node: NodeProto, values: Mapping[str, TensorProto]) -> tuple[np.ndarray, np.ndarray]:
    """Return what a norm multiplies by and adds, float64 per channel."""
    gamma, beta, mean, variance = (numpy_helper.to_array(values[name]).astype(np.float64) for name in node.input[1:5])
    epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _into_convolution(
    graph: onnx.GraphProto, node: NodeProto, values: dict[str, TensorProto], scale: np.ndarray, shift: np.ndarray
) -> None:
    weight = numpy_helper.to_array(values[node.input[1]]).astype(np.float64)
    bias = numpy_helper.to_array(values[node.input[2]]).astype(np.float64) if len(node.input) > 2 else 0.0
    folded = {
        f"{node.output[0]}_weight": weight * scale.reshape(-1, *[1] * (weight.ndim - 1)),
        f"{node.output[0]}_bias": bias * scale + shift,
    }
    for name, array in folded.items():
        values[name] = numpy_helper.from_array(array.astype(np.float32), name)
        graph.initializer.append(values[name])
    node.input[:] = [node.input[0], *folded]


def _element_type(array: np.ndarray) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and initialisers that lead to no output."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            needed.update(node.input)
            kept.append(node)
    _set_nodes(graph, kept[::-1])
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about Python sources and about shapes between."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""


def _set_nodes(graph: onnx.GraphProto, nodes: list[NodeProto]) -> None:
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
