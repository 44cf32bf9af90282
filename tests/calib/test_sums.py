import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from onnx import TensorProto, helper  # noqa: E402

from calib.graph import Range  # noqa: E402
from calib.sums import within_sums  # noqa: E402

RANGES = {
    "a": Range(low=0.0, high=3.0),
    "b": Range(low=-9.0, high=5.0),
    "shuffled": Range(low=-9.0, high=5.0),
    "sum": Range(low=-9.0, high=8.0),
    "y": Range(low=0.0, high=8.0),
}


def _graph(*more: onnx.NodeProto, activation: str = "Relu") -> onnx.GraphProto:
    nodes = [
        helper.make_node("Identity", ["x"], ["a"], name="a"),
        helper.make_node("Identity", ["x"], ["b"], name="b"),
        helper.make_node("Transpose", ["b"], ["shuffled"], name="turn", perm=[0, 1, 3, 2]),
        helper.make_node("Add", ["a", "shuffled"], ["sum"], name="add"),
        helper.make_node(activation, ["sum"], ["y"], name="act"),
        *more,
    ]
    shape = (1, 1, 2, 2)
    return helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )


def test_what_a_relu_behind_a_sum_cuts_off_is_left_out_back_to_where_it_was_made() -> None:
    found = within_sums(_graph(), RANGES)
    assert found["shuffled"] == found["b"] == Range(low=-3.0, high=5.0)
    assert {name: found[name] for name in ("a", "sum", "y")} == {name: RANGES[name] for name in ("a", "sum", "y")}


def test_what_is_read_elsewhere_too_keeps_its_range() -> None:
    found = within_sums(_graph(helper.make_node("Neg", ["b"], ["z"], name="other")), RANGES)
    assert found["shuffled"].low == -3.0
    assert found["b"].low == -9.0
    assert within_sums(_graph(helper.make_node("Neg", ["sum"], ["z"], name="other")), RANGES) == RANGES


def test_another_activation_cuts_nothing_off() -> None:
    assert within_sums(_graph(activation="LeakyRelu"), RANGES) == RANGES


def test_a_sum_with_a_constant_is_left_alone() -> None:
    assert within_sums(_graph(), {name: RANGES[name] for name in ("b", "shuffled")}) == {
        name: RANGES[name] for name in ("b", "shuffled")
    }
