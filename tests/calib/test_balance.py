import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from onnx import TensorProto, helper  # noqa: E402

from calib.balance import balance  # noqa: E402
from calib.loss import open_session  # noqa: E402
from calib.ranges import Histogram  # noqa: E402
from tests.calib.conftest import tensor  # noqa: E402

RNG = np.random.default_rng(0)
GIVEN = {
    "features": RNG.random((1, 3, 8, 8), np.float32) * 6,
    "colour": RNG.random((1, 2, 8, 8), np.float32) * 0.3,
}
CHANNELS = {"features": 3, "colour": 2, "joined": 5}


def network() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Concat", ["features", "colour"], ["joined"], name="join", axis=1),
        helper.make_node("Conv", ["joined", "w"], ["y"], name="layer"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in GIVEN.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2, 8, 8))],
        [tensor("w", RNG.choice([-1.0, 1.0], size=(2, 5, 1, 1)))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def histograms() -> dict[str, Histogram]:
    made = {name: Histogram() for name in CHANNELS}
    for name, value in GIVEN.items():
        made[name].add(value, name)
        made["joined"].add(value, name)
    return made


def test_small_inputs_are_scaled_up_and_nothing_else_changes() -> None:
    model = network()
    wanted = open_session(model, 1).run(None, GIVEN)[0]
    found = balance(model, histograms(), CHANNELS, ())
    np.testing.assert_allclose(open_session(found.model, 1).run(None, GIVEN)[0], wanted, atol=1e-5)
    join = next(node for node in found.model.graph.node if node.op_type == "Concat")
    scaled = join.input[1]
    assert list(join.input) == ["features", scaled]
    assert scaled.startswith("colour/times")
    times = int(scaled.removeprefix("colour/times"))
    assert times == 4  # the power of two nearest to the root of twenty
    assert found.histograms[scaled].high == times * histograms()["colour"].high
    assert found.histograms["joined"].total == histograms()["joined"].total
    assert found.sources == {scaled: "colour"}


def test_what_layers_make_is_left_alone() -> None:
    found = balance(network(), histograms(), CHANNELS, {"colour"})
    assert [node.op_type for node in found.model.graph.node] == ["Concat", "Conv"]


def test_what_is_joined_twice_is_scaled_once() -> None:
    nodes = [
        helper.make_node("Concat", ["features", "colour"], ["joined"], name="join", axis=1),
        helper.make_node("Conv", ["joined", "w"], ["first"], name="layer"),
        helper.make_node("Concat", ["colour", "features"], ["again"], name="join again", axis=1),
        helper.make_node("Conv", ["again", "w"], ["second"], name="layer again"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in GIVEN.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2, 8, 8)) for name in ("first", "second")],
        [tensor("w", RNG.choice([-1.0, 1.0], size=(2, 5, 1, 1)))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    wanted = open_session(model, 1).run(None, GIVEN)
    seen = {**histograms(), "again": histograms()["joined"]}
    found = balance(model, seen, {**CHANNELS, "again": 5}, ())
    for made, expected in zip(open_session(found.model, 1).run(None, GIVEN), wanted, strict=True):
        np.testing.assert_allclose(made, expected, atol=1e-5)
    assert [node.op_type for node in found.model.graph.node].count("Mul") == 1
    joins = [node for node in found.model.graph.node if node.op_type == "Concat"]
    assert joins[0].input[1] == joins[1].input[0] != "colour"
