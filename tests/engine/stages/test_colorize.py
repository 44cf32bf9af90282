from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.base import Backend
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError
from engine.frame import Frame
from engine.model import Model
from engine.settings import ColorizeSettings, InterpolateSettings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.interpolate import Interpolate
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.support.chain import Source, film_spec, run_chain
from tests.support.tiny_models import FailingBackend, counting_colorizer, pan_interpolator


def opened(
    model: Model,
    spec: FrameSpec,
    *,
    backend: Backend | None = None,
    references: tuple[Path, ...] = (),
    saturation: float = 1.0,
) -> tuple[Colorize, Source]:
    settings = ColorizeSettings(references=references, saturation=saturation)
    stage = Colorize(model, backend or OnnxRuntimeBackend(), settings)
    out = stage.open(spec)
    assert out.format is PixelFormat.LAB
    return stage, Source(spec)


def colours(frames: list[Frame]) -> list[tuple[float, float]]:
    """Return each frame's mean a* and b*; releases the frames."""
    found = []
    for frame in frames:
        assert frame.chroma is not None
        a, b = frame.chroma.mean((1, 2)) * 255 - 128
        found.append((round(float(a), 2), round(float(b), 2)))
        frame.release()
    return found


def closed(stage: Colorize, source: Source, *others: Stage) -> None:
    for one in (stage, *others):
        one.close()
    assert (stage.pool.on_loan, stage.luma_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (433, 321), (5, 3)])
def test_chroma_lies_at_half_size_beside_the_films_own_luma(tmp_path: Path, width: int, height: int) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec(width, height))
    picture = np.random.default_rng(1).random((1, height, width), np.float32)
    (made,) = run_stage(stage, [source.frame(picture, 0)])
    assert made.chroma is not None
    np.testing.assert_array_equal(made.pixels, picture)
    assert made.chroma.shape == (2, (height + 1) // 2, (width + 1) // 2)
    assert colours([made]) == [(55.0, 5.5)]
    closed(stage, source)


def test_states_begin_anew_in_every_shot(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec())
    stage.measure(1)
    found = colours(list(run_stage(stage, source.frames([0.5] * 5, cuts=(0, 3)))))
    assert [b for _, b in found] == [5.5, 11.0, 16.5, 5.5, 11.0]
    closed(stage, source)


def test_saturation_scales_colour(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec(), saturation=0.5)
    assert colours(list(run_stage(stage, [source.frame(0.5, 0)]))) == [(27.5, 2.75)]
    closed(stage, source)


def test_a_picture_shown_again_shares_its_colour(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec())
    frames = [
        source.frame(0.5, 0, flags=FrameFlags.SCENE_CUT),
        source.frame(0.5, 0, pts=1, flags=FrameFlags.REPEATED),
        source.frame(0.5, 2, flags=FrameFlags.REPEATED),
        source.frame(0.5, 3),
    ]
    assert [b for _, b in colours(list(run_stage(stage, frames)))] == [5.5, 5.5, 5.5, 11.0]
    closed(stage, source)


@pytest.mark.parametrize("rate", ["48", "60", "25", "10"])
def test_the_network_colours_each_source_frame_once_whatever_the_rate(tmp_path: Path, rate: str) -> None:
    spec = film_spec()
    interpolate = Interpolate(
        pan_interpolator(tmp_path, motion=(0, 0)), OnnxRuntimeBackend(), InterpolateSettings.parse(rate)
    )
    backend = FailingBackend([])
    stage, _ = opened(counting_colorizer(tmp_path), interpolate.open(spec), backend=backend)
    source = Source(spec)
    found = colours(list(run_chain([interpolate, stage], source.frames([0.4, 0.45, 0.5, 0.55]))))
    closed(stage, source, interpolate)
    b = [colour[1] for colour in found]
    assert b == sorted(b)
    assert backend.runs <= 4
    if rate == "48":
        assert b == pytest.approx([5.5, 8.25, 11.0, 13.75, 16.5, 19.25, 22.0, 22.0], abs=0.02)


def test_colour_moves_with_the_picture(tmp_path: Path) -> None:
    spec = film_spec(96, 48)
    interpolate = Interpolate(
        pan_interpolator(tmp_path, motion=(8.0, 0.0)), OnnxRuntimeBackend(), InterpolateSettings.parse("48")
    )
    stage, _ = opened(counting_colorizer(tmp_path), interpolate.open(spec))
    source = Source(spec)
    first, second = source.frame(0.5, 0), source.frame(0.5, 1)
    made = list(interpolate.push(first)) + list(interpolate.push(second))
    assert made[1].motion is not None
    ramp = np.tile(np.linspace(0, 1, 48, dtype=np.float32), (24, 1))
    for index, shift in ((0, 0), (1, 4)):
        lease = stage.pool.lease()
        lease.array[:] = np.roll(ramp, shift, 1)
        stage._kept.append((index, lease))
    (coloured,) = stage.push(made[1])
    assert coloured.chroma is not None
    np.testing.assert_allclose(coloured.chroma[0, :, 4:-4], np.roll(ramp, 2, 1)[:, 4:-4], atol=1e-3)
    for frame in (coloured, made[0]):
        frame.release()
    closed(stage, source, interpolate)


def test_references_lead(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((20, 20, 3), (0, 0, 255), np.uint8))
    stage, source = opened(counting_colorizer(tmp_path), film_spec(), references=(path,))
    ((a, _),) = colours(list(run_stage(stage, [source.frame(0.5, 0)])))
    assert a == pytest.approx(min(127, 55 + 80.1), abs=0.3)
    closed(stage, source)


def test_references_for_a_model_that_knows_none_are_refused(tmp_path: Path) -> None:
    settings = ColorizeSettings(references=(tmp_path / "x.png",))
    with pytest.raises(ConfigError, match="follows no references"):
        Colorize(counting_colorizer(tmp_path, references=False), OnnxRuntimeBackend(), settings)


def test_an_automatic_model_is_enough(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path, references=False), film_spec())
    assert colours(list(run_stage(stage, [source.frame(0.5, 0)]))) == [(55.0, 5.5)]
    closed(stage, source)


def test_a_coloured_film_gives_its_luma(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec(format=PixelFormat.RGB))
    picture = np.array([1.0, 0.5, 0.0], np.float32).reshape(3, 1, 1)
    (made,) = run_stage(stage, [source.frame(picture, 0)])
    np.testing.assert_allclose(made.pixels, 0.2126 + 0.7152 * 0.5, atol=1e-6)
    made.release()
    closed(stage, source)


def test_a_failed_frame_stays_grey(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec(), backend=FailingBackend([1]))
    made = list(run_stage(stage, source.frames([0.5] * 3)))
    assert made[1].chroma is not None
    np.testing.assert_allclose(made[1].chroma, NEUTRAL_AB)
    assert [b for _, b in colours(made)] == [5.5, 0.0, 11.0]
    assert stage.failures.total == 1
    closed(stage, source)


def test_the_null_backend_gives_neutral_colour(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec(), backend=NullBackend())
    assert colours(list(run_stage(stage, [source.frame(0.5, 0)]))) == [(0.0, 0.0)]
    closed(stage, source)


def test_closing_early_gives_every_buffer_back(tmp_path: Path) -> None:
    stage, source = opened(counting_colorizer(tmp_path), film_spec())
    for frame in source.frames([0.5] * 3):
        for made in stage.push(frame):
            made.release()
    closed(stage, source)
