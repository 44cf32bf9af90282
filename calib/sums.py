"""Leave out of ranges what a ``Relu`` behind a sum cuts off: steps are not spent on values that make no difference.

Where ``relu(a + b)`` is all that becomes of a and b, everything below ``-max(b)`` in a gives zero. Film-restore adds
what comes up from smaller sizes, down to -66, to features of at most 11: steps become a third as large, and nothing
changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from onnx import GraphProto, NodeProto

from calib.graph import Range
from calib.onnx_tools import consumers, producers

MOVING = {"DepthToSpace", "Reshape", "Transpose"}
"""Operations through which a value goes as it is."""


def within_sums(graph: GraphProto, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Return ranges without what a ``Relu`` behind a sum cuts off.

    Parameters
    ----------
    graph : prepared
    ranges : by tensor
    """
    made_by, read_by = producers(graph), consumers(graph)
    found = dict(ranges)
    for node in graph.node:
        if node.op_type != "Add" or [reader.op_type for reader in read_by.get(node.output[0], [])] != ["Relu"]:
            continue
        first, second = node.input
        if first not in ranges or second not in ranges:
            continue
        for name, other in ((first, second), (second, first)):
            least = -max(ranges[other].high, 0.0)
            for tensor in _only_for(name, node, made_by, read_by):
                if tensor in found and found[tensor].low < least:
                    found[tensor] = replace(found[tensor], low=least)
    return found


def _only_for(
    name: str, node: NodeProto, made_by: Mapping[str, NodeProto], read_by: Mapping[str, list[NodeProto]]
) -> list[str]:
    """Return a tensor that only a node reads, and those before it that were only moved on the way."""
    tensors: list[str] = []
    reader = node
    while [each.name for each in read_by.get(name, [])] == [reader.name]:
        tensors.append(name)
        before = made_by.get(name)
        if before is None or before.op_type not in MOVING:
            break
        reader, name = before, before.input[0]
    return tensors
