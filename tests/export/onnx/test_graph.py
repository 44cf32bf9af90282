import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")

from torch import nn  # noqa: E402

from export.onnx.graph import tidy  # noqa: E402
from export.onnx.write import Runner  # noqa: E402
from tests.export.onnx.exporting import exported  # noqa: E402


def normed(*layers):
    """Return layers whose batch norms have seen something."""
    network = nn.Sequential(*layers)
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight)
            nn.init.uniform_(layer.bias)
    return network.eval()


class Padded(nn.Module):
    def forward(self, x):
        return nn.functional.pad(x, (1, 0, 1, 0), mode="replicate") * torch.tensor([2.0, 3.0])[0]


@pytest.mark.parametrize(
    ("network", "kept"),
    [
        (normed(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)), ["Conv"]),
        (normed(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4)), ["Conv", "Relu", "Mul", "Add"]),
        (normed(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)), ["Mul", "Add", "Conv"]),
        (Padded(), ["Pad", "Mul"]),
    ],
    ids=["conv-norm", "conv-relu-norm", "norm-conv", "padding"],
)
def test_norms_and_constants_are_folded(network, kept):
    model = exported(network)
    tidy(model, {"x": (1, 3, "height", "width"), "y": (1, "channels", "height", "width")})
    assert [node.op_type for node in model.graph.node] == kept
    x = torch.rand(1, 3, 7, 9)
    with torch.no_grad():
        np.testing.assert_allclose(Runner(model)({"x": x})[0], network(x).numpy(), atol=1e-5)


def test_nothing_of_the_machine_that_exported_stays():
    model = exported(nn.Conv2d(3, 4, 1))
    model.graph.node[0].doc_string = "/home/someone/network.py"
    model.graph.node[0].metadata_props.add(key="source", value="/home/someone")
    tidy(model, {"x": (1, 3, "height", "width"), "y": (1, 4, "height", "width")})
    assert b"/home/someone" not in model.SerializeToString()


def test_sizes_get_plain_names():
    model = exported(nn.Conv2d(3, 4, 1))
    tidy(model, {"x": (1, 3, "height", "width"), "y": (1, 4, "height", "width")})
    sides = [side.dim_param or side.dim_value for side in model.graph.output[0].type.tensor_type.shape.dim]
    assert sides == [1, 4, "height", "width"]
