import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from onnx import helper  # noqa: E402

from calib.onnx_tools import prepare  # noqa: E402
from calib.placement import POINTWISE, find_layers, place  # noqa: E402
from engine.model import Model  # noqa: E402
from tests.calib.conftest import tensor  # noqa: E402


@pytest.fixture
def graph(small_model: Model) -> onnx.ModelProto:
    return prepare(small_model.data, "small")


def test_last_layers_and_those_of_means_stay_in_floating_point(graph: onnx.ModelProto) -> None:
    layers = find_layers(graph)
    assert layers.candidates == ("stem", "one", "two", "up")
    assert layers.first == {"stem"}
    assert dict(layers.always_float) == {"last": "leads to an output", "mix": "sees one value per channel"}


def test_additions_and_shuffles_between_layers_are_on_integers(graph: onnx.ModelProto) -> None:
    found = place(graph, ("one", "two", "up"))
    assert set(found.tensors) == {"stem", "one", "sum1", "mixed", "shifted", "two", "sum2", "up"}


def test_a_layer_put_back_takes_its_tensors_along(graph: onnx.ModelProto) -> None:
    assert set(place(graph, ("one",)).tensors) == {"stem", "one"}


def test_what_leads_to_coordinates_stays_in_floating_point() -> None:
    weight = tensor("w", [[[[0.1]], [[0.2]]]] * 2)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="inner"),
        helper.make_node("Conv", ["a", "w"], ["flow"], name="geometric"),
        helper.make_node("Transpose", ["flow"], ["grid"], name="t", perm=[0, 2, 3, 1]),
        helper.make_node("GridSample", ["x", "grid"], ["warped"], name="sample"),
        helper.make_node("Conv", ["warped", "w"], ["b"], name="after"),
        helper.make_node("Conv", ["b", "w"], ["y"], name="last"),
    ]
    shape = (1, 2, 8, 8)
    made = helper.make_graph(
        nodes,
        "flow",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [weight],
    )
    layers = find_layers(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]))
    assert layers.candidates == ("inner", "after")
    assert layers.always_float["geometric"] == "leads to coordinates"


def _adder(*, picture: str) -> onnx.ModelProto:
    weight = tensor("w", [[[[0.1]]]])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="one"),
        helper.make_node("Conv", ["a", "w"], ["change"], name="last"),
        helper.make_node("Relu", ["x"], ["plain"], name="plain"),
        helper.make_node("Add", [picture, "change"], ["sum"], name="add"),
        helper.make_node("Clip", ["sum"], ["y"], name="clip"),
    ]
    shape = (1, 1, 4, 4)
    made = helper.make_graph(
        nodes,
        "adder",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [weight],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])


def test_what_is_added_to_a_picture_may_be_rounded() -> None:
    for picture in ("x", "plain"):
        assert find_layers(_adder(picture=picture), makes_picture=True).candidates == ("one", "last")
        assert find_layers(_adder(picture=picture)).candidates == ("one",)


def test_what_is_added_to_what_a_layer_made_may_not() -> None:
    assert find_layers(_adder(picture="a"), makes_picture=True).candidates == ()


def test_a_rounded_last_layer_leaves_the_picture_exact() -> None:
    found = place(_adder(picture="plain"), ("one", "last"))
    assert set(found.tensors) == {"x", "a", "change"}


def test_what_is_joined_for_a_layer_is_rounded_before() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="float"),
        helper.make_node("Concat", ["a", "x"], ["joined"], name="join", axis=1),
        helper.make_node("Conv", ["joined", "v"], ["y"], name="one"),
    ]
    made = helper.make_graph(
        nodes,
        "join",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 1, 4, 4))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 1, 4, 4))],
        [tensor("v", [[[[0.1]], [[0.1]]]])],
    )
    found = place(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), ("one",))
    assert {"a", "x", "joined"} <= set(found.tensors)
    assert found.group["a"] == found.group["x"] == found.group["joined"]


def test_tensors_that_are_only_moved_share_a_scale() -> None:
    weight, wide = tensor("w", [[[[0.1]]]] * 4), tensor("v", [[[[0.1]] * 5]])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="one"),
        helper.make_node("Concat", ["a", "x"], ["joined"], name="join", axis=1),
        helper.make_node("Conv", ["joined", "v"], ["b"], name="two"),
        helper.make_node("Conv", ["b", "w"], ["y"], name="last"),
    ]
    wide = tensor("v", [[[[0.1]]] * 5])
    made = helper.make_graph(
        nodes,
        "join",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 1, 4, 4))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 4, 4, 4))],
        [weight, wide],
    )
    found = place(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), ("one", "two"))
    assert found.group["a"] == found.group["x"] == found.group["joined"] != found.group["b"]


def test_what_tensorrt_folds_into_a_layer_onnx_runtime_does_not() -> None:
    weight, slope = tensor("w", [[[[0.1]]]]), tensor("s", [[[0.2]]])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="one"),
        helper.make_node("PRelu", ["a", "s"], ["b"], name="act"),
        helper.make_node("Conv", ["b", "w"], ["c"], name="two"),
        helper.make_node("Conv", ["c", "w"], ["y"], name="last"),
    ]
    shape = (1, 1, 4, 4)
    made = helper.make_graph(
        nodes,
        "prelu",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [weight, slope],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    assert set(place(model, ("one", "two")).tensors) == {"x", "a", "b", "c"}
    assert set(place(model, ("one", "two"), POINTWISE).tensors) == {"x", "b", "c"}


@pytest.mark.parametrize("last", ["Sigmoid", "Tanh", "Relu"])
def test_what_says_a_share_of_motion_may_be_rounded(last: str) -> None:
    weight = tensor("w", [[[[1.0]]]])
    nodes = [
        helper.make_node("Conv", ["motion", "w"], ["a"], name="one"),
        helper.make_node("Conv", ["a", "w"], ["word"], name="last"),
        helper.make_node(last, ["word"], ["share"], name="share"),
        helper.make_node("Mul", ["motion", "share"], ["flow"], name="bend"),
    ]
    shape = (1, 1, 4, 4)
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("motion", "flow")]
    graph = helper.make_graph(nodes, "judge", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    says_share = last != "Relu"
    assert find_layers(model, tells_motion=True).candidates == (("one", "last") if says_share else ("one",))
    assert find_layers(model).candidates == ("one",)
