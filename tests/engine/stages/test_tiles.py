from pathlib import Path

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError
from engine.model import Model
from engine.settings import EnhanceSettings
from engine.stages import tile_plan
from engine.stages.enhance import Enhance
from engine.stages.reach import Reach
from engine.stages.run import run_stage
from engine.stages.tile_plan import model_reach
from engine.types import PixelFormat
from tests.support.chain import Source, film_spec
from tests.support.tiny_models import counting_enhancer, shift_enhancer
from tests.support.upscalers import own_metadata, stack_upscaler


def enhanced(model: Model, picture: np.ndarray, *, tile: int | None, upscale: int | None = None) -> np.ndarray:
    """Return what the stage makes of one picture."""
    format = PixelFormat.RGB if len(picture) == 3 else PixelFormat.GRAY
    spec = film_spec(picture.shape[2], picture.shape[1], format=format)
    stage = Enhance(model, OnnxRuntimeBackend(), EnhanceSettings(strength=1.0, upscale=upscale, tile=tile))
    stage.open(spec)
    (frame,) = run_stage(stage, [Source(spec).frame(picture, 0)])
    made = frame.pixels.copy()
    frame.release()
    assert stage.failures.total == 0
    stage.close()
    return made


def noise(height: int, width: int, *, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).random((channels, height, width), np.float32)


@pytest.mark.parametrize(("height", "width"), [(90, 130), (61, 33), (200, 17)])
@pytest.mark.parametrize("tile", [16, 40])
@pytest.mark.parametrize(("scale", "multiple", "upscale"), [(2, 1, 2), (4, 1, 3), (2, 2, 2), (1, 4, 1)])
def test_tiles_hold_the_numbers_of_the_whole_picture(
    tmp_path: Path, scale: int, multiple: int, upscale: int, tile: int, height: int, width: int
) -> None:
    metadata = own_metadata(scale=scale, size_multiple=multiple)
    path = stack_upscaler(tmp_path / "m.onnx", scale=scale, multiple=multiple, metadata=metadata)
    model, picture = Model.load(path), noise(height, width)
    whole = enhanced(model, picture, tile=0, upscale=upscale)
    cut = enhanced(model, picture, tile=tile, upscale=upscale)
    assert np.abs(cut - whole).max() < 1e-5


def test_tiles_of_luma_and_half_size_chroma_hold_the_numbers_of_the_whole_picture(tmp_path: Path) -> None:
    model, picture = shift_enhancer(tmp_path, luma=0.1, chroma=0.02), noise(70, 90)
    whole, cut = enhanced(model, picture, tile=0), enhanced(model, picture, tile=32)
    assert np.abs(cut - whole).max() < 1e-5


def test_a_narrower_halo_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stack_upscaler(tmp_path / "m.onnx", metadata=own_metadata(scale=2))
    model, picture = Model.load(path), noise(60, 80)
    whole = enhanced(model, picture, tile=0)
    reach = model_reach(model)
    assert reach is not None
    narrow = Reach(halo=reach.halo - 1, grid=1, bytes_per_pixel=reach.bytes_per_pixel)
    monkeypatch.setattr("engine.stages.enhance.model_reach", lambda _: narrow)
    assert np.abs(enhanced(model, picture, tile=16) - whole).max() > 1e-5


def test_what_cannot_be_followed_is_faded_without_a_seam(tmp_path: Path) -> None:
    path = stack_upscaler(tmp_path / "m.onnx", metadata=own_metadata(scale=2), over_everything=True)
    model = Model.load(path)
    assert model_reach(model) is None
    across = np.linspace(0.2, 0.8, 400, dtype=np.float32)  # tiles differ in their means: left dark, right light
    picture = np.broadcast_to(across, (3, 48, 400)).copy()
    whole, cut = enhanced(model, picture, tile=0), enhanced(model, picture, tile=64)
    error = cut - whole
    assert 1e-4 < np.abs(error).max() < 0.01
    steps = np.abs(np.diff(error, axis=2))
    assert steps.max() < 5e-5, "a seam: the error jumps from one column to the next"


def test_a_file_that_fixes_its_size_is_run_in_tiles(tmp_path: Path) -> None:
    free = Model.load(stack_upscaler(tmp_path / "free.onnx", metadata=own_metadata(scale=2)))
    fixed = Model.load(stack_upscaler(tmp_path / "fixed.onnx", size=(40, 48), metadata=own_metadata(scale=2)))
    picture = noise(90, 130)
    assert np.abs(enhanced(fixed, picture, tile=None) - enhanced(free, picture, tile=0)).max() < 1e-5
    assert enhanced(fixed, noise(20, 30), tile=None).shape == (3, 40, 60)
    with pytest.raises(ConfigError, match="takes 48×40 only"):
        enhanced(fixed, picture, tile=0)


def test_states_and_tiles_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="carries states"):
        enhanced(counting_enhancer(tmp_path), noise(60, 80, channels=1), tile=32)


def test_short_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tile_plan, "available_memory", lambda: 1_000_000)
    model = Model.load(stack_upscaler(tmp_path / "m.onnx", metadata=own_metadata(scale=2)))
    with caplog.at_level("INFO", "engine"):
        enhanced(model, noise(100, 200), tile=None)
    (line,) = (record.getMessage() for record in caplog.records)
    assert "tiny: 6 tiles of 72×54 with 4 pixels around, exact; the whole picture would take about 5 MB" in line
