"""Rewrite what runs needlessly slowly in 8 bits; the network computes what it computed before.

Measured on one AVX-512 VNNI core at 640×480: pixel unshuffling written as Reshape, Transpose, Reshape takes 7.0 ms for
five pictures and `SpaceToDepth` 0.6 ms; shuffling 128 channels of 120×160 8-bit pixels into pictures takes 2.9 ms as
`DepthToSpace` and 0.3 ms where channels lie side by side; a 3×3 convolution of 31 channels to 32 takes 12.7 ms and one
of 32 channels 6.0 ms, because rows of channels are copied four bytes at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from calib.onnx_tools import constants, consumers, drop_unread, float_values, producers, set_nodes

UNSHUFFLE = [0, 1, 3, 5, 2, 4]
"""How PyTorch's pixel unshuffling transposes (N, C, h, r, w, r)."""

ALIGNED = 4
"""Channels of a convolution's input should be a multiple of this."""


def simplify(model: onnx.ModelProto, *, interleaves: bool) -> None:
    """Rewrite a prepared model in place.

    Parameters
    ----------
    model : prepared
    interleaves : the library lays the channels of 8-bit tensors side by side, pixel by pixel, as ONNX Runtime does on
        a processor
    """
    _unshuffle(model.graph)
    if interleaves:
        _shuffle_rows(model.graph)
    _align_channels(model.graph)
    drop_unread(model.graph)


def channels_of(graph: GraphProto) -> dict[str, int]:
    """Return the channels (second axis) of every tensor of the graph of which they are known."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    found: dict[str, int] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        sides = value.type.tensor_type.shape.dim
        if len(sides) > 1 and sides[1].dim_value:
            found[value.name] = sides[1].dim_value
    return found


def _unshuffle(graph: GraphProto) -> None:
    """Make ``Reshape, Transpose, Reshape`` a ``SpaceToDepth``, whose channels are put in the old order."""
    made_by, read_by, channels = producers(graph), consumers(graph), channels_of(graph)
    replaced: dict[str, list[NodeProto]] = {}
    gone: set[str] = set()
    for node in graph.node:
        if node.op_type != "Transpose" or list(helper.get_node_attr_value(node, "perm")) != UNSHUFFLE:
            continue
        before, after = made_by.get(node.input[0]), read_by.get(node.output[0], [])
        if before is None or before.op_type != "Reshape" or [reader.op_type for reader in after] != ["Reshape"]:
            continue
        if len(read_by.get(before.output[0], [])) != 1:
            continue
        source, result = before.input[0], after[0].output[0]
        count, times = channels.get(source, 0), channels.get(result, 0) // max(channels.get(source, 0), 1)
        side = isqrt(times)
        if count == 0 or side * side != times or times * count != channels.get(result):
            continue
        gone |= {before.name, node.name, after[0].name}
        replaced[after[0].name] = _space_to_depth(graph, node.name, source, result, count, side)
    if gone:
        set_nodes(
            graph,
            [new for node in graph.node for new in replaced.get(node.name, [] if node.name in gone else [node])],
        )


def _space_to_depth(graph: GraphProto, name: str, source: str, result: str, count: int, side: int) -> list[NodeProto]:
    """Return the nodes; ``SpaceToDepth`` orders channels by place, then by plane, PyTorch by plane, then by place."""
    if count == 1:
        return [helper.make_node("SpaceToDepth", [source], [result], name=f"{name}/s2d", blocksize=side)]
    order = np.arange(count * side * side, dtype=np.int64).reshape(side * side, count).T.ravel()
    graph.initializer.append(numpy_helper.from_array(order, f"{name}/order"))
    return [
        helper.make_node("SpaceToDepth", [source], [f"{name}/depth"], name=f"{name}/s2d", blocksize=side),
        helper.make_node("Gather", [f"{name}/depth", f"{name}/order"], [result], name=f"{name}/Gather", axis=1),
    ]


def _shuffle_rows(graph: GraphProto) -> None:
    """Make a ``DepthToSpace`` behind a convolution one of transpositions and reshapes that moves runs of channels.

    The convolution's outputs are put in the order (row, column, plane). With channels side by side what then remains
    is to put the rows of each block one under the other; the outer transpositions meet ONNX Runtime's own and cancel.
    """
    made_by, read_by, weights = producers(graph), consumers(graph), constants(graph)
    replaced: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        before = made_by.get(node.input[0]) if node.op_type == "DepthToSpace" else None
        if before is None or before.op_type != "Conv" or len(read_by[node.input[0]]) != 1:
            continue
        if any(name and name not in weights for name in before.input[1:]):
            continue
        side = int(helper.get_node_attr_value(node, "blocksize"))
        replaced[node.name] = _rows(graph, node, side, weights[before.input[1]].dims[0] // side**2)
        mode = next((attribute.s for attribute in node.attribute if attribute.name == "mode"), b"DCR")
        if mode == b"CRD":
            _order_outputs(graph, before, weights, side)
    if replaced:
        set_nodes(graph, [new for node in graph.node for new in replaced.get(node.name, [node])])


def _order_outputs(graph: GraphProto, layer: NodeProto, weights: Mapping[str, TensorProto], side: int) -> None:
    """Put a convolution's outputs, ordered by plane, then by place, in the order of place, then plane."""
    for index, name in enumerate(layer.input[1:], start=1):
        if name:
            values = float_values(weights[name])
            values = np.moveaxis(values.reshape(-1, side**2, *values.shape[1:]), 1, 0).reshape(values.shape)
            layer.input[index] = f"{layer.name}/{index}_by_place"
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), layer.input[index]))


