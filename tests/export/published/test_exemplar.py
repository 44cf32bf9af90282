import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from export.networks.published.exemplar import lab_to_rgb  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402
from tests.golden.networks import assert_golden, golden_network, tensor  # noqa: E402

FOLDERS = {
    "exemplar-features": "devc-vgg19-conv",
    "exemplar-gray-features": "devc-vgg19-gray",
    "exemplar-matcher": "devc-nonlocal",
    "exemplar-colorizer": "devc-colornet",
    "exemplar": "devc-frame",
}
MAPS = [f"relu{stage}_1" for stage in (2, 3, 4, 5)]


def run_features(golden, case):
    maps = golden_network("exemplar-features", golden)(tensor(golden.inputs(case)["x"]))
    return dict(zip([f"r{stage}2" for stage in range(1, 6)], maps, strict=True))


def run_gray_features(golden, case):
    maps = golden_network("exemplar-gray-features", golden).maps(tensor(golden.inputs(case)["x"]))
    return dict(zip(MAPS, maps, strict=True))


def run_matcher(golden, case):
    temperature = golden.facts["cases"][case]["temperature"]
    network = golden_network("exemplar-matcher", golden, temperature=None if temperature < 1e-6 else temperature)
    inputs = {name: tensor(value) for name, value in golden.inputs(case).items()}
    frame, reference = ([inputs[f"{side}_{name}"] for name in MAPS] for side in "AB")
    match = network(frame, reference, inputs["B_lab_map"])
    return {"warped_lab": match.warped, "similarity": match.similarity}


def run_colorizer(golden, case):
    return {"ab": golden_network("exemplar-colorizer", golden)(tensor(golden.inputs(case)["x"]))}


def run_frame(golden, case):
    temperature = golden.facts["cases"][case]["temperature"]
    network = golden_network("exemplar", golden, temperature=None if temperature < 1e-6 else temperature)
    inputs = {name: tensor(value) for name, value in golden.inputs(case).items()}
    step = network(inputs["IA_lab"][:, :1], network.encode(inputs["IB_lab"]), inputs["IA_last_lab"])
    return {"ab": step.ab, "nonlocal_lab": step.warped}


RUNS = {
    "exemplar-features": run_features,
    "exemplar-gray-features": run_gray_features,
    "exemplar-matcher": run_matcher,
    "exemplar-colorizer": run_colorizer,
    "exemplar": run_frame,
}
SLOW = {"even", "40x56", "second_hard", "soft"}
CASES = [
    pytest.param(name, case, marks=pytest.mark.slow if case in SLOW else (), id=f"{name}/{case}")
    for name, folder in FOLDERS.items()
    for case in GoldenNetwork(folder).case_names
    if case != "picture"  # goes through scikit-image's resize: the frame step inside it is first_hard
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden(name, case):
    golden = GoldenNetwork(FOLDERS[name])
    found = RUNS[name](golden, case)
    assert_golden(golden, case, found)


@pytest.mark.parametrize("name", FOLDERS)
def test_parameters_are_the_published_ones(name):
    assert NETWORKS[name].shapes() == GoldenNetwork(FOLDERS[name]).shapes


def test_lab_to_rgb():
    golden = GoldenNetwork("devc-frame")
    rgb = lab_to_rgb(tensor(golden.inputs("first_hard")["IB_lab"])).numpy()
    for comparison in golden.compare("first_hard", {"reference_rgb": rgb}, atol=1e-5):
        assert comparison.share <= 1, str(comparison)


@pytest.mark.slow
def test_heights_in_eights_and_widths_in_sixteens():
    network = golden_network("exemplar", GoldenNetwork("devc-frame"))
    for height, width in ((32, 32), (40, 48)):
        lab = torch.rand(1, 3, height, width) * 40
        step = network(lab[:, :1], network.encode(lab), torch.zeros_like(lab))
        assert step.ab.shape == (1, 2, height, width)
