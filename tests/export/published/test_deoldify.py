import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from export.networks.published.deoldify import DEOLDIFY_VARIANTS, DEVIATION, MEAN, DecoderStep, Deoldify  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from tests.golden import pillow  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402
from tests.golden.networks import assert_golden, golden_network, tensor  # noqa: E402

NAMES = list(DEOLDIFY_VARIANTS)
QUICK = {("deoldify-artistic", "net80"), ("deoldify-artistic", "image_landscape")}
CASES = [
    pytest.param(name, case, marks=() if (name, case) in QUICK else pytest.mark.slow, id=f"{name}/{case}")
    for name in NAMES
    for case in GoldenNetwork(name).case_names
]
LEVELS = {"model_image": 1, "raw_color": 1, "final": 3}
"""By how many levels of 255 a picture may be off, on at most one value in a hundred, as case.json says."""


def colour(network, image, side):
    """Colour a picture as the authors do, through 8-bit pictures; {name: uint8 (H, W, 3)}."""
    height, width = image.shape[:2]
    square = pillow.resize(image, side, side).astype(np.int64)
    grey = ((square @ np.array([19595, 38470, 7471]) + 32768) >> 16).astype(np.float32) / 255
    mean, deviation = np.float32(MEAN), np.float32(DEVIATION)
    x = (np.repeat(grey[..., None], 3, 2) - mean) / deviation
    y = network(tensor(x.transpose(2, 0, 1)[None]))[0].numpy().transpose(1, 2, 0)
    model_image = (np.clip(y * deviation + mean, 0, 1) * 255).astype(np.uint8)
    raw = pillow.resize(model_image, height, width)
    yuv = cv2.cvtColor(raw, cv2.COLOR_RGB2YUV)
    yuv[..., 0] = cv2.cvtColor(image, cv2.COLOR_RGB2YUV)[..., 0]
    return {"model_image": model_image, "raw_color": raw, "final": cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB)}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden(name, case):
    golden = GoldenNetwork(name)
    network = golden_network(name, golden)
    inputs = golden.inputs(case)
    if "x" in inputs:
        assert_golden(golden, case, {"y": network(tensor(inputs["x"]))})
        return
    facts = golden.facts["cases"][case]
    found = colour(network, inputs["image"], facts["square"])
    for result, wanted in golden.outputs(case).items():
        if result not in LEVELS:
            continue
        stride = facts["outputs"][result].get("stride", (1, 1, 1))
        view = found[result][:: stride[0], :: stride[1], :: stride[2]]
        off = np.abs(view.astype(int) - wanted.astype(int))
        assert off.max() <= LEVELS[result], f"{name}/{case}/{result}: {off.max()} levels"
        assert (off > 0).mean() <= 0.01, f"{name}/{case}/{result}: {(off > 0).mean():.2%} of the values"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name):
    assert NETWORKS[name].shapes() == GoldenNetwork(name).shapes


def test_a_decoder_step_takes_the_size_of_its_skip():
    step = DecoderStep(8, 4, 4, 8, 2, attend=True).eval()
    assert step(torch.zeros(1, 8, 3, 2), torch.zeros(1, 4, 5, 4)).shape == (1, 8, 5, 4)


def test_stable_and_video_are_one_network():
    with torch.device("meta"):
        stable, video = (Deoldify(DEOLDIFY_VARIANTS[f"deoldify-{name}"]) for name in ("stable", "video"))
    assert str(stable) == str(video)
