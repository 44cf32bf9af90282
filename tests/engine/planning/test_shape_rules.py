from collections.abc import Mapping

import pytest

from engine.onnx_graph import Graph, Node
from engine.planning.shapes import trace


@pytest.mark.parametrize(
    ("kind", "attributes", "wanted"),
    [
        ("MaxPool", {"kernel_shape": (2, 2), "strides": (2, 2)}, (1, 4, 4, 3)),
        ("MaxPool", {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1}, (1, 4, 4, 3)),
        ("AveragePool", {"kernel_shape": (3, 3), "auto_pad": "SAME_UPPER", "strides": (2, 2)}, (1, 4, 4, 4)),
        ("GlobalAveragePool", {}, (1, 4, 1, 1)),
        ("DepthToSpace", {"blocksize": 2}, (1, 1, 16, 14)),
        ("Transpose", {"perm": (0, 2, 3, 1)}, (1, 8, 7, 4)),
        ("ReduceMean", {"axes": (2, 3), "keepdims": 0}, (1, 4)),
        ("Flatten", {"axis": 2}, (4, 56)),
    ],
)
def test_single_operations(kind: str, attributes: Mapping[str, int | tuple[int, ...]], wanted: tuple[int, ...]) -> None:
    node = Node(kind=kind, inputs=("x",), outputs=("y",), attributes=dict(attributes))
    assert trace(Graph(nodes=(node,), constants={}), {"x": (1, 4, 8, 7)}).shapes["y"] == wanted
