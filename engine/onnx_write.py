"""Writes small ONNX files without any library: for probes of what a machine can run, and how fast.

The other direction of `engine/onnx_graph.py`, with the same field numbers of `onnx.proto3`; the package `onnx` is no
dependency of the engine. Tensors are float32 unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

AttributeValue = int | float | str | tuple[int, ...]
Array = npt.NDArray[np.generic]

FLOAT = 1
"""ONNX's number of the element type float32."""

_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
_IR_VERSION, _OPSET = 8, 17
_VARINT, _BYTES, _FIXED32 = 0, 2, 5
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS = 1, 2, 3, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeText:
    """One operation to write; an input that is left out is ""."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])


def write_onnx(
    nodes: Sequence[NodeText],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, int],
    constants: Mapping[str, Array],
) -> bytes:
    """Return the bytes of an ONNX file, operator set 17.

    Parameters
    ----------
    nodes : in the order in which they run
    inputs : name → shape; float32
    outputs : name → number of axes; float32, of the sizes that the nodes make
    constants : name → array of float32, uint8, int8, int32 or int64
    """
    graph = b"".join(_bytes(1, _node(node)) for node in nodes)
    graph += _bytes(2, b"probe")
    graph += b"".join(_bytes(5, _tensor(name, array)) for name, array in constants.items())
    graph += b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_bytes(12, _value(name, [None] * axes)) for name, axes in outputs.items())
    opset = _bytes(1, b"") + _number(2, _OPSET)
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, opset)


def _node(node: NodeText) -> bytes:
    data = b"".join(_bytes(1, name.encode()) for name in node.inputs)
    data += b"".join(_bytes(2, name.encode()) for name in node.outputs)
    data += _bytes(3, node.outputs[0].encode()) + _bytes(4, node.kind.encode())
    return data + b"".join(_bytes(5, _attribute(name, value)) for name, value in node.attributes.items())


def _attribute(name: str, value: AttributeValue) -> bytes:
    data = _bytes(1, name.encode())
    if isinstance(value, int):
        return data + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    if isinstance(value, float):
        return data + _key(2, _FIXED32) + np.float32(value).tobytes() + _number(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, str):
        return data + _bytes(4, value.encode()) + _number(20, _ATTRIBUTE_STRING)
    return data + b"".join(_number(8, item) for item in value) + _number(20, _ATTRIBUTE_INTS)


def _tensor(name: str, array: Array) -> bytes:
    data = b"".join(_number(1, size) for size in array.shape)
    data += _number(2, _TYPES[str(array.dtype)]) + _bytes(8, name.encode())
    return data + _bytes(9, np.ascontiguousarray(array).tobytes())


def _value(name: str, shape: Sequence[int | None]) -> bytes:
    sizes = (b"" if size is None else _number(1, size) for size in shape)
    tensor = _number(1, FLOAT) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value & (1 << 64) - 1)


def _bytes(number: int, data: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)