def _rows(graph: GraphProto, node: NodeProto, side: int, channels: int) -> list[NodeProto]:
    """Return nodes that do what a ``DepthToSpace`` of channels ordered by place does."""
    steps: list[tuple[str, list[int]]] = [
        ("Transpose", [0, 2, 3, 1]),  # N, h, w, channels
        ("Reshape", [0, 0, 0, side, side * channels]),  # ..., row, column and plane
        ("Transpose", [0, 1, 3, 2, 4]),  # N, h, row, w, column and plane
        ("Reshape", [0, 0, -1, side * channels]),
        ("Reshape", [0, -1, 0, channels]),  # N, H, W, planes
        ("Transpose", [0, 3, 1, 2]),
    ]
    nodes: list[NodeProto] = []
    name = node.input[0]
    for number, (kind, values) in enumerate(steps, start=1):
        own = f"{node.name}/{number}"
        made = node.output[0] if number == len(steps) else own
        if kind == "Transpose":
            nodes.append(helper.make_node(kind, [name], [made], name=own, perm=values))
        else:
            shape = f"{own}/shape"
            graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.int64), shape))
            nodes.append(helper.make_node(kind, [name, shape], [made], name=own))
        name = made
    return nodes


def _align_channels(graph: GraphProto) -> None:
    """Let convolutions that read joined tensors read some of them twice, with weights of zero, for even channels."""
    made_by, read_by, channels, weights = (producers(graph), consumers(graph), channels_of(graph), constants(graph))
    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights or _groups(node) != 1:
            continue
        joined = made_by.get(node.input[0])
        count = channels.get(node.input[0], 0)
        missing = -count % ALIGNED
        if joined is None or joined.op_type != "Concat" or missing == 0 or count <= ALIGNED:
            continue
        if helper.get_node_attr_value(joined, "axis") != 1 or len(read_by[joined.output[0]]) != 1:
            continue
        repeated = _filling(joined.input, channels, missing)
        if repeated is None:
            continue
        weight = float_values(weights[node.input[1]])
        zeros = np.zeros((weight.shape[0], missing, *weight.shape[2:]), np.float32)
        name = f"{node.name}/weight_aligned"
        graph.initializer.append(numpy_helper.from_array(np.concatenate([weight, zeros], axis=1), name))
        node.input[1] = name
        joined.input.extend(repeated)


def _groups(node: NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


def _filling(names: Sequence[str], channels: Mapping[str, int], missing: int) -> list[str] | None:
    """Return tensors, smallest count first chosen, whose channels add up to `missing`; None where none do."""
    by_size = sorted((name for name in dict.fromkeys(names) if name in channels), key=lambda name: -channels[name])
    found: list[str] = []
    for name in by_size:
        while channels[name] <= missing:
            found.append(name)
            missing -= channels[name]
    return found if missing == 0 else None
