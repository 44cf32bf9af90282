import numpy as np
import pytest

from engine.model import builtin_models
from engine.onnx_graph import read_graph
from engine.onnx_write import Array, NodeText, write_onnx
from engine.planning.operations import Kind, Workload, workload
from engine.planning.probes import convolution
from engine.planning.shapes import trace
from tests.engine.planning.test_shapes import shapes_of


def count(nodes: list[NodeText], shape: tuple[int, ...], constants: dict[str, Array]) -> Workload:
    graph = read_graph(write_onnx(nodes, {"x": shape}, {"y": len(shape)}, constants))
    return workload(graph, trace(graph, {"x": shape}), frozenset({"y"}), 0)


def weights(*shape: int) -> dict[str, Array]:
    return {"w": np.zeros(shape, np.float32)}


CONV = NodeText(kind="Conv", inputs=["x", "w"], outputs=["y"], attributes={"pads": (1, 1, 1, 1)})


def test_a_convolution_counts_two_operations_for_each_weight_and_pixel() -> None:
    (work,) = count([CONV], (1, 16, 10, 20), weights(32, 16, 3, 3)).operations[:1]
    assert (work.kind, work.operations) == (Kind.CONV, 2 * 16 * 32 * 9 * 200)
    assert work.bytes == 4 * (16 + 32) * 200


def test_one_output_takes_as_long_as_a_block_of_them() -> None:
    work = count([CONV], (1, 16, 10, 20), weights(1, 16, 3, 3)).operations[0]
    assert work.computed == 16 * work.operations


@pytest.mark.parametrize(("channels", "kind"), [(32, Kind.CONV), (31, Kind.UNEVEN), (5, Kind.CONV)])
def test_channels_that_fill_no_blocks_are_another_kind(channels: int, kind: Kind) -> None:
    assert count([CONV], (1, channels, 8, 8), weights(32, channels, 3, 3)).operations[0].kind is kind


def test_depthwise() -> None:
    node = NodeText(kind="Conv", inputs=["x", "w"], outputs=["y"], attributes={"pads": (1, 1, 1, 1), "group": 16})
    work = count([node], (1, 16, 8, 8), weights(16, 1, 3, 3)).operations[0]
    assert (work.kind, work.operations) == (Kind.DEPTHWISE, 2 * 9 * 16 * 64)


def test_an_activation_behind_a_convolution_is_free_and_elsewhere_it_is_not() -> None:
    conv = NodeText(kind="Conv", inputs=["x", "w"], outputs=["c"], attributes={"pads": (1, 1, 1, 1)})
    relu = NodeText(kind="Relu", inputs=["c"], outputs=["y"])
    kinds = [work.kind for work in count([conv, relu], (1, 16, 8, 8), weights(16, 16, 3, 3)).operations]
    assert Kind.ALONE not in kinds
    alone = count([NodeText(kind="Relu", inputs=["x"], outputs=["y"])], (1, 16, 8, 8), {})
    assert [(work.kind, work.bytes) for work in alone.operations] == [(Kind.ALONE, 2 * 4 * 1024)]


def test_eight_bit_convolutions_are_known_by_their_neighbours() -> None:
    probe = convolution(32, 32, is_int8=True)
    graph = read_graph(probe.data)
    made = workload(graph, trace(graph, probe.inputs), frozenset({graph.nodes[-1].outputs[0]}), 0)
    convolutions = [work for work in made.operations if work.kind is Kind.CONV]
    assert all(work.is_int8 for work in convolutions)
    assert sum(work.operations for work in convolutions) == probe.units


def test_the_most_that_is_alive_is_counted_until_the_last_reader() -> None:
    nodes = [
        NodeText(kind="Abs", inputs=["x"], outputs=["a"]),
        NodeText(kind="Neg", inputs=["a"], outputs=["b"]),
        NodeText(kind="Add", inputs=["a", "b"], outputs=["y"]),
    ]
    assert count(nodes, (1, 1, 10, 10), {}).peak_bytes == 3 * 400


def test_weights_are_not_among_what_is_alive() -> None:
    nodes = [
        NodeText(kind="DequantizeLinear", inputs=["w", "scale"], outputs=["weights"]),
        NodeText(kind="Conv", inputs=["x", "weights"], outputs=["y"], attributes={"pads": (1, 1, 1, 1)}),
    ]
    constants: dict[str, Array] = {"w": np.zeros((8, 8, 3, 3), np.int8), "scale": np.ones((), np.float32)}
    assert count(nodes, (1, 8, 10, 10), constants).peak_bytes == 4 * (800 + 800)


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_built_in_models_grow_with_the_picture(name: str) -> None:
    data = builtin_models()[name].read_bytes()
    graph = read_graph(data)
    made = [
        workload(graph, trace(graph, shapes_of(name, 96 * times, 128 * times)), frozenset(), len(data))
        for times in (1, 2)
    ]
    assert 3.7 < made[1].total_operations / made[0].total_operations < 4.1
    assert 3.7 < made[1].peak_bytes / made[0].peak_bytes < 4.3
