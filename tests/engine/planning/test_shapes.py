import numpy as np
import onnxruntime as ort
import pytest

from engine.errors import UnsupportedModelError
from engine.model import builtin_models, find_model
from engine.onnx_graph import Graph, Node, read_graph
from engine.planning.shapes import trace

SIZES = [(96, 128), (64, 160)]


def shapes_of(name: str, height: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return input shapes for a built-in model; pictures half as large are the chroma's."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, spec in find_model(name, None).inputs.items():
        reduced = {"chroma": 2, "motion": 4, "evidence": 4}.get(key, 1)
        sides = iter((height // reduced, width // reduced) if len(spec.shape) == 4 else (5, 5))
        shapes[key] = tuple(next(sides) if size is None else size for size in spec.shape)
    return shapes


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_shapes_are_those_that_running_gives(name: str, size: tuple[int, int]) -> None:
    data = builtin_models()[name].read_bytes()
    inputs = shapes_of(name, *size)
    traced = trace(read_graph(data), inputs)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    made = session.run(None, {key: np.zeros(shape, np.float32) for key, shape in inputs.items()})
    for tensor, array in zip(session.get_outputs(), made, strict=True):
        assert traced.shapes[tensor.name] == array.shape, tensor.name


def graph(kind: str, **attributes: int) -> Graph:
    return Graph(nodes=(Node(kind=kind, inputs=("x",), outputs=("y",), attributes=attributes),), constants={})


@pytest.mark.parametrize("kind", ["NonZero", "Reshape"])
def test_what_cannot_be_followed_is_named(kind: str) -> None:
    with pytest.raises(UnsupportedModelError, match=kind):
        trace(graph(kind), {"x": (1, 3, 8, 8)})
