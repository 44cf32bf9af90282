"""Numbers that a graph computes from sizes: what `Reshape`, `Slice` and `Resize` are told, worked out in NumPy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.onnx_graph import Node

Value = npt.NDArray[Any]

MOST = 1 << 14
"""Arrays of more numbers are tensors to compute with, not sizes."""

_TYPES = {1: np.float64, 6: np.int64, 7: np.int64, 9: np.bool_, 10: np.float64, 11: np.float64}


def evaluate(node: Node, inputs: Sequence[Value | None]) -> Value | None:
    """Return what a node makes of known numbers; None where that is not known, or not how it is done here."""
    rule = _RULES.get(node.kind)
    if rule is None or any(value is None for value in inputs):
        return None
    made = rule(node, [value for value in inputs if value is not None])
    return made if made.size <= MOST else None


def axes_of(node: Node, inputs: Sequence[Value | None], place: int = 1) -> tuple[int, ...] | None:
    """Return the axes of a node, from its input or (older operator sets) its attribute; None: not given."""
    value = inputs[place] if len(inputs) > place else None
    if value is not None:
        return tuple(int(axis) for axis in value.ravel())
    found = node.attributes.get("axes")
    return found if isinstance(found, tuple) else None


def slices(node: Node, rank: int, numbers: Sequence[Value]) -> list[slice]:
    """Return a `Slice` node as Python slices; numbers are starts, ends and, where given, axes and steps."""
    starts, ends = numbers[0].ravel(), numbers[1].ravel()
    axes = numbers[2].ravel() if len(numbers) > 2 else np.arange(len(starts))
    steps = numbers[3].ravel() if len(numbers) > 3 else np.ones(len(starts), np.int64)
    cuts = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        is_open = step < 0 and end < -(1 << 30)
        cuts[int(axis) % rank] = slice(int(start), None if is_open else int(end), int(step))
    return cuts


def attribute(node: Node, name: str, otherwise: int) -> int:
    """Return a whole number among a node's attributes."""
    value = node.attributes.get(name, otherwise)
    return value if isinstance(value, int) else otherwise


def _slice(node: Node, values: list[Value]) -> Value:
    return values[0][tuple(slices(node, values[0].ndim, values[1:]))]


def _unsqueeze(node: Node, values: list[Value]) -> Value:
    return np.expand_dims(values[0], axes_of(node, values) or (0,))


def _squeeze(node: Node, values: list[Value]) -> Value:
    return np.squeeze(values[0], axes_of(node, values))


def _gather(node: Node, values: list[Value]) -> Value:
    return np.take(values[0], values[1].astype(np.int64), attribute(node, "axis", 0))


def _divided(node: Node, values: list[Value]) -> Value:
    if all(value.dtype.kind == "i" for value in values):
        return np.trunc(values[0] / values[1]).astype(np.int64)
    return np.asarray(values[0] / values[1])


def _concat(node: Node, values: list[Value]) -> Value:
    return np.concatenate(values, attribute(node, "axis", 0))


def _cast(node: Node, values: list[Value]) -> Value:
    return values[0].astype(_TYPES.get(attribute(node, "to", 1), np.float64))


def _filled(node: Node, values: list[Value]) -> Value:
    """Return the array of `ConstantOfShape`; its number is hardly ever a size, and 0 unless given."""
    return np.zeros(tuple(int(size) for size in values[0]), np.int64)


def _reshape(node: Node, values: list[Value]) -> Value:
    return values[0].reshape([int(size) for size in values[1]])


def _expand(node: Node, values: list[Value]) -> Value:
    return np.asarray(values[0] * np.ones([int(size) for size in values[1]], values[0].dtype))


def _transpose(node: Node, values: list[Value]) -> Value:
    order = node.attributes.get("perm")
    return np.transpose(values[0], order if isinstance(order, tuple) else None)


def _range(node: Node, values: list[Value]) -> Value:
    start, end, step = (value.ravel()[0] for value in values)
    count = max(0, int(np.ceil((end - start) / step)))
    return start + step * np.arange(min(count, MOST + 1))


def _reduced(node: Node, values: list[Value]) -> Value:
    keeps = bool(attribute(node, "keepdims", 1))
    return np.asarray(np.prod(values[0], axis=axes_of(node, values), keepdims=keeps))


def _plain(function: Callable[..., Any]) -> Callable[[Node, list[Value]], Value]:
    return lambda node, values: np.asarray(function(*values))


_RULES: Mapping[str, Callable[[Node, list[Value]], Value]] = {
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "And": _plain(np.logical_and),
    "Cast": _cast,
    "Ceil": _plain(np.ceil),
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Div": _divided,
    "Equal": _plain(np.equal),
    "Expand": _expand,
    "Floor": _plain(np.floor),
    "Gather": _gather,
    "Greater": _plain(np.greater),
    "Identity": _plain(np.asarray),
    "Less": _plain(np.less),
    "Max": _plain(np.maximum),
    "Min": _plain(np.minimum),
    "Mod": _plain(np.mod),
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "Not": _plain(np.logical_not),
    "Range": _range,
    "ReduceProd": _reduced,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": _plain(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _plain(np.where),
}
