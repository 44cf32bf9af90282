import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from engine.errors import ModelError, WeightsError  # noqa: E402
from export.networks.published.registry import NETWORKS, find_network  # noqa: E402

NAME = "realesr-animevideov3"


@pytest.fixture(scope="module")
def tensors():
    return {key: torch.zeros(shape) for key, shape in NETWORKS[NAME].shapes().items()}


def test_each_network_is_listed_under_its_name():
    assert all(name == network.name for name, network in NETWORKS.items())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'rife-v9'.*rife-v4\.25"):
        find_network("rife-v9")


def test_a_loaded_network_is_ready_for_inference(tensors):
    network = NETWORKS[NAME].load(tensors.items())
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_half_weights_are_widened(tensors):
    network = NETWORKS[NAME].load((key, tensor.half()) for key, tensor in tensors.items())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"body.0.bias": None}, "1 of 53 tensors are missing, such as body.0.bias"),
        ({"body.0.bias": torch.zeros(3)}, r"'body.0.bias' got \(3,\); wanted \(64,\)"),
        ({"stranger": torch.zeros(3)}, "got 'stranger', which this network does not have"),
    ],
)
def test_loading_is_strict(tensors, change, message):
    changed = {key: tensor for key, tensor in {**tensors, **change}.items() if tensor is not None}
    with pytest.raises(WeightsError, match=message):
        NETWORKS[NAME].load(changed.items())


def test_what_served_training_alone_is_passed_over():
    rife = NETWORKS["rife-v4.6"]
    weights = {key: torch.zeros(shape) for key, shape in rife.shapes().items()}
    rife.load({**weights, "teacher.conv0.0.0.weight": torch.zeros(1), "caltime.0.bias": torch.zeros(1)}.items())
