from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.latency.operations import count, node_operations
from bench.latency.roof import measure_roof
from engine.model import Model, builtin_models
from tests.support.onnx_files import save_model
from tests.support.tiny_models import constant


def test_nodes_are_counted_by_hand() -> None:
    assert node_operations("Conv", [(1, 8, 10, 10), (16, 8, 3, 3), (16,)], [(1, 16, 10, 10)]) == 2 * 16 * 100 * 8 * 9
    assert node_operations("Conv", [(1, 8, 10, 10), (8, 1, 3, 3)], [(1, 8, 5, 5)]) == 2 * 8 * 25 * 9
    assert node_operations("ConvTranspose", [(1, 8, 5, 5), (8, 4, 2, 2)], [(1, 4, 10, 10)]) == 2 * 200 * 4 * 4
    assert node_operations("MatMul", [(2, 3, 7), (7, 5)], [(2, 3, 5)]) == 2 * 30 * 7
    quantized = [(1, 8, 4, 4), (), (), (16, 8, 1, 1), (16,), (16,), (), ()]
    assert node_operations("QLinearConv", quantized, [(1, 16, 4, 4)]) == 2 * 256 * 8
    assert node_operations("Add", [(9,), (9,)], [(9,)]) == 0


def test_a_small_graph_is_counted_whole(tmp_path: Path) -> None:
    path = save_model(
        tmp_path / "one.onnx",
        [onnx.helper.make_node("Conv", ["luma", "weight"], ["luma_out"], pads=[1, 1, 1, 1])],
        {"luma": (1, 1, "H", "W")},
        {"luma_out": (1, 4, "H", "W")},
        {},
        initializers=[constant("weight", np.ones((4, 1, 3, 3)))],
    )
    cost = count(path.read_bytes(), {"luma": (1, 1, 6, 10)})
    assert cost.operations == 2 * 4 * 60 * 9
    assert cost.bytes == 4 * (60 + 36 + 240)


def test_the_built_in_models_cost_what_training_counts() -> None:
    from export.training.compute_cost import gigaflops

    path = builtin_models()["film-restore"]
    sizes = {"luma": (64, 96), "chroma": (32, 48)}
    inputs = Model.load(path).inputs
    shapes = {name: (*(size or 1 for size in inputs[name].shape[:2]), *sizes.get(name, ())) for name in inputs}
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert count(path.read_bytes(), shapes).operations / 1e9 == pytest.approx(gigaflops(path, zeros), rel=1e-9)


def test_the_roof_is_above_nothing() -> None:
    roof = measure_roof(1)
    assert roof["threads"] == 1
    assert 1 < roof["gflops"] < 1e5
    assert 0.1 < roof["gbytes_per_second"] < 1e4
