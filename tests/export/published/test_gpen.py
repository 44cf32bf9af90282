import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from export.networks.published.gpen import Gpen, GpenVariant  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402
from tests.golden.networks import assert_golden, golden_network, tensor  # noqa: E402

NAMES = ["gpen-256", "gpen-512", "gpen-colorization"]
CASES = [
    pytest.param(name, case, marks=() if (name, case) == ("gpen-256", "a") else pytest.mark.slow)
    for name in NAMES
    for case in GoldenNetwork(name).case_names or ["a"]
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden(name, case):
    golden = GoldenNetwork(name)
    network = golden_network(name, golden)
    features, style = network.describe(tensor(golden.inputs(case)["inputs"]))
    assert_golden(golden, case, {"image": network.generator(style, features), "latent": style})


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name):
    assert NETWORKS[name].shapes() == GoldenNetwork(name).shapes


def test_it_takes_its_own_size_and_any_batch():
    network = Gpen(GpenVariant(size=16, narrow=0.02)).eval()
    faces = torch.rand(3, 3, 16, 16)
    together = network(faces)
    assert together.shape == faces.shape
    torch.testing.assert_close(together[1:2], network(faces[1:2]), atol=1e-4, rtol=1e-4)
