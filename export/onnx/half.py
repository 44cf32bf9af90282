"""Halve a model's precision in the file: float16 where the work is, float32 where position or range needs it.

TensorRT no longer chooses precisions: what the file says is what runs, and both sides of an operation must agree. So
every node is given one type, and a cast stands wherever two types meet. float32 stay

- sampling (``GridSample``), both the picture and the grid, and everything between it and the convolutions before it:
  an eleven-bit grid misses by a quarter of a pixel at 1920;
- everything between the last convolutions and the outputs: flow adds up over blocks, pictures should not band;
- operations whose range or sums half floats cannot hold (norms over pictures, softmax, powers);
- modules that a recipe names.

Inputs and outputs stay float32, as the runtime wants them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

HEAVY = {"Conv", "ConvTranspose", "MatMul", "Gemm"}
"""Operations that are worth halving; the search for what stays float32 ends at them."""
FLOAT_OPS = {
    "Cast",
    "ConstantOfShape",
    "Exp",
    "GridSample",
    "InstanceNormalization",
    "Log",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Softmax",
    "Sqrt",
}
"""Operations that stay float32 wherever they are."""
FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that are float32 by ONNX's own rules, whatever the picture is."""
LARGEST = 65504.0


def halve(
    model: onnx.ModelProto,
    *,
    float_scopes: Sequence[str] = (),
    float_ops: Sequence[str] = (),
    half_scopes: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return a half model.

    Parameters
    ----------
    model : float32, tidied: constants are initialisers
    float_scopes : parts of node names, such as ``generator.style``; those nodes stay float32
    float_ops : operations that stay float32 besides `FLOAT_OPS`
    half_scopes : parts of node names; where given, all other nodes stay float32
    """
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    floats = _float_tensors(inferred.graph)
    half = onnx.ModelProto.FromString(model.SerializeToString())
    graph = half.graph
    kept = _kept_in_float(graph, floats, float_scopes, FLOAT_OPS.union(float_ops))
    if half_scopes:
        kept |= {index for index, node in enumerate(graph.node) if not _is_within(node, half_scopes)}
    halved = {
        name for index, node in enumerate(graph.node) if index not in kept for name in node.output if name in floats
    }
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    casts: dict[tuple[str, int], str] = {}
    nodes: list[NodeProto] = []
    for index, node in enumerate(graph.node):
        wants_half = index not in kept
        for position, name in enumerate(node.input):
            if name not in floats or position in FLOAT_INPUTS.get(node.op_type, ()):
                continue
            if name in weights and wants_half:
                node.input[position] = _half_weight(graph, weights[name], casts)
            elif name not in weights and (name in halved) != wants_half:
                node.input[position] = _cast(nodes, name, wants_half, casts)
        nodes.append(node)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
    onnx.checker.check_model(half, full_check=True)
    return half


def _kept_in_float(graph: onnx.GraphProto, floats: set[str], scopes: Sequence[str], float_ops: set[str]) -> set[int]:
    """Return the indices of nodes that stay float32, or touch no floats at all."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output}
    kept: set[int] = set()
    for index, node in enumerate(graph.node):
        touches = any(name in floats for name in (*node.input, *node.output))
        if not touches or node.op_type in float_ops or _is_within(node, scopes):
            kept.add(index)
    sampled = (name for node in graph.node if node.op_type == "GridSample" for name in node.input)
    kept |= _between(graph, producers, sampled)
    kept |= _between(graph, producers, (value.name for value in graph.output))
    return kept


def _is_within(node: NodeProto, scopes: Sequence[str]) -> bool:
    return any(scope in node.name.replace("/", ".") for scope in scopes)


def _between(graph: onnx.GraphProto, producers: dict[str, int], ends: Iterable[str]) -> set[int]:
    """Return the nodes from which tensors come, back to the heavy operations before them; these are left out.

    An output that a heavy operation makes itself is float32 too: there is nothing after it that could widen it.
    """
    found: set[int] = set()
    waiting = list(ends)
    last = set(waiting) & {value.name for value in graph.output}
    while waiting:
        name = waiting.pop()
        index = producers.get(name)
        if index is None or index in found:
            continue
        if graph.node[index].op_type in HEAVY:
            if name in last:
                found.add(index)
            continue
        found.add(index)
        waiting.extend(graph.node[index].input)
    return found


def _float_tensors(graph: onnx.GraphProto) -> set[str]:
    values = (*graph.input, *graph.output, *graph.value_info)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _half_weight(graph: onnx.GraphProto, tensor: TensorProto, made: dict[tuple[str, int], str]) -> str:
    key = (tensor.name, TensorProto.FLOAT16)
    if key not in made:
        made[key] = f"{tensor.name}_half"
        array = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST).astype(np.float16)
        graph.initializer.append(numpy_helper.from_array(array, made[key]))
    return made[key]


def _cast(nodes: list[NodeProto], name: str, to_half: bool, made: dict[tuple[str, int], str]) -> str:
    kind = TensorProto.FLOAT16 if to_half else TensorProto.FLOAT
    key = (name, kind)
    if key not in made:
        made[key] = f"{name}_{'half' if to_half else 'float'}"
        nodes.append(onnx.helper.make_node("Cast", [name], [made[key]], name=f"{made[key]}/Cast", to=kind))
    return made[key]
