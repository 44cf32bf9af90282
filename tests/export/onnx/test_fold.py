import pytest

torch = pytest.importorskip("torch", reason="networks need torch, from the export extra")

from torch import nn  # noqa: E402

from export.networks.published.gpen import Gpen, GpenVariant  # noqa: E402
from export.networks.published.rife import ResidualConv  # noqa: E402
from export.networks.published.stylegan2 import Blur, Double, EqualConv, EqualLinear  # noqa: E402
from export.networks.published.weight_norms import SpectralConv, WeightNormConv  # noqa: E402
from export.onnx.fold import Foldable, fold  # noqa: E402

PICTURE = torch.rand(2, 4, 8, 10)


def randomized(layer):
    for tensor in layer.state_dict().values():
        tensor.copy_(torch.rand_like(tensor) + 0.1)
    return layer


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (EqualLinear(4, 6, rate=0.01, activate=True), torch.rand(2, 4)),
        (EqualConv(4, 6, 3, stride=2), PICTURE),
        (Blur(4, padding=2), PICTURE),
        (Double(4), PICTURE),
        (SpectralConv(4, 6, 3, bias=True), PICTURE),
        (SpectralConv(4, 6, 1, dimensions=1), torch.rand(2, 4, 9)),
        (WeightNormConv(4, 6), PICTURE),
        (ResidualConv(4), PICTURE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_folded_layer_computes_the_same(layer, x):
    with torch.no_grad():
        network = nn.Sequential(randomized(layer))
        wanted = network(x)
        folded = fold(network)
        assert not isinstance(folded[0], Foldable)
        torch.testing.assert_close(folded(x), wanted, atol=1e-5, rtol=1e-5)


def test_a_folded_network_computes_the_same():
    network = Gpen(GpenVariant(size=32, narrow=0.05)).eval()
    face = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        wanted = network(face)
        torch.testing.assert_close(fold(network)(face), wanted, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(layer, Foldable) for layer in network.modules())
