import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")

from torch import nn  # noqa: E402

from export.networks.published.rife import warp  # noqa: E402
from export.onnx.graph import tidy  # noqa: E402
from export.onnx.half import halve  # noqa: E402
from export.onnx.write import Runner  # noqa: E402
from tests.export.onnx.exporting import exported  # noqa: E402
from tests.export.onnx.miniatures import miniature, miniature_graph  # noqa: E402

SHAPES = {"x": (1, 3, "height", "width"), "y": (1, 3, "height", "width")}


class Warper(nn.Module):
    """Two convolutions, the second of which sees the picture moved by what the first found."""

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 2, 3, padding=1)
        self.make = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        moved = warp(x, self.look(nn.functional.interpolate(x, scale_factor=1.0, mode="bilinear")) * 10)
        return self.make(nn.functional.leaky_relu(moved, 0.2)) + x


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(1)
    model = exported(Warper())
    tidy(model, SHAPES)
    return model, halve(model)


def types(model):
    """Return the element type of every tensor."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    found = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return found | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_inputs_and_outputs_stay_float(pair):
    found = types(pair[1])
    assert (found["x"], found["y"]) == (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT)


def test_sampling_is_float_and_convolutions_before_it_are_half(pair):
    found = types(pair[1])
    nodes = {node.op_type: node for node in pair[1].graph.node}
    assert {found[name] for name in nodes["GridSample"].input} == {onnx.TensorProto.FLOAT}
    first = next(node for node in pair[1].graph.node if node.op_type == "Conv")
    assert {found[name] for name in first.input} == {onnx.TensorProto.FLOAT16}


def test_every_node_reads_one_floating_type(pair):
    """As TensorRT wants it."""
    found = types(pair[1])
    floating = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    for node in pair[1].graph.node:
        if node.op_type not in ("Cast", "Resize"):
            assert len({found[name] for name in node.input if name} & floating) <= 1, node.name


def test_it_computes_nearly_the_same_and_is_half_as_large(pair):
    x = torch.rand(1, 3, 40, 50)
    whole, half = (Runner(model)({"x": x})[0] for model in pair)
    assert 0 < np.abs(whole - half).max() < 5e-3
    assert len(pair[1].SerializeToString()) < len(pair[0].SerializeToString()) * 1.2  # casts weigh something here


def test_named_parts_and_operations_stay_float(pair):
    kept = halve(pair[0], float_scopes=("make",), float_ops=("Resize",))
    found = types(kept)
    (make,) = (node for node in kept.graph.node if node.name == "/make/Conv")
    assert {found[name] for name in make.input} == {onnx.TensorProto.FLOAT}


def test_parts_that_alone_may_be_half(pair):
    found = types(halve(pair[0], half_scopes=("look",)))
    half = {name for name, kind in found.items() if kind == onnx.TensorProto.FLOAT16}
    weights = [name for name in half if name.endswith("_half")]
    assert weights
    assert all("make" not in name for name in half)


def test_weights_beyond_half_are_held_at_its_largest():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    with torch.no_grad():
        network[0].weight.fill_(1e6)
    model = exported(network)
    tidy(model, SHAPES)
    half = halve(model)
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in half.graph.initializer]
    assert all(np.isfinite(array).all() for array in arrays)


def test_rife_in_half_holds_at_3840_pixels():
    """Where a grid of half floats misses by a quarter to half a pixel."""
    inputs = miniature("rife-v4.6")[0].example_inputs(32, 3840)
    whole, half = (Runner(miniature_graph("rife-v4.6", precision))(inputs)[2] for precision in ("fp32", "fp16"))
    error = float(((whole - half) ** 2).mean())
    assert 10 * np.log10(1 / error) > 60
