"""Names of the open sizes of a model's inputs, and what a profile makes of them.

Field numbers are those of `onnx.proto3`: `ModelProto.graph`, `GraphProto.input`, `ValueInfoProto`, `TypeProto.Tensor`,
`TensorShapeProto.Dimension`.
"""

from collections.abc import Iterator, Mapping

from engine.onnx_graph import _fields, _text

_GRAPH, _INPUT, _NAME, _TYPE, _TENSOR, _SHAPE, _DIMENSION, _PARAMETER = 7, 11, 1, 2, 1, 2, 1, 2


def open_sizes(data: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the size that each named open axis has in a profile; a name with two sizes is left out.

    Parameters
    ----------
    data : of an ONNX file
    shapes : of its inputs
    """
    found: dict[str, set[int]] = {}
    for graph in _within(memoryview(data), _GRAPH):
        for entry in _within(graph, _INPUT):
            name = "".join(_text(value) for value in _within(entry, _NAME))
            for axis, size in zip(_axes(entry), shapes.get(name, ()), strict=False):
                if axis:
                    found.setdefault(axis, set()).add(size)
    return {axis: sizes.pop() for axis, sizes in found.items() if len(sizes) == 1}


def _axes(entry: memoryview) -> list[str]:
    """Return the name of each axis of an input, empty where it has none."""
    return [
        "".join(_text(value) for value in _within(dimension, _PARAMETER))
        for kind in _within(entry, _TYPE)
        for tensor in _within(kind, _TENSOR)
        for shape in _within(tensor, _SHAPE)
        for dimension in _within(shape, _DIMENSION)
    ]


def _within(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the messages and texts in one field of a message."""
    for key, value in _fields(message):
        if key == number and not isinstance(value, int):
            yield value
