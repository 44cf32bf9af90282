"""Insert explicit Q/DQ into a float32 graph, in the form that each library runs fast.

========== ============================ ============================= ==================
form       activations                  weights                       biases
========== ============================ ============================= ==================
cpu        uint8, any zero point        int8, per output channel      int32
tensorrt   int8, zero point 0           int8, per output channel      float32
fp8        float8 e4m3, zero point 0    float8 e4m3, per out. channel float32
========== ============================ ============================= ==================

Quantization is ``q = clamp(round(x / scale) + zero)``, round half to even, as ONNX's ``QuantizeLinear`` has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper, version_converter

from calib.onnx_tools import Values, constants, drop_unread, float_values, set_nodes
from calib.placement import ACTIVATIONS, LAYERS, POINTWISE, Placement

Form = Literal["cpu", "tensorrt", "fp8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What values of a tensor are told apart: those from `low` to `high`; what lies outside is clamped."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How numbers are stored.

    kind : ONNX element type of activations
    lowest, highest : that it holds
    symmetric : zero is stored as zero
    weight_kind, weight_highest : of weights, always symmetric
    integer_bias : biases are stored as int32 and dequantized
    opset : of ONNX, from which it knows such numbers
    fused : operations that become part of the layer before them
    """

    kind: int
    lowest: float
    highest: float
    symmetric: bool
    weight_kind: int
    weight_highest: float
    integer_bias: bool
    opset: int = 13
    fused: frozenset[str] = ACTIVATIONS


