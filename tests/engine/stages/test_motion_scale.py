"""The size at which motion is looked for, and moments of models that know the middle alone."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError, UnsupportedModelError
from engine.frame import Frame
from engine.settings import ColorizeSettings, InterpolateSettings
from engine.stages.bisection import DEPTH, MotionComposer
from engine.stages.colorize import Colorize
from engine.stages.interpolate import Interpolate
from engine.stages.motion_check import Verdict
from engine.stages.motion_field import MotionField, divisor_for
from engine.stages.run import run_stage
from engine.types import FrameFlags, PixelFormat, Planes
from tests.support.chain import Source, film_spec, run_chain
from tests.support.published_like import measuring_interpolator, middle_interpolator
from tests.support.tiny_models import FailingBackend, counting_colorizer, fade_interpolator, pan_interpolator

ONNX = OnnxRuntimeBackend()


def ramp(shift: float, width: int, height: int) -> Planes:
    """Return R'G'B' in [0, 1] moved to the right: red rises from left to right, green and blue have a pattern."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pattern = 0.5 + 0.25 * np.sin((x - shift) / 5) + 0.15 * np.cos(y / 9)
    return np.stack([0.2 + 0.0015 * (x - shift), pattern, pattern])


def release(frames: list[Frame], stage: Interpolate, source: Source) -> None:
    for frame in frames:
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


@pytest.mark.parametrize(("scale", "cell"), [(1.0, 1), (0.5, 2), (0.25, 4)])
@pytest.mark.parametrize(("width", "height"), [(256, 128), (241, 119)])
def test_motion_is_in_full_size_pixels_at_every_scale(
    tmp_path: Path, scale: float, cell: int, width: int, height: int
) -> None:
    spec = film_spec(width, height, format=PixelFormat.RGB)
    field = MotionField(measuring_interpolator(tmp_path), ONNX, spec, scale=scale)
    assert field.cell == cell
    for shift in (0, 8):
        field.see(ramp(shift, width, height))
    found = np.zeros(field.shape, np.float32)
    assert field.find(0.25, found) is Verdict.FOLLOW
    is_padded = (width, height) != (256, 128)  # the ramp is then reflected at its end, and looks less steep
    np.testing.assert_allclose(found[[0, 2]].mean((1, 2)), [-2, 6], rtol=0.5 if is_padded else 1e-3)
    assert np.abs(found[[1, 3]]).max() == 0
    np.testing.assert_allclose(found[4], 0.75, atol=1e-6)
    field.close()


@pytest.mark.parametrize("scale", [0.5, 0.25])
def test_at_a_smaller_scale_full_size_pictures_are_warped(tmp_path: Path, scale: float) -> None:
    spec = film_spec(256, 128, format=PixelFormat.RGB)
    settings = InterpolateSettings(rate=Fraction(48), scale=scale)
    stage, source = Interpolate(measuring_interpolator(tmp_path), ONNX, settings), Source(spec)
    stage.open(spec)
    made = list(run_stage(stage, source.frames([ramp(0, 256, 128), ramp(8, 256, 128)])))
    np.testing.assert_allclose(made[1].pixels[:, :, 16:-16], ramp(4, 256, 128)[:, :, 16:-16], atol=5e-3)
    release(made, stage, source)


def test_at_full_scale_the_models_own_picture_is_shown_and_its_motion_handed_on(tmp_path: Path) -> None:
    spec = film_spec(241, 119)
    stage = Interpolate(measuring_interpolator(tmp_path), ONNX, InterpolateSettings(rate=Fraction(48), scale=1))
    source = Source(spec)
    stage.open(spec)
    made = list(run_stage(stage, source.frames([ramp(0, 241, 119)[:1], ramp(2, 241, 119)[:1]])))
    np.testing.assert_allclose(made[1].pixels, 1.0)
    motion = made[1].motion
    assert motion is not None
    assert motion.flow.shape == (4, 128, 256)
    assert float(motion.flow[0].mean()) < 0 < float(motion.flow[2].mean())
    release(made, stage, source)


@pytest.mark.parametrize(
    ("width", "height", "dense", "sparse"),
    [(640, 480, 1, 1), (1440, 1080, 1, 1), (1920, 1080, 2, 1), (4096, 2160, 2, 1), (7680, 4320, 4, 2)],
)
def test_the_scale_follows_the_size_of_the_picture(
    tmp_path: Path, width: int, height: int, dense: int, sparse: int
) -> None:
    spec = film_spec(width, height)
    assert divisor_for(measuring_interpolator(tmp_path), ONNX, spec, None) == dense
    assert divisor_for(pan_interpolator(tmp_path, motion=(0, 0)), ONNX, spec, None) == sparse
    assert divisor_for(fade_interpolator(tmp_path), ONNX, spec, None) == 1


def test_motion_beyond_the_models_reach_is_found_at_half_the_size(tmp_path: Path) -> None:
    spec = film_spec(256, 192, format=PixelFormat.RGB)
    model = measuring_interpolator(tmp_path, reach=12)
    pictures = {shift: ramp(shift, 256, 192) for shift in (0, 20)}
    found = {}
    for scale in (1.0, None):
        field = MotionField(model, ONNX, spec, scale=scale)
        field.see(pictures[0])
        field.see(pictures[20])
        out = np.zeros(field.shape, np.float32)
        field.find(0.5, out)
        found[scale] = out[2].mean()
        for timestep in (0.25, 0.75):  # which size serves is decided once for a pair
            field.find(timestep, out)
            assert out[2].mean() == pytest.approx(2 * (1 - timestep) * found[scale], rel=0.02)
        field.close()
    assert found[1.0] == pytest.approx(6)
    assert found[None] == pytest.approx(10, abs=0.3)


