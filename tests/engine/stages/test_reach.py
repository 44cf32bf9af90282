"""What a graph says of how far a network looks, beside what shows when a pixel of the picture is changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import NodeProto, helper

from engine.onnx_graph import read_graph
from engine.stages.reach import Reach, reach_of
from tests.support.onnx_files import save_model
from tests.support.tiny_models import constant
from tests.support.upscalers import stack_upscaler

WEIGHTS = [
    constant("w3", np.full((1, 1, 3, 3), 0.1)),
    constant("w5", np.full((1, 1, 5, 5), 0.1)),
    constant("w2", np.full((1, 1, 2, 2), 0.1)),
    constant("w4", np.full((1, 1, 4, 4), 0.1)),
    constant("double", [1.0, 1.0, 2.0, 2.0]),
    constant("halve", [1.0, 1.0, 0.5, 0.5]),
    constant("sides", [0, 0, 1, 1, 0, 0, 1, 1], np.int64),
    constant("six", [1, 1, -1, 2, 24, 2], np.int64),
    constant("four", [1, 4, -1, 24], np.int64),
    constant("mix", np.full((1, 4, 3, 3), 0.1)),
]


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), [output], **attributes)


PADS = [1, 1, 1, 1]
GRAPHS = {
    "convolution": ([node("Conv", ["x", "w3"], "y", pads=PADS)], 1, 1),
    "dilated": ([node("Conv", ["x", "w5"], "y", pads=[6] * 4, dilations=[3, 3])], 6, 1),
    "asked to be same": ([node("Conv", ["x", "w5"], "y", auto_pad="SAME_UPPER")], 2, 1),
    "padded apart": ([node("Pad", ["x", "sides"], "p", mode="reflect"), node("Conv", ["p", "w3"], "y")], 1, 1),
    "pooled and enlarged": (
        [
            node("MaxPool", ["x"], "p", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", ["p", "w3"], "c", pads=PADS),
            node("Resize", ["c", "", "double"], "y", mode="linear"),
        ],
        4,
        2,
    ),
    "strided and transposed": (
        [
            node("Conv", ["x", "w4"], "c", pads=PADS, strides=[2, 2]),
            node("ConvTranspose", ["c", "w4"], "y", pads=PADS, strides=[2, 2]),
        ],
        3,
        2,
    ),
    "halved by cubic": ([node("Resize", ["x", "", "halve"], "y", mode="cubic")], 2, 2),
    "enlarged by cubic": ([node("Resize", ["x", "", "double"], "y", mode="cubic")], 2, 1),
    "folded by reshapes": (
        [
            node("Reshape", ["x", "six"], "r"),
            node("Transpose", ["r"], "t", perm=[0, 1, 3, 5, 2, 4]),
            node("Reshape", ["t", "four"], "f"),
            node("Conv", ["f", "mix"], "y", pads=PADS),
        ],
        2,
        2,
    ),
    "two ways": (
        [
            node("Conv", ["x", "w3"], "a", pads=PADS),
            node("Conv", ["a", "w3"], "b", pads=PADS),
            node("Add", ["b", "x"], "y"),
        ],
        2,
        1,
    ),
}


def reach(path: Path) -> Reach | None:
    return reach_of(read_graph(path.read_bytes()), {"x": (1, 1)}, ["y"])


def seen_reach(path: Path) -> int:
    """Return how far a changed pixel lies beside those that a pixel of the output stands for, at the most."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(1).random((1, 1, 48, 48), np.float32)
    (before,) = session.run(None, {"x": picture})
    farthest = 0
    for place in (22, 23, 24, 25):
        changed = picture.copy()
        changed[0, 0, place, place] += 10.0
        (after,) = session.run(None, {"x": changed})
        scale = before.shape[2] / 48
        rows = np.nonzero(np.abs(after - before).max((0, 1, 3)) > 1e-7)[0]
        first, last = np.floor(rows / scale), np.ceil((rows + 1) / scale) - 1
        farthest = max(farthest, int(np.maximum(first - place, place - last).max()))
    return farthest


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_tells_how_far_it_looks(tmp_path: Path, name: str) -> None:
    nodes, halo, grid = GRAPHS[name]
    path = save_model(
        tmp_path / "m.onnx", nodes, {"x": (1, 1, "h", "w")}, {"y": (1, "c", "H", "W")}, None, initializers=WEIGHTS
    )
    found = reach(path)
    assert found is not None
    assert (found.halo, found.grid) == (halo, grid)
    assert seen_reach(path) <= found.halo <= seen_reach(path) + grid


@pytest.mark.parametrize(
    "nodes",
    [
        [node("GlobalAveragePool", ["x"], "m"), node("Sub", ["x", "m"], "y")],
        [node("Resize", ["x", "", "double"], "y", mode="linear", coordinate_transformation_mode="align_corners")],
        [node("Transpose", ["x"], "y", perm=[0, 1, 3, 2])],
        [node("Softmax", ["x"], "y", axis=3)],
        [node("Shape", ["x"], "s"), node("Expand", ["w3", "s"], "places"), node("Add", ["x", "places"], "y")],
    ],
)
def test_what_looks_everywhere_cannot_be_followed(tmp_path: Path, nodes: list[NodeProto]) -> None:
    path = save_model(
        tmp_path / "m.onnx", nodes, {"x": (1, 1, "h", "w")}, {"y": (1, 1, "H", "W")}, None, initializers=WEIGHTS
    )
    assert reach(path) is None  # the graph alone is read: it is not run


def test_memory_is_that_of_the_tensors_alive_at_once(tmp_path: Path) -> None:
    path = stack_upscaler(tmp_path / "m.onnx", scale=2, layers=3)
    found = reach_of(read_graph(path.read_bytes()), {"in_0": (3, 1)}, ["out_0"])
    assert found is not None
    # at the end: picture 3 (freed when repeated), 3·4 of detail, 3·4 of larger, 3·4 of the sum, 4 bytes each
    assert found.bytes_per_pixel == 4 * 36
    assert found.halo == 3
