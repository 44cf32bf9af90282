"""Give 8-bit layers as many output channels as ONNX Runtime computes quickly on a processor.

Measured on one core with AMX, 3x3 convolutions in film-restore-x2: of 32 channels at 240x320, 34 channels out take
9.2 ms, 36 and 48 take 3.4; of 48 channels at 120x160, one channel out takes 2.0 ms, 16 take 0.7. The added channels
have weights of zero, and nobody reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from calib.onnx_tools import constants, consumers, producers, set_nodes

FEWEST = 16
"""Output channels that a layer has at least."""

ALIGNED = 4
"""Of which they are a multiple."""


def widen(model: ModelProto, layers: Sequence[str]) -> None:
    """Widen 8-bit convolutions of a model with Q/DQ in place; it computes what it computed before.

    Parameters
    ----------
    model : as `calib.graph.insert` makes it
    layers : convolutions that run in 8 bits; those whose output is not rounded behind them or their `Relu` stay as
        they are
    """
    graph, wanted = model.graph, set(layers)
    made_by, read_by = producers(graph), consumers(graph)
    outputs = {value.name for value in graph.output}
    cuts: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if node.name not in wanted or node.op_type != "Conv":
            continue
        rounded = _rounded(node, read_by, outputs)
        weight, bias = (made_by[name] for name in node.input[1:3])
        count = constants(graph)[weight.input[0]].dims[0]
        added = max(FEWEST - count, -count % ALIGNED)
        if rounded is None or added == 0:
            continue
        for dequantize in (weight, bias):
            _lengthen(graph, dequantize, added)
        cuts[rounded.name] = _cut(graph, rounded.output[0], count, read_by[rounded.output[0]])
    if cuts:
        set_nodes(graph, [each for node in graph.node for each in (node, *cuts.get(node.name, []))])


def _rounded(layer: NodeProto, read_by: Mapping[str, list[NodeProto]], outputs: Collection[str]) -> NodeProto | None:
    """Return the `DequantizeLinear` behind a layer and its `Relu`, if that is all that reads them, and it is read."""
    node = layer
    while node is layer or node.op_type in ("Relu", "QuantizeLinear"):
        readers = read_by.get(node.output[0], [])
        if len(readers) != 1 or node.output[0] in outputs:
            return None
        node = readers[0]
    is_read = node.output[0] in read_by and node.output[0] not in outputs
    return node if node.op_type == "DequantizeLinear" and is_read else None


def _lengthen(graph: GraphProto, dequantize: NodeProto, added: int) -> None:
    """Add stored zeros to weights or biases, with the scale of the channel before them."""
    known = constants(graph)
    for place, name in enumerate(dequantize.input):
        values = numpy_helper.to_array(known[name])
        filling = (
            np.repeat(values[-1:], added, axis=0) if place == 1 else np.zeros((added, *values.shape[1:]), values.dtype)
        )
        known[name].CopyFrom(numpy_helper.from_array(np.concatenate([values, filling]), name))


def _cut(graph: GraphProto, name: str, count: int, readers: Sequence[NodeProto]) -> list[NodeProto]:
    """Let the readers of a widened tensor see its first channels alone; return the nodes that it takes."""
    known = constants(graph)
    if all(_is_part(reader, known) for reader in readers):
        for reader in readers:
            ends = numpy_helper.to_array(known[reader.input[2]])
            reader.input[2] = f"{reader.name}/ends"
            graph.initializer.append(numpy_helper.from_array(np.minimum(ends, count), reader.input[2]))
        return []
    inputs = [name]
    for what, value in (("starts", 0), ("ends", count), ("axes", 1)):
        inputs.append(f"{name}/{what}")
        graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), inputs[-1]))
    own = f"{name}/own"
    for reader in readers:
        reader.input[:] = [own if read == name else read for read in reader.input]
    return [helper.make_node("Slice", inputs, [own], name=f"{name}/Slice")]


def _is_part(reader: NodeProto, known: Mapping[str, TensorProto]) -> bool:
    """Say whether a reader takes some channels, counted from the first."""
    if reader.op_type != "Slice" or len(reader.input) < 4 or any(name not in known for name in reader.input[1:]):
        return False
    starts, ends, axes, *steps = (numpy_helper.to_array(known[name]) for name in reader.input[1:])
    return axes.tolist() == [1] and bool(starts[0] >= 0 and ends[0] > 0) and all(step.tolist() == [1] for step in steps)
