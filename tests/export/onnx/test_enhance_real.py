"""realesr-animevideov3 with its real weights through the enhance stage, beside what its authors' network makes."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="models are exported with torch, from the export extra")

from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.model import Model  # noqa: E402
from engine.settings import EnhanceSettings  # noqa: E402
from engine.stages.enhance import Enhance  # noqa: E402
from engine.stages.run import run_stage  # noqa: E402
from engine.types import PixelFormat  # noqa: E402
from export.checkpoints.weights import Terms  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from export.onnx.recipes import recipe  # noqa: E402
from export.onnx.write import write_published  # noqa: E402
from tests.golden.cases import WEIGHTS  # noqa: E402
from tests.support.chain import Source, film_spec  # noqa: E402

TERMS = Terms(licence="BSD-3-Clause", commercial_use="yes", source="https://home.example/weights.pth")
CASES = np.load(WEIGHTS / "realesr-animevideov3-x2.cases.npz")
PHOTO = CASES["photo/in/x"][0]
TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    network = NETWORKS["realesr-animevideov3"].load(np.load(WEIGHTS / "realesr-animevideov3-x2.npz").items())
    for name in ("realesr-animevideov3", "realesr-animevideov3-x2"):
        write_published(recipe(name), network, folder / f"{name}.onnx", terms=TERMS)
    return folder


def enhanced(path, **settings):
    spec = film_spec(PHOTO.shape[2], PHOTO.shape[1], format=PixelFormat.RGB)
    stage = Enhance(Model.load(path), OnnxRuntimeBackend(), EnhanceSettings(strength=1.0, **settings))
    stage.open(spec)
    (frame,) = run_stage(stage, [Source(spec).frame(PHOTO, 0)])
    made = frame.pixels.copy()
    frame.release()
    assert stage.failures.total == 0
    stage.close()
    return made


@pytest.mark.parametrize("tile", [0, 16])
def test_four_times_as_large(folder, tile):
    made = enhanced(folder / "realesr-animevideov3.onnx", tile=tile)
    wanted = CASES["photo/out/y_x4_strided"][0].clip(0, 1)
    np.testing.assert_allclose(made[:, ::3, ::3], wanted, atol=TOLERANCE)
    wanted = CASES["photo/out/y_x4_crop"][0].clip(0, 1)
    np.testing.assert_allclose(made[:, 64:112, 96:160], wanted, atol=TOLERANCE)


@pytest.mark.parametrize("tile", [0, 16])
def test_twice_as_large(folder, tile):
    made = enhanced(folder / "realesr-animevideov3-x2.onnx", tile=tile, upscale=2)
    np.testing.assert_allclose(made, CASES["photo/out/y_x2"][0].clip(0, 1), atol=TOLERANCE)
    levels = np.rint(made * 255).transpose(1, 2, 0)
    assert np.abs(levels - CASES["photo/out/image_x2"]).max() <= 1
