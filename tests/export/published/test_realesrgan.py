import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from export.networks.published.realesrgan import COMPACT_VARIANTS, RRDB_VARIANTS, RrdbNet, RrdbVariant  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from tests.golden.cases import WEIGHTS, GoldenNetwork  # noqa: E402
from tests.golden.networks import assert_golden, golden_network, tensor  # noqa: E402

NAMES = ["realesr-animevideov3", "realesr-general-x4v3", "realesrgan-x4plus", "realesrgan-x2plus"]
SLOW = {("realesrgan-x4plus", "net_16x24"), ("realesrgan-x4plus", "net_13x19"), ("realesrgan-x2plus", "net_32x48"),
        ("realesrgan-x2plus", "net_26x38"), ("realesrgan-x2plus", "wrapped_odd")}  # fmt: skip
CASES = [
    pytest.param(name, case, marks=pytest.mark.slow if (name, case) in SLOW else (), id=f"{name}/{case}")
    for name in NAMES
    for case in GoldenNetwork(name).case_names
]
PRE_PAD = {"wrapped_prepad": 3, "wrapped_odd_prepad": 5}
TILE, TILE_PAD = 8, 3


def picture(image):
    return tensor(image.transpose(2, 0, 1)[None])


def padded(x, scale, pre_pad):
    """Pad by reflection at right and bottom: first as asked, then to the multiple that the scale needs."""
    x = torch.nn.functional.pad(x, (0, pre_pad, 0, pre_pad), mode="reflect")
    multiple = {4: 1, 2: 2, 1: 4}[scale]
    return torch.nn.functional.pad(x, (0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple), mode="reflect")


def in_tiles(network, x, scale):
    """Enlarge tile by tile, each seeing a few pixels of its neighbours, cropped and laid side by side."""
    height, width = x.shape[2:]
    whole = torch.zeros(1, 3, height * scale, width * scale)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            t, b = max(top - TILE_PAD, 0), min(bottom + TILE_PAD, height)
            le, r = max(left - TILE_PAD, 0), min(right + TILE_PAD, width)
            y = network(x[:, :, t:b, le:r])
            y = y[:, :, (top - t) * scale : (bottom - t) * scale, (left - le) * scale : (right - le) * scale]
            whole[:, :, top * scale : bottom * scale, left * scale : right * scale] = y
    return whole


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden(name, case):
    golden = GoldenNetwork(name)
    network = golden_network(name, golden)
    inputs = golden.inputs(case)
    scale = 2 if "x2" in name else 4
    if "x" in inputs:
        y = network(tensor(inputs["x"]))
    elif case == "wrapped_tiles":
        y = in_tiles(network, picture(inputs["image"]), scale)
    else:
        height, width = inputs["image"].shape[:2]
        y = network(padded(picture(inputs["image"]), scale, PRE_PAD.get(case, 0)))
        y = y[:, :, : height * scale, : width * scale]
    assert_golden(golden, case, {"y": y})


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name):
    assert NETWORKS[name].shapes() == GoldenNetwork(name).shapes


@pytest.mark.parametrize(("scale", "size"), [(4, (5, 7)), (2, (6, 8)), (1, (8, 12))])
def test_any_size_of_the_right_multiple(scale, size):
    network = RrdbNet(RrdbVariant(scale=scale, blocks=1)).eval()
    assert network(torch.zeros(1, 3, *size)).shape == (1, 3, size[0] * scale, size[1] * scale)


def test_every_variant_has_a_row():
    assert set(NAMES) <= {*RRDB_VARIANTS, *COMPACT_VARIANTS} <= set(NETWORKS)


def test_the_real_animevideo_weights_enlarge_a_real_photograph():
    network = NETWORKS["realesr-animevideov3"].load(np.load(WEIGHTS / "realesr-animevideov3-x2.npz").items())
    cases = np.load(WEIGHTS / "realesr-animevideov3-x2.cases.npz")
    y = network(tensor(cases["photo/in/x"].astype(np.float32)))
    half = torch.nn.functional.interpolate(y, scale_factor=0.5, mode="bicubic", align_corners=False)
    for found, name in ((y[:, :, 64:112, 96:160], "y_x4_crop"), (y[:, :, ::3, ::3], "y_x4_strided"), (half, "y_x2")):
        np.testing.assert_allclose(found.numpy(), cases[f"photo/out/{name}"], atol=5e-5, rtol=0)
