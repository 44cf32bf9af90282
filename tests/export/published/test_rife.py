import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from export.networks.published.registry import NETWORKS  # noqa: E402
from export.networks.published.rife import RIFE_VARIANTS, Rife, warp  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402
from tests.golden.networks import assert_golden, golden_network, tensor  # noqa: E402

SETTINGS = {
    "ensemble": {"ensemble": True},
    "scale05": {"flow_scale": 0.5},
    "scale2": {"flow_scale": 2.0},
    "scale2_ensemble": {"flow_scale": 2.0, "ensemble": True},
}
"""What each golden case sets; the others set nothing."""
NAMES = [*RIFE_VARIANTS, "rife-v3", "rife-m"]
QUICK = {("rife-v4.6", "scale2_ensemble"), ("rife-v4.25", "timesteps"), ("rife-v4.25-lite", "padded"),
         ("rife-v4.26", "padded"), ("rife-v3", "base"), ("rife-m", "timesteps")}  # fmt: skip
CASES = [
    pytest.param(name, case, marks=() if (name, case) in QUICK else pytest.mark.slow, id=f"{name}/{case}")
    for name in NAMES
    for case in GoldenNetwork(name).case_names
]


def interpolate(network, inputs):
    """Run a pair at every timestep, padded and cropped, and stack the results as the golden cases do."""
    first, second = tensor(inputs["img0"]), tensor(inputs["img1"])
    height, width = first.shape[2:]
    multiple = network.multiple
    padding = (0, -width % multiple, 0, -height % multiple)
    first, second = (torch.nn.functional.pad(frame, padding) for frame in (first, second))
    found = {"frame": [], "flow": [], "mask": [], "flow_block0": [], "merged_block1": []}
    for timestep in torch.tensor(inputs.get("timestep", [0.5])):
        made = network(first, second, timestep.reshape(1))
        motions = network.motions(first, second, timestep.reshape(1))
        found["frame"].append(made.frame[:, :, :height, :width])
        found["flow"].append(made.flow)
        found["mask"].append(made.mask)
        found["flow_block0"].append(motions[0].flow)
        found["merged_block1"].append(blended(first, second, motions[1]))
    found = {name: torch.cat(values) for name, values in found.items()}
    if getattr(network, "encode", None) is not None:
        found |= {"f0": network.encode(first), "f1": network.encode(second)}
    return found


def blended(first, second, motion):
    weight = torch.sigmoid(motion.mask)
    return weight * warp(first, motion.flow[:, :2]) + (1 - weight) * warp(second, motion.flow[:, 2:4])


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden(name, case):
    golden = GoldenNetwork(name)
    network = golden_network(name, golden, **SETTINGS.get(case, {}))
    inputs = golden.inputs(case)
    found = interpolate(network, inputs)
    if case == "tta":
        flipped = {key: value[:, :, ::-1, ::-1] for key, value in inputs.items()}
        found = {"frame": (found["frame"] + interpolate(network, flipped)["frame"].flip(2, 3)) / 2}
    assert_golden(golden, case, found)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name):
    assert NETWORKS[name].shapes() == GoldenNetwork(name).shapes


def test_size_rule_grows_with_a_smaller_flow_scale():
    with torch.device("meta"):
        assert Rife(RIFE_VARIANTS["rife-v4.6"]).multiple == 32
        assert Rife(RIFE_VARIANTS["rife-v4.25"], flow_scale=0.5).multiple == 128
        assert Rife(RIFE_VARIANTS["rife-v4.25"], flow_scale=2.0).multiple == 64


def test_encoding_versions_know_no_ensemble():
    with torch.device("meta"), pytest.raises(ValueError, match="ensemble"):
        Rife(RIFE_VARIANTS["rife-v4.25"], ensemble=True)
