from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

import onnxruntime  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from calib.graph import Range, insert  # noqa: E402
from calib.loss import open_session  # noqa: E402
from calib.placement import place  # noqa: E402
from calib.widen import widen  # noqa: E402
from tests.calib.conftest import conv, tensor  # noqa: E402

PICTURE = np.random.default_rng(3).random((1, 4, 12, 20), np.float32)


def built(wanted: int, readers: list[onnx.NodeProto], constants: list[TensorProto], *, relu: bool = True):
    """Return a model of one layer in 8 bits and what reads it, each reader an output."""
    rng = np.random.default_rng(wanted)
    nodes, weights = conv(rng, "layer", "x", 4, wanted)
    if not relu:
        nodes = nodes[:1]
        nodes[0].output[0] = "layer"
    shape = (1, None, *PICTURE.shape[2:])
    outputs = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape) for node in readers]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, PICTURE.shape)]
    graph = helper.make_graph([*nodes, *readers], "g", inputs, outputs, [*weights, *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    found = place(model, ["layer"])
    ranges = {name: Range(low=0.0 if relu else -1.5, high=2.0) for name in found.tensors}
    return insert(model, found, ranges, "cpu")


def ran(model: onnx.ModelProto) -> list[np.ndarray]:
    return [np.asarray(array) for array in open_session(model, 1).run(None, {"x": PICTURE})]


def part(name: str, first: int, last: int) -> tuple[onnx.NodeProto, list[TensorProto]]:
    bounds = {"starts": first, "ends": last, "axes": 1}
    constants = [tensor(f"{name}.{what}", [value], np.int64) for what, value in bounds.items()]
    return helper.make_node("Slice", ["layer", *(each.name for each in constants)], [name], name=name), constants


def stored_channels(model: onnx.ModelProto) -> int:
    (found,) = (each.dims[0] for each in model.graph.initializer if each.name == "layer/weight/q")
    return found


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("count", "wide"), [(1, 16), (15, 16), (16, 16), (18, 20), (33, 36), (36, 36)])
def test_a_layer_is_widened_and_gives_the_same_bits(count: int, wide: int, relu: bool) -> None:
    reader = helper.make_node("Neg", ["layer"], ["y"], name="neg")
    model = built(count, [reader], [], relu=relu)
    wanted = ran(model)
    widen(model, ["layer"])
    onnx.checker.check_model(model, full_check=True)
    assert stored_channels(model) == wide
    assert [node.op_type for node in model.graph.node].count("Slice") == (count != wide)
    (found,) = ran(model)
    assert found.shape == (1, count, 12, 20)
    np.testing.assert_array_equal(found, wanted[0])


def test_readers_of_some_channels_are_left_alone_but_for_the_last_ones_end() -> None:
    parts = [part("low", 0, 10), part("high", 10, np.iinfo(np.int64).max)]
    model = built(18, [node for node, _ in parts], [each for _, constants in parts for each in constants])
    wanted = ran(model)
    widen(model, ["layer"])
    assert stored_channels(model) == 20
    assert [node.op_type for node in model.graph.node].count("Slice") == 2
    for found, right in zip(ran(model), wanted, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(("first", "last"), [(-3, np.iinfo(np.int64).max), (0, -2)])
def test_a_reader_that_counts_from_the_end_still_finds_it(first: int, last: int) -> None:
    reader, constants = part("y", first, last)
    model = built(18, [reader], constants)
    wanted = ran(model)
    widen(model, ["layer"])
    np.testing.assert_array_equal(ran(model)[0], wanted[0])


def test_onnx_runtime_still_runs_the_layer_on_integers(tmp_path: Path) -> None:
    model = built(18, [helper.make_node("Neg", ["layer"], ["y"], name="neg")], [])
    widen(model, ["layer"])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["Conv"]) == (1, 0), kinds


def test_layers_that_stay_in_floating_point_keep_their_channels() -> None:
    model = built(18, [helper.make_node("Neg", ["layer"], ["y"], name="neg")], [])
    before = model.SerializeToString()
    widen(model, [])
    assert model.SerializeToString() == before


def test_a_layer_whose_output_is_the_networks_keeps_its_channels() -> None:
    rng = np.random.default_rng(1)
    nodes, weights = conv(rng, "layer", "x", 4, 18)
    nodes[0].output[0] = "y"
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 18, *PICTURE.shape[2:]))]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, PICTURE.shape)]
    graph = helper.make_graph(nodes[:1], "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    found = place(model, ["layer"])
    made = insert(model, found, {name: Range(low=-1.5, high=2.0) for name in found.tensors}, "cpu")
    wanted = ran(made)
    widen(made, ["layer"])
    assert stored_channels(made) == 18
    np.testing.assert_array_equal(ran(made)[0], wanted[0])