SCHEMES: Mapping[str, Scheme] = {
    "cpu": Scheme(
        kind=TensorProto.UINT8,
        lowest=0,
        highest=255,
        symmetric=False,
        weight_kind=TensorProto.INT8,
        weight_highest=127,
        integer_bias=True,
    ),
    "tensorrt": Scheme(
        kind=TensorProto.INT8,
        lowest=-127,
        highest=127,
        symmetric=True,
        weight_kind=TensorProto.INT8,
        weight_highest=127,
        integer_bias=False,
        fused=POINTWISE,
    ),
    "fp8": Scheme(
        kind=TensorProto.FLOAT8E4M3FN,
        lowest=-448,
        highest=448,
        symmetric=True,
        weight_kind=TensorProto.FLOAT8E4M3FN,
        weight_highest=448,
        integer_bias=False,
        opset=19,
        fused=POINTWISE,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Scale and zero point of a tensor."""

    scale: float
    zero: int


def step_of(found: Range, scheme: Scheme) -> Step:
    """Return the scale and zero point with which a range fills the stored numbers; zero is always exact."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    if scheme.symmetric:
        return Step(scale=max(-low, high, 1e-8) / scheme.highest, zero=0)
    scale = max(high - low, 1e-8) / (scheme.highest - scheme.lowest)
    return Step(scale=scale, zero=round(scheme.lowest - low / scale))


def weight_scales(weight: Values, scheme: Scheme) -> Values:
    """Return one scale per output channel (axis 0), such that the largest weight is the largest stored number."""
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
    return (np.maximum(largest, 1e-8) / scheme.weight_highest).astype(np.float32)


def insert(
    model: onnx.ModelProto,
    placement: Placement,
    ranges: Mapping[str, Range],
    form: Form,
    *,
    stored_weights: Mapping[str, Values] | None = None,
    biases: Mapping[str, Values] | None = None,
) -> onnx.ModelProto:
    """Return a copy of a prepared model with Q/DQ.

    Parameters
    ----------
    model : prepared, float32
    placement : where Q/DQ stand
    ranges : of every tensor of the placement
    form : for which library
    stored_weights : layer → weights in steps of their scales, whole numbers; where a layer is missing it is rounded
    biases : layer → float32 bias that replaces its own
    """
    scheme = SCHEMES[form]
    made = _at_least_opset(model, scheme.opset)
    graph = made.graph
    steps = _steps(placement, ranges, scheme)
    weights = constants(graph)
    outputs = {value.name for value in graph.output}
    nodes: list[NodeProto] = []
    dequantized: dict[str, str] = {}
    for value in graph.input:
        if value.name in steps:
            dequantized[value.name] = _pair(graph, nodes, value.name, steps[value.name], scheme)
    layers = set(placement.layers)
    for node in graph.node:
        before = node.input[0] if node.input else ""
        # What integers made is read as they made it; what floating point made stays exact where that reads it.
        is_integer = node.name in placement.integers
        node.input[:] = [
            dequantized.get(name, name) if is_integer or name in placement.from_integers else name
            for name in node.input
        ]
        if node.name in layers:
            assert node.op_type in LAYERS
            stored = None if stored_weights is None else stored_weights.get(node.name)
            bias = None if biases is None else biases.get(node.name)
            _quantize_weights(graph, nodes, node, weights, scheme, steps[before], stored, bias)
        nodes.append(node)
        for name in node.output:
            if name in steps:
                dequantized[name] = _pair(graph, nodes, name, steps[name], scheme)
                if name in outputs:
                    del dequantized[name]  # the network's own output keeps its name; it is read as it is
    set_nodes(graph, nodes)
    drop_unread(graph)
    del graph.value_info[:]
    return made


def _at_least_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return a copy of a model, converted where its operations are of an older set."""
    own = next(entry.version for entry in model.opset_import if entry.domain == "")
    if own < opset:
        return version_converter.convert_version(model, opset)
    return onnx.ModelProto.FromString(model.SerializeToString())


def _steps(placement: Placement, ranges: Mapping[str, Range], scheme: Scheme) -> dict[str, Step]:
    joined: dict[str, Range] = {}
    for name, leader in placement.group.items():
        own, so_far = ranges[name], joined.get(leader)
        joined[leader] = own if so_far is None else Range(low=min(own.low, so_far.low), high=max(own.high, so_far.high))
    return {name: step_of(joined[leader], scheme) for name, leader in placement.group.items()}


def _pair(graph: GraphProto, nodes: list[NodeProto], name: str, step: Step, scheme: Scheme) -> str:
    """Append Q and DQ behind a tensor; return the dequantized tensor's name."""
    scale, zero = f"{name}/scale", f"{name}/zero"
    graph.initializer.append(numpy_helper.from_array(np.asarray(step.scale, np.float32), scale))
    graph.initializer.append(helper.make_tensor(zero, scheme.kind, (), [step.zero]))
    nodes.append(helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}/q"], name=f"{name}/Q"))
    nodes.append(helper.make_node("DequantizeLinear", [f"{name}/q", scale, zero], [f"{name}/dq"], name=f"{name}/DQ"))
    return f"{name}/dq"


def _quantize_weights(
    graph: GraphProto,
    nodes: list[NodeProto],
    node: NodeProto,
    weights: Mapping[str, TensorProto],
    scheme: Scheme,
    incoming: Step,
    stored: Values | None,
    bias: Values | None,
) -> None:
    weight = float_values(weights[node.input[1]])
    scales = weight_scales(weight, scheme)
    column = scales.reshape(-1, *[1] * (weight.ndim - 1))
    if stored is None:
        stored = weight / column
        if scheme.weight_kind == TensorProto.INT8:
            stored = np.clip(np.rint(stored), -scheme.weight_highest, scheme.weight_highest)
    prefix = f"{node.name}/weight"
    if scheme.weight_kind == TensorProto.INT8:
        tensor = numpy_helper.from_array(stored.astype(np.int8), f"{prefix}/q")
    else:
        tensor = helper.make_tensor(f"{prefix}/q", scheme.weight_kind, weight.shape, stored.ravel().tolist())
    graph.initializer.append(tensor)
    graph.initializer.append(numpy_helper.from_array(scales, f"{prefix}/scale"))
    graph.initializer.append(helper.make_tensor(f"{prefix}/zero", scheme.weight_kind, scales.shape, [0] * scales.size))
    inputs = [f"{prefix}/q", f"{prefix}/scale", f"{prefix}/zero"]
    nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{prefix}/dq"], name=f"{prefix}/DQ", axis=0))
    node.input[1] = f"{prefix}/dq"
    has_bias = len(node.input) > 2 and node.input[2]
    if bias is None:
        bias = float_values(weights[node.input[2]]) if has_bias else np.zeros(weight.shape[0], np.float32)
    name = f"{node.name}/bias"
    if not scheme.integer_bias:
        graph.initializer.append(numpy_helper.from_array(bias, name))
    else:
        bias_scale = (scales * np.float32(incoming.scale)).astype(np.float32)
        limit = 2**31 - 1
        whole = np.clip(np.rint(bias / bias_scale.astype(np.float64)), -limit, limit).astype(np.int32)
        for part, array in (("q", whole), ("scale", bias_scale), ("zero", np.zeros(len(whole), np.int32))):
            graph.initializer.append(numpy_helper.from_array(array, f"{name}/{part}"))
        inputs = [f"{name}/q", f"{name}/scale", f"{name}/zero"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"{name}/DQ", axis=0))
    node.input[:] = [node.input[0], node.input[1], name]


def quantized_layers(model: onnx.ModelProto) -> list[str]:
    """Return the names of the layers that run in 8 bits in a graph with Q/DQ."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in LAYERS
        and all(getattr(made_by.get(name), "op_type", "") == "DequantizeLinear" for name in node.input[:2])
    ]


def unknown_tensors(placement: Placement, ranges: Collection[str]) -> list[str]:
    """Return the tensors of a placement that have no range."""
    return [name for name in placement.tensors if name not in ranges]