def test_a_second_look_costs_nothing_where_the_first_explains_the_picture(tmp_path: Path) -> None:
    backend = FailingBackend([])
    field = MotionField(measuring_interpolator(tmp_path), backend, film_spec(256, 192, format=PixelFormat.RGB))
    for shift in (0, 4, 8):
        field.see(ramp(shift, 256, 192))
        field.find(0.5, np.zeros(field.shape, np.float32))
    assert backend.runs <= 4  # the first find had a black picture before it
    field.close()


def test_a_model_of_pictures_alone_takes_no_scale(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no motion that could be enlarged"):
        MotionField(fade_interpolator(tmp_path), ONNX, film_spec(), scale=0.5)


@pytest.mark.parametrize("scale", [0.0, 2.0, 0.3])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match=r"wanted 1, 0\.5 or 0\.25"):
        InterpolateSettings(scale=scale)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_model_of_the_middle_serves_every_eighth(tmp_path: Path, scale: float) -> None:
    backend = FailingBackend([])
    spec = film_spec(50, 38, format=PixelFormat.RGB)
    field = MotionField(middle_interpolator(tmp_path, pixels=10), backend, spec, scale=scale)
    for grey in (0.2, 0.6):
        field.see(np.full(spec.pixels_shape, grey, np.float32))
    found, made = np.zeros(field.shape, np.float32), np.zeros(spec.pixels_shape, np.float32)
    full = 4.0 / scale
    for number in range(1, 8):
        timestep = number / 8
        assert field.nearest(timestep + 0.06) == timestep
        assert field.find(timestep, found) is Verdict.FOLLOW
        np.testing.assert_allclose(found[0], -timestep * full, atol=5e-3)
        np.testing.assert_allclose(found[2], (1 - timestep) * full, atol=5e-3)
        np.testing.assert_allclose(found[4], 1 - timestep, atol=1e-3)
        if field.gives_frame:
            field.write_frame(made)
            np.testing.assert_allclose(made, 0.2 + 0.4 * timestep, atol=1e-5)
    assert backend.runs == 2**DEPTH - 1
    assert field.gives_frame is (scale == 1.0)
    field.close()


def test_the_nearest_moment_is_shown_and_film_frames_where_they_are_nearer(tmp_path: Path) -> None:
    spec = film_spec(48, 32)
    stage = Interpolate(middle_interpolator(tmp_path, pixels=0), ONNX, InterpolateSettings.parse("60"))
    source = Source(spec)
    stage.open(spec)
    made = list(run_stage(stage, source.frames([0.2, 0.6, 0.2])))
    shown = [round(float(frame.pixels[0, 5, 5]), 4) for frame in made]
    assert shown[:6] == [0.2, 0.35, 0.5, 0.5, 0.35, 0.2]  # 0.4 is served as 3/8, 0.8 as 6/8, 0.2 as 2/8, 0.6 as 5/8
    release(made, stage, source)


def test_a_film_frame_is_shown_where_it_is_nearer_than_an_eighth(tmp_path: Path) -> None:
    spec = film_spec(48, 32, rate=Fraction(20))
    stage = Interpolate(middle_interpolator(tmp_path, pixels=0), ONNX, InterpolateSettings.parse("21"))
    source = Source(spec)
    stage.open(spec)
    made = list(run_stage(stage, source.frames([index / 100 for index in range(22)])))
    assert [FrameFlags.SYNTHESIZED in frame.flags for frame in made][:4] == [False, False, True, True]
    assert [frame.index for frame in made][:3] == [0, 1, 1]
    release(made, stage, source)


def test_colour_is_carried_along_the_motion_of_a_bisected_moment(tmp_path: Path) -> None:
    spec = film_spec(96, 48)
    interpolate = Interpolate(middle_interpolator(tmp_path, pixels=80), ONNX, InterpolateSettings.parse("96"))
    colorize, source = Colorize(counting_colorizer(tmp_path), ONNX, ColorizeSettings()), Source(spec)
    colorize.open(interpolate.open(spec))
    made = list(run_chain([interpolate, colorize], source.frames([0.45, 0.55])))
    b = [float(frame.chroma[1].mean()) * 255 - 128 for frame in made if frame.chroma is not None]
    assert b[:5] == pytest.approx([5.5, 6.875, 8.25, 9.625, 11.0], abs=0.05)
    for frame in made:
        frame.release()
    for stage in (interpolate, colorize):
        stage.close()
    assert (interpolate.pool.on_loan, interpolate.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


def test_composing_motion_allocates_nothing_the_size_of_a_picture() -> None:
    shape = (5, 64, 96)
    composer = MotionComposer(shape, 1)
    step, left, right, out = np.random.default_rng(0).random((4, *shape), np.float32)
    tracemalloc.start()
    composer.compose(step, left, right, out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 96


def test_a_model_of_the_middle_must_make_pictures(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="gives no frame of its input's size"):
        MotionField(middle_interpolator(tmp_path, pixels=1, frame=False), ONNX, film_spec())
