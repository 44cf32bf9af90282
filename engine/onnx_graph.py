"""Reads the graph of an ONNX file without any library: nodes, attributes, and the shapes of constants.

The runtime needs to know how far a network looks and what it keeps in memory; ONNX Runtime does not tell, and the
package `onnx` is no dependency of the engine. Only what that takes is read: protobuf's wire format
(https://protobuf.dev/programming-guides/encoding/) and the field numbers of `onnx.proto3`.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from engine.errors import WeightsError

Value = int | memoryview
Attribute = int | float | str | tuple[int, ...]

_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _FLOAT, _INT, _STRING, _TENSOR, _INTS = 1, 2, 3, 4, 5, 8
_DIMS, _DATA_TYPE, _FLOAT_DATA, _INT64_DATA, _TENSOR_NAME, _RAW_DATA = 1, 2, 4, 7, 8, 9
_FLOAT_TYPE, _INT64_TYPE = 1, 7

_MOST_VALUES = 64
"""Constants of up to so many numbers are read (sizes, scales, axes); of larger ones (weights) the shape alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A tensor that is in the file: its shape, and its numbers where they are few, float32 or int64."""

    shape: tuple[int, ...]
    values: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation; an input that is left out is ""."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The main graph: nodes in the order in which they run, constants by name."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]


def read_graph(data: bytes) -> Graph:
    """Read the graph of an ONNX file's bytes.

    Raises
    ------
    WeightsError
        The bytes are not protobuf.
    """
    nodes: list[Node] = []
    constants: dict[str, Constant] = {}
    try:
        for number, graph in _fields(memoryview(data)):
            if number != _GRAPH or isinstance(graph, int):
                continue
            for key, value in _fields(graph):
                if isinstance(value, int):
                    continue
                if key == _INITIALIZER:
                    name, constant = _constant(value)
                    constants[name] = constant
                elif key == _NODE:
                    node, held = _node(value)
                    if node.kind == "Constant" and held is not None:
                        constants[node.outputs[0]] = held
                    else:
                        nodes.append(node)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise WeightsError("an ONNX file ends in the middle of a field; fetch or export it again") from error
    return Graph(nodes=tuple(nodes), constants=constants)


def _fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field of a message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == 2:
            length, position = _varint(data, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise struct.error(f"wire type {kind}")
        if position + length > len(data):
            raise struct.error("too short")
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: Value) -> str:
    return "" if isinstance(value, int) else bytes(value).decode("utf-8")


def _integers(value: Value) -> list[int]:
    """Return a repeated integer's share of one field: one number, or several packed."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers: list[int] = []
    position = 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(_signed(number))
    return numbers


def _node(data: memoryview) -> tuple[Node, Constant | None]:
    kind, inputs, outputs = "", list[str](), list[str]()
    attributes: dict[str, Attribute] = {}
    held: Constant | None = None
    for number, value in _fields(data):
        if number == _OP_TYPE:
            kind = _text(value)
        elif number == _NODE_INPUT:
            inputs.append(_text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(_text(value))
        elif number == _ATTRIBUTE and not isinstance(value, int):
            name, attribute, tensor = _attribute(value)
            held = tensor or held
            if attribute is not None:
                attributes[name] = attribute
    return Node(kind=kind, inputs=tuple(inputs), outputs=tuple(outputs), attributes=attributes), held


def _attribute(data: memoryview) -> tuple[str, Attribute | None, Constant | None]:
    name, found, tensor = "", None, None
    integers: list[int] = []
    for number, value in _fields(data):
        if number == _ATTRIBUTE_NAME:
            name = _text(value)
        elif number == _INTS:
            integers += _integers(value)
        elif isinstance(value, int):
            found = _signed(value) if number == _INT else found
        elif number == _FLOAT:
            found = struct.unpack("<f", value)[0]
        elif number == _STRING:
            found = _text(value)
        elif number == _TENSOR:
            tensor = _constant(value)[1]
    return name, tuple(integers) if integers else found, tensor


def _constant(data: memoryview) -> tuple[str, Constant]:
    name, kind, shape = "", 0, list[int]()
    raw = memoryview(b"")
    floats: list[float] = []
    integers: list[int] = []
    for number, value in _fields(data):
        if number == _DIMS:
            shape += _integers(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME:
            name = _text(value)
        elif number == _INT64_DATA:
            integers += _integers(value)
        elif isinstance(value, int):
            continue
        elif number == _RAW_DATA:
            raw = value
        elif number == _FLOAT_DATA and len(value) <= 4 * _MOST_VALUES:
            floats += struct.unpack(f"<{len(value) // 4}f", value)
    values: tuple[float, ...] | None = None
    if kind in (_FLOAT_TYPE, _INT64_TYPE) and prod(shape) <= _MOST_VALUES:
        size, letter = (4, "f") if kind == _FLOAT_TYPE else (8, "q")
        values = struct.unpack(f"<{len(raw) // size}{letter}", raw) if len(raw) else tuple(floats or integers)
    return name, Constant(shape=tuple(shape), values=values)
