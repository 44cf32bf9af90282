"""Written models take their places in the real stages."""

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")

from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.model import Model  # noqa: E402
from engine.settings import ColorizeSettings, EnhanceSettings, InterpolateSettings  # noqa: E402
from engine.stages.colorize import Colorize  # noqa: E402
from engine.stages.enhance import Enhance  # noqa: E402
from engine.stages.interpolate import Interpolate  # noqa: E402
from engine.stages.run import run_stage  # noqa: E402
from engine.types import PixelFormat  # noqa: E402
from export.checkpoints.weights import Terms  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from export.onnx.recipes import recipe  # noqa: E402
from export.onnx.write import write_published  # noqa: E402
from tests.export.onnx.miniatures import save_miniature  # noqa: E402
from tests.golden.cases import WEIGHTS  # noqa: E402
from tests.support.chain import Source, film_spec  # noqa: E402

TERMS = Terms(licence="MIT", commercial_use="yes", source="https://home.example/weights.pth")


def pictures(spec, count):
    """Return a soft pattern that moves two pixels to the right with each frame."""
    y, x = np.mgrid[: spec.height, : spec.width].astype(np.float32)
    shape = spec.pixels_shape
    return [
        np.broadcast_to(0.5 + 0.3 * np.sin((x - 2 * index) / 5) * np.cos(y / 7), shape).copy() for index in range(count)
    ]


def run(stage, spec, count=3):
    stage.open(spec)
    source = Source(spec)
    found = []
    for frame in run_stage(stage, source.frames(pictures(spec, count))):
        found.append((frame.time, frame.pixels.copy(), None if frame.chroma is None else frame.chroma.copy()))
        frame.release()
    assert stage.failures.total == 0
    stage.close()
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_real_animevideo_model_enlarges_film(tmp_path, precision):
    network = NETWORKS["realesr-animevideov3"].load(np.load(WEIGHTS / "realesr-animevideov3-x2.npz").items())
    path = tmp_path / "model.onnx"
    write_published(recipe("realesr-animevideov3-x2"), network, path, terms=TERMS, precision=precision)
    model = Model.load(path)
    spec = film_spec(40, 30, format=PixelFormat.RGB)
    frames = run(Enhance(model, OnnxRuntimeBackend(), EnhanceSettings(strength=1.0, upscale=2)), spec)
    assert [pixels.shape for _, pixels, _ in frames] == [(3, 60, 80)] * 3
    for (_, found, _), given in zip(frames, pictures(spec, 3), strict=True):
        small = found.reshape(3, 30, 2, 40, 2).mean((2, 4))
        assert np.corrcoef(small.ravel(), given.ravel())[0, 1] > 0.97  # it sharpens: alike, not equal


@pytest.mark.parametrize("name", ["rife-v4.25", "rife-v3"])
def test_rife_doubles_the_rate(tmp_path, name):
    stage = Interpolate(
        save_miniature(name, tmp_path),
        OnnxRuntimeBackend(),
        InterpolateSettings(rate=Fraction(48)),
        true_rate=None,
    )
    frames = run(stage, film_spec(50, 40, format=PixelFormat.RGB))
    assert [time for time, _, _ in frames] == [Fraction(index, 48) for index in range(len(frames))]
    assert len(frames) >= 5


def test_deoldify_colours_film(tmp_path):
    stage = Colorize(save_miniature("deoldify-artistic", tmp_path), OnnxRuntimeBackend(), ColorizeSettings())
    frames = run(stage, film_spec(64, 48))
    assert all(np.ptp(chroma) > 0.001 for _, _, chroma in frames)
