"""Which layers of a network may run in 8 bits, and which tensors then carry Q/DQ.

The unit is the convolution ("layer"). Between two 8-bit convolutions everything that a library can do on integers
(addition, pixel shuffle, joining, pooling) is done on integers, so that a value is dequantized only where floating
point begins: a graph that leaves the integers between layers is slower on a processor than one in float32.

In floating point stay, whatever is asked for: layers that lead to an output or to the coordinates of a ``GridSample``
with no layer between (the last ones, and everything geometric), and layers that see one value per channel (means of
the whole picture), which cost nothing. Of a network that restores pictures a last layer that only says what is *added*
to the picture may run in 8 bits: the picture itself stays exact. Of one that tells motion a last layer may whose word
is only a share of what is there already (a ``Sigmoid`` or ``Tanh`` stands behind it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import onnx
from onnx import GraphProto, NodeProto

from calib.onnx_tools import constants, consumers, producers

MOVING = {"Clip", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Cast", "Identity"}
"""Operations that may stand behind a sum."""

LAYERS = {"Conv"}
"""Operations that are worth 8 bits."""

HEAVY = LAYERS | {"ConvTranspose", "MatMul", "Gemm"}
"""Operations at which the search for last and geometric layers ends."""

SHARES = frozenset({"Sigmoid", "Tanh"})
"""Operations behind which a number is a share."""

ACTIVATIONS = frozenset({"Relu", "Clip"})
"""Operations that both libraries fold into the layer before and the quantization after them."""

POINTWISE = ACTIVATIONS | {"LeakyRelu", "PRelu"}
"""Operations that TensorRT folds so; ONNX Runtime wants the layer's own output quantized before these."""

SHARING = {"Concat", "DepthToSpace", "MaxPool", "Reshape", "Transpose"}
"""Operations that move values and change none: all their tensors share one scale."""

ARITHMETIC = {"Add", "AveragePool", "GlobalAveragePool", "LeakyRelu"}
"""Operations that have an 8-bit form of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The layers of a network, by name.

    candidates : may run in 8 bits, in the order in which they run
    first : those of them that read the network's inputs with no layer between
    always_float : reason by name
    """

    candidates: tuple[str, ...]
    first: frozenset[str]
    always_float: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where Q/DQ stand.

    layers : names of the nodes that run in 8 bits as layers
    integers : names of all nodes that compute on integers, the layers among them
    tensors : that carry Q/DQ, in the order in which they are made
    from_integers : those of them that 8-bit nodes make; the others come from floating point
    group : tensor → the tensor whose scale it shares (itself where none)
    """

    layers: tuple[str, ...]
    integers: frozenset[str]
    tensors: tuple[str, ...]
    from_integers: frozenset[str]
    group: Mapping[str, str]


def find_layers(model: onnx.ModelProto, *, makes_picture: bool = False, tells_motion: bool = False) -> Layers:
    """Sort a prepared network's convolutions into candidates and those that stay in floating point.

    Parameters
    ----------
    model : prepared
    makes_picture : the outputs are pictures, and a last layer that says what is added to the one that came in may run
        in 8 bits; what is added to motion may not
    tells_motion : a last layer that only says shares may run in 8 bits
    """
    graph = model.graph
    made_by, weights = producers(graph), constants(graph)
    outputs = [value.name for value in graph.output]
    if makes_picture:
        given = {value.name for value in graph.input}
        outputs = [name for name in outputs if not _adds_to_input(name, given, made_by)]
    ends = dict.fromkeys(outputs, "leads to an output")
    ends |= {node.input[1]: "leads to coordinates" for node in graph.node if node.op_type == "GridSample"}
    reasons: dict[str, str] = {}
    for tensor, reason in ends.items():
        for node in _last_heavy(tensor, made_by, SHARES if tells_motion else frozenset()):
            reasons.setdefault(node.name, reason)
    candidates: list[str] = []
    first: set[str] = set()
    for node in graph.node:
        if node.op_type not in LAYERS or node.name in reasons:
            continue
        if node.input[1] not in weights or (len(node.input) > 2 and node.input[2] and node.input[2] not in weights):
            reasons[node.name] = "its weights are computed"
        elif _sees_means(node, made_by):
            reasons[node.name] = "sees one value per channel"
        else:
            candidates.append(node.name)
            if not _last_heavy(node.input[0], made_by):
                first.add(node.name)
    layers = {node.name for node in graph.node if node.op_type in LAYERS}
    return Layers(
        candidates=tuple(candidates),
        first=frozenset(first),
        always_float={name: reason for name, reason in reasons.items() if name in layers},
    )


def place(model: onnx.ModelProto, layers: Collection[str], fused: Collection[str] = ACTIVATIONS) -> Placement:
    """Say which tensors carry Q/DQ where the named layers run in 8 bits.

    Parameters
    ----------
    fused : operations that become part of the layer before them
    """
    graph = model.graph
    made_by, read_by = producers(graph), consumers(graph)
    wanted = [node for node in graph.node if node.name in set(layers)]
    integers = _integer_nodes(graph, {node.name for node in wanted}, fused, made_by, read_by)
    marked: dict[str, None] = {}
    made: set[str] = set()
    for node in graph.node:
        if node.name not in integers:
            continue
        inputs = node.input[:1] if node.op_type in LAYERS | {"Reshape"} else [name for name in node.input if name]
        for name in inputs:
            marked[name] = None
        made.add(_after_activation(node, fused, read_by))
        marked |= dict.fromkeys(made)
    weights = constants(graph)
    tensors = tuple(name for name in marked if name not in weights)
    return Placement(
        layers=tuple(node.name for node in wanted),
        integers=frozenset(integers),
        tensors=tensors,
        from_integers=frozenset(made),
        group=_groups(graph, integers, tensors),
    )


def _last_heavy(tensor: str, made_by: Mapping[str, NodeProto], ends: Collection[str] = frozenset()) -> list[NodeProto]:
    """Return the heavy nodes from which a tensor comes with no other heavy node, or one of `ends`, between."""
    found: list[NodeProto] = []
    seen: set[str] = set()
    waiting = [tensor]
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in HEAVY:
            found.append(node)
        elif node.op_type not in ends:
            waiting.extend(node.input)
    return found


def _adds_to_input(tensor: str, given: set[str], made_by: Mapping[str, NodeProto]) -> bool:
    """Tell whether a tensor is a sum to which the network's inputs contribute with no heavy node between."""
    node = made_by.get(tensor)
    while node is not None and (node.op_type in MOVING or node.op_type == "Resize"):
        node = made_by.get(node.input[0])
    if node is None or node.op_type != "Add":
        return False
    return any(
        name in given or (name in made_by and not _last_heavy(name, made_by)) or _adds_to_input(name, given, made_by)
        for name in node.input
    )


