import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from onnx import TensorProto, helper  # noqa: E402

from calib.loss import open_session  # noqa: E402
from calib.simplify import simplify  # noqa: E402
from tests.calib.conftest import tensor  # noqa: E402

RNG = np.random.default_rng(0)


def made(nodes, inputs, outputs, constants) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(("count", "side"), [(1, 2), (3, 2), (2, 4)])
def test_unshuffling_becomes_one_operation(count: int, side: int) -> None:
    height, width = 4 * side, 3 * side
    nodes = [
        helper.make_node("Reshape", ["x", "wide"], ["a"], name="a"),
        helper.make_node("Transpose", ["a"], ["b"], name="b", perm=[0, 1, 3, 5, 2, 4]),
        helper.make_node("Reshape", ["b", "deep"], ["y"], name="c"),
    ]
    wide = tensor("wide", [1, count, 4, side, 3, side], np.int64)
    deep = tensor("deep", [1, count * side * side, 4, 3], np.int64)
    model = made(nodes, {"x": (1, count, height, width)}, {"y": (1, count * side * side, 4, 3)}, [wide, deep])
    picture = RNG.random((1, count, height, width), np.float32)
    wanted = open_session(model, 1).run(None, {"x": picture})[0]
    simplify(model, interleaves=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == (["SpaceToDepth"] if count == 1 else ["SpaceToDepth", "Gather"])
    np.testing.assert_array_equal(open_session(model, 1).run(None, {"x": picture})[0], wanted)


def test_joined_tensors_get_an_even_number_of_channels_and_the_same_result() -> None:
    nodes = [
        helper.make_node("Concat", ["x", "z"], ["joined"], name="join", axis=1),
        helper.make_node("Conv", ["joined", "w"], ["y"], name="layer"),
    ]
    weight = tensor("w", RNG.normal(size=(2, 6, 1, 1)))
    model = made(nodes, {"x": (1, 5, 4, 4), "z": (1, 1, 4, 4)}, {"y": (1, 2, 4, 4)}, [weight])
    given = {"x": RNG.random((1, 5, 4, 4), np.float32), "z": RNG.random((1, 1, 4, 4), np.float32)}
    wanted = open_session(model, 1).run(None, given)[0]
    simplify(model, interleaves=True)
    assert list(model.graph.node[0].input) == ["x", "z", "z", "z"]
    np.testing.assert_allclose(open_session(model, 1).run(None, given)[0], wanted, atol=1e-6)


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize(("planes", "side", "size"), [(3, 2, (4, 5)), (2, 3, (1, 2))])
def test_shuffles_behind_a_convolution_move_runs_of_channels(
    mode: str, planes: int, side: int, size: tuple[int, int]
) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["deep"], name="layer"),
        helper.make_node("DepthToSpace", ["deep"], ["y"], name="shuffle", blocksize=side, mode=mode),
    ]
    count = planes * side**2
    weights = [tensor("w", RNG.normal(size=(count, 4, 1, 1))), tensor("b", RNG.normal(size=count))]
    large = tuple(side * extent for extent in size)
    model = made(nodes, {"x": (1, 4, *size)}, {"y": (1, planes, *large)}, weights)
    picture = RNG.random((1, 4, *size), np.float32)
    wanted = open_session(model, 1).run(None, {"x": picture})[0]
    simplify(model, interleaves=False)
    assert [node.op_type for node in model.graph.node] == ["Conv", "DepthToSpace"]
    simplify(model, interleaves=True)
    assert "DepthToSpace" not in [node.op_type for node in model.graph.node]
    np.testing.assert_allclose(open_session(model, 1).run(None, {"x": picture})[0], wanted, atol=1e-6)


def test_shuffles_of_a_tensor_that_is_read_elsewhere_too_stay() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["deep"], name="layer"),
        helper.make_node("DepthToSpace", ["deep"], ["y"], name="shuffle", blocksize=2, mode="CRD"),
        helper.make_node("Relu", ["deep"], ["z"], name="other"),
    ]
    weight = tensor("w", RNG.normal(size=(4, 4, 1, 1)))
    model = made(nodes, {"x": (1, 4, 3, 3)}, {"y": (1, 1, 6, 6), "z": (1, 4, 3, 3)}, [weight])
    simplify(model, interleaves=True)
    assert [node.op_type for node in model.graph.node] == ["Conv", "DepthToSpace", "Relu"]
