import onnx
import pytest
from onnx import helper, numpy_helper

from engine.errors import WeightsError
from engine.model import builtin_models
from engine.onnx_graph import read_graph


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_a_graph_is_what_the_onnx_library_reads(name: str) -> None:
    data = builtin_models()[name].read_bytes()
    graph, reference = read_graph(data), onnx.load_from_string(data).graph
    nodes = [node for node in reference.node if node.op_type != "Constant"]
    assert [(node.kind, node.inputs, node.outputs) for node in graph.nodes] == [
        (node.op_type, tuple(node.input), tuple(node.output)) for node in nodes
    ]
    for found, node in zip(graph.nodes, nodes, strict=True):
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            value = value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value
            assert found.attributes.get(attribute.name, ()) == value, attribute.name
    for tensor in reference.initializer:
        constant, array = graph.constants[tensor.name], numpy_helper.to_array(tensor)
        assert constant.shape == array.shape
        if constant.values is not None:
            assert list(constant.values) == array.ravel().tolist()


def test_constants_may_be_nodes() -> None:
    scales = helper.make_tensor("", onnx.TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0])
    node = helper.make_node("Constant", [], ["scales"], value=scales)
    graph = read_graph(helper.make_model(helper.make_graph([node], "g", [], [])).SerializeToString())
    assert graph.nodes == ()
    assert graph.constants["scales"].values == (1.0, 1.0, 2.0, 2.0)


def test_half_a_file_is_one_clear_line() -> None:
    data = next(iter(builtin_models().values())).read_bytes()
    with pytest.raises(WeightsError, match="ends in the middle"):
        read_graph(data[: len(data) // 2])