def _sees_means(node: NodeProto, made_by: Mapping[str, NodeProto]) -> bool:
    before = made_by.get(node.input[0])
    return before is not None and before.op_type in ("ReduceMean", "GlobalAveragePool")


def _integer_nodes(
    graph: GraphProto,
    layers: set[str],
    fused: Collection[str],
    made_by: Mapping[str, NodeProto],
    read_by: Mapping[str, list[NodeProto]],
) -> set[str]:
    """Return the names of all nodes that compute on integers: the layers, and what stands between them."""
    found = set(layers)
    from_layers = set(layers)
    between: list[NodeProto] = []
    for node in graph.node:  # in the order in which they run: those before are decided
        if node.op_type in fused or node.op_type in SHARING | ARITHMETIC:
            sources = [made_by.get(name) for name in node.input if name]
            readers = read_by.get(node.output[0], [])
            joins_for_layer = node.op_type == "Concat" and any(reader.name in layers for reader in readers)
            if joins_for_layer or any(source is not None and source.name in from_layers for source in sources):
                from_layers.add(node.name)
                between.append(node)
    for node in reversed(between):
        readers = [reader for name in node.output for reader in read_by.get(name, [])]
        if any(reader.name in found for reader in readers):
            found.add(node.name)
    # An activation is part of the node before it.
    return found - {node.name for node in between if node.op_type in fused}


def _after_activation(node: NodeProto, fused: Collection[str], read_by: Mapping[str, list[NodeProto]]) -> str:
    """Return the tensor that carries Q/DQ behind a node: its output, or that of the activation which alone reads it."""
    name = node.output[0]
    readers = read_by.get(name, [])
    if node.op_type not in SHARING and len(readers) == 1 and readers[0].op_type in fused:
        return readers[0].output[0]
    return name


def _groups(graph: GraphProto, integers: set[str], tensors: Iterable[str]) -> dict[str, str]:
    """Join the tensors of nodes that only move values."""
    parent = {name: name for name in tensors}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in graph.node:
        if node.name in integers and node.op_type in SHARING:
            joined = [name for name in (*node.input, *node.output) if name in parent]
            for name in joined[1:]:
                parent[root(name)] = root(joined[0])
    return {name: root(name) for name in parent}
