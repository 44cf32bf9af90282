from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError, DeviceError, UnsupportedModelError
from engine.frame import Frame
from engine.model import Model
from engine.settings import EnhanceSettings
from engine.stages.enhance import Enhance
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.support.chain import Source, film_spec
from tests.support.tiny_models import (
    FailingBackend,
    chroma_doubler,
    counting_enhancer,
    mean_enhancer,
    rgb_enhancer,
    shift_enhancer,
)
from tests.support.upscalers import stack_upscaler


def opened(
    model: Model, spec: FrameSpec, *, strength: float = 1.0, upscale: int | None = 1, backend: Backend | None = None
) -> tuple[Enhance, Source]:
    stage = Enhance(model, backend or OnnxRuntimeBackend(), EnhanceSettings(strength=strength, upscale=upscale))
    stage.open(spec)
    return stage, Source(spec)


def run(stage: Enhance, source: Source, frames: list[Frame]) -> list[np.ndarray]:
    """Return copies of the pictures, and see that everything came back."""
    pictures: list[np.ndarray] = []
    for frame in run_stage(stage, frames):
        pictures.append(frame.pixels.copy())
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, source.pool.on_loan) == (0, 0)
    return pictures


def test_the_nearest_frame_stands_for_missing_ones_at_both_ends_of_a_shot(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, past=2, future=1), film_spec())
    frames = list(source.frames([0.1, 0.2, 0.4, 0.8, 0.8], cuts=(0, 3)))
    pictures = run(stage, source, frames)
    levels = [float(picture[0, 0, 0]) for picture in pictures]
    wanted = [(0.1 * 3 + 0.2) / 4, (0.1 * 2 + 0.2 + 0.4) / 4, (0.1 + 0.2 + 0.4 * 2) / 4, 0.8, 0.8]
    assert levels == pytest.approx(wanted, abs=1e-6)


def test_the_window_survives_more_frames_than_its_memory_holds(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, past=1, future=1), film_spec())
    levels = [number / 50 for number in range(40)]
    pictures = run(stage, source, list(source.frames(levels)))
    padded = [levels[0], *levels, levels[-1]]
    wanted = [sum(padded[number : number + 3]) / 3 for number in range(40)]
    assert [float(picture[0, 0, 0]) for picture in pictures] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_the_past_is_what_was_restored_where_the_model_wants_it_so(tmp_path: Path, format: PixelFormat) -> None:
    spec = film_spec(format=format)
    stage, source = opened(mean_enhancer(tmp_path, past=1, future=1, gain=0.9, sees="restored"), spec)
    levels = [0.2, 0.8, 0.4, 0.6, *[0.5] * 12, 0.9]
    made = run(stage, source, list(source.frames(levels, cuts=(0, len(levels) - 1))))
    wanted, past = [], levels[0]
    for number, level in enumerate(levels[:-1]):
        after = levels[min(number + 1, len(levels) - 2)]
        past = 0.9 * (past + level + after) / 3
        wanted.append(past)
    wanted.append(0.9 * levels[-1])  # nothing of the shot before
    assert [float(picture[0, 0, 0]) for picture in made] == pytest.approx(wanted, abs=1e-5)


def test_the_past_is_never_brighter_than_white(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, past=1, gain=1.5, sees="restored"), film_spec())
    made = run(stage, source, list(source.frames([0.9, 0.1, 0.1])))
    assert [float(picture[0, 0, 0]) for picture in made] == pytest.approx([1.0, 0.825, 0.69375], abs=1e-6)


def test_a_model_that_enlarges_cannot_see_its_own_past(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="past"):
        opened(mean_enhancer(tmp_path, past=1, scale=2, sees="restored"), film_spec(), upscale=2)


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_a_camera_move_is_not_smeared_where_the_model_wants_its_window_aligned(
    tmp_path: Path, format: PixelFormat
) -> None:
    spec = film_spec(161, 120, format=format)
    noise = np.random.default_rng(3).random((40, 60), np.float32)
    scene = cv2.resize(noise, (480, 320), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    pan = [np.repeat(scene[None, 60:180, 4 * k : 4 * k + 161], spec.pixels_shape[0], 0) for k in range(9)]
    errors = {}
    for aligned in ("no", "window"):
        stage, source = opened(mean_enhancer(tmp_path, past=2, future=2, multiple=16, aligned=aligned), spec)
        made = run(stage, source, [source.frame(picture.copy(), index) for index, picture in enumerate(pan)])
        inner = np.s_[:, 20:-20, 20:-20]
        errors[aligned] = [float(np.abs(a[inner] - b[inner]).mean()) for a, b in zip(made, pan, strict=True)]
    assert max(errors["window"]) < 0.02
    assert min(errors["no"]) > 0.06


@pytest.mark.parametrize(("width", "height"), [(64, 48), (433, 321), (7, 5), (1, 1)])
def test_odd_sizes_are_padded_and_cropped(tmp_path: Path, width: int, height: int) -> None:
    stage, source = opened(mean_enhancer(tmp_path, multiple=16), film_spec(width, height))
    picture = np.random.default_rng(1).random((1, height, width), np.float32)
    (made,) = run(stage, source, [source.frame(picture, 0)])
    np.testing.assert_allclose(made, picture, atol=1e-6)


def test_upscaling_doubles_the_size(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, multiple=16, scale=2), film_spec(33, 21), upscale=2)
    picture = np.random.default_rng(1).random((1, 21, 33), np.float32)
    (made,) = run(stage, source, [source.frame(picture, 0)])
    np.testing.assert_allclose(made, picture.repeat(2, 1).repeat(2, 2), atol=1e-6)


@pytest.mark.parametrize("upscale", [1, 2, 3])
@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_what_a_model_enlarges_too_far_is_reduced_by_area(tmp_path: Path, format: PixelFormat, upscale: int) -> None:
    spec = film_spec(33, 21, format=format)
    stage, source = opened(mean_enhancer(tmp_path, multiple=4, scale=4), spec, upscale=upscale)
    picture = np.random.default_rng(1).random(spec.pixels_shape, np.float32)
    (made,) = run(stage, source, [source.frame(picture, 0)])
    luma = picture if len(picture) == 1 else np.tensordot([[0.2126, 0.7152, 0.0722]], picture, 1)
    large = luma.repeat(4, 1).repeat(4, 2).astype(np.float32)
    wanted = cv2.resize(large[0], (33 * upscale, 21 * upscale), interpolation=cv2.INTER_AREA)
    found = made if len(made) == 1 else np.tensordot([[0.2126, 0.7152, 0.0722]], made, 1)
    assert made.shape == (len(picture), 21 * upscale, 33 * upscale)
    inner = made.min(0) > 0  # where colours were cut off at black or white luma is another
    inner &= made.max(0) < 1
    np.testing.assert_allclose(found[0][inner], wanted[inner], atol=1e-5)
    if upscale == 1:
        np.testing.assert_allclose(made, picture, atol=1e-5)


def test_a_model_of_luma_and_half_size_chroma_is_reduced_too(tmp_path: Path) -> None:
    spec = film_spec(33, 21, format=PixelFormat.RGB)
    model = chroma_doubler(tmp_path)
    stage, source = opened(model, spec, upscale=1)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    red, _, blue = made[:, 10, 10] - 0.5
    assert blue == pytest.approx(0.05 * 2 * (1 - 0.0722), abs=1e-5)
    assert red == pytest.approx(0.05 * 2 * (1 - 0.2126), abs=1e-5)


def test_unasked_the_model_decides_how_far_to_enlarge(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, scale=4), film_spec(8, 6), upscale=None)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert made.shape == (1, 24, 32)


@pytest.mark.parametrize("upscale", [2, 3, 4])
def test_strength_blends_with_the_plainly_enlarged_picture(tmp_path: Path, upscale: int) -> None:
    model = mean_enhancer(tmp_path, gain=0.5, scale=4)
    stage, source = opened(model, film_spec(), strength=0.25, upscale=upscale)
    picture = np.broadcast_to(np.linspace(0.2, 0.8, 64, dtype=np.float32), (1, 48, 64)).copy()
    (made,) = run(stage, source, [source.frame(picture, 0)])
    plain = cv2.resize(picture[0], (64 * upscale, 48 * upscale), interpolation=cv2.INTER_CUBIC)
    repeated = picture[0].repeat(4, 0).repeat(4, 1)
    repeated = cv2.resize(repeated, (64 * upscale, 48 * upscale), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(made[0], plain * 0.75 + repeated * 0.5 * 0.25, atol=1e-5)


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("scale", "multiple"), [(2, 1), (4, 1), (2, 4)])
def test_an_outsiders_upscaler_serves(
    tmp_path: Path, format: PixelFormat, channels: int, scale: int, multiple: int
) -> None:
    path = stack_upscaler(tmp_path / "m.onnx", channels=channels, scale=scale, multiple=multiple)
    spec = film_spec(37, 29, format=format)
    stage, source = opened(Model.load(path, role="enhance"), spec, upscale=None)
    picture = np.random.default_rng(1).random(spec.pixels_shape, np.float32) * 0.2 + 0.4
    (made,) = run(stage, source, [source.frame(picture, 0)])
    assert made.shape == (len(picture), 29 * scale, 37 * scale)
    assert stage.failures.total == 0
    small = made.reshape(len(picture), 29, scale, 37, scale).mean((2, 4))
    assert np.corrcoef(small.ravel(), picture.ravel())[0, 1] > 0.5
    padded = np.pad(picture, ((0, 0), (0, -29 % multiple), (0, -37 % multiple)), "reflect")
    if len(picture) == channels:
        session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        (wanted,) = session.run(None, {"in_0": padded[None]})
        cropped = wanted[0, :, : 29 * scale, : 37 * scale].clip(0, 1)
        np.testing.assert_allclose(made, cropped, atol=1e-5)


def test_a_model_of_another_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 2; model tiny enlarges by 1"):
        Enhance(mean_enhancer(tmp_path), OnnxRuntimeBackend(), EnhanceSettings(upscale=2))


def test_strength_blends_where_the_model_has_none(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, gain=0.5), film_spec(), strength=0.25)
    (made,) = run(stage, source, [source.frame(0.8, 0)])
    np.testing.assert_allclose(made, 0.8 * 0.75 + 0.4 * 0.25, atol=1e-6)


def test_strength_is_given_to_a_model_that_takes_it(tmp_path: Path) -> None:
    stage, source = opened(shift_enhancer(tmp_path, luma=0.2, chroma=0.0), film_spec(), strength=0.5)
    (made,) = run(stage, source, [source.frame(0.3, 0)])
    np.testing.assert_allclose(made, 0.4, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (35, 27)])
def test_colour_detail_survives_a_model_of_luma_and_half_size_chroma(tmp_path: Path, width: int, height: int) -> None:
    spec = film_spec(width, height, format=PixelFormat.RGB)
    stage, source = opened(shift_enhancer(tmp_path, luma=0.1, chroma=0.0), spec)
    picture = np.random.default_rng(1).random((3, height, width), np.float32) * 0.8
    (made,) = run(stage, source, [source.frame(picture, 0)])
    np.testing.assert_allclose(made, picture + 0.1, atol=2e-5)


def test_a_change_of_chroma_reaches_red_green_and_blue(tmp_path: Path) -> None:
    spec = film_spec(format=PixelFormat.RGB)
    stage, source = opened(shift_enhancer(tmp_path, luma=0.0, chroma=0.05), spec)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    red, green, blue = made[:, 10, 10] - 0.5
    assert red == pytest.approx(0.05 * 2 * (1 - 0.2126), abs=1e-5)
    assert blue == pytest.approx(0.05 * 2 * (1 - 0.0722), abs=1e-5)
    assert 0.2126 * red + 0.7152 * green + 0.0722 * blue == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("value_range", ["0,1", "-1,1", "0,255"])
def test_an_rgb_model_sees_its_own_range(tmp_path: Path, value_range: str) -> None:
    spec = film_spec(format=PixelFormat.RGB)
    stage, source = opened(rgb_enhancer(tmp_path, value_range=value_range), spec)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    np.testing.assert_allclose(made[:, 3, 3], [0.4, 0.5, 0.5], atol=1e-5)


def test_an_rgb_model_serves_a_grey_film(tmp_path: Path) -> None:
    stage, source = opened(rgb_enhancer(tmp_path), film_spec())
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert made.shape == (1, 48, 64)
    np.testing.assert_allclose(made, 0.5 - 0.2126 * 0.1, atol=1e-5)


def test_states_begin_at_zero_in_every_shot(tmp_path: Path) -> None:
    stage, source = opened(counting_enhancer(tmp_path), film_spec())
    stage.measure(1)
    pictures = run(stage, source, list(source.frames([0.5] * 5, cuts=(0, 3))))
    assert [round(float(p[0, 0, 0]), 4) for p in pictures] == [0.5, 0.51, 0.52, 0.5, 0.51]


def test_a_picture_shown_again_is_not_restored_again(tmp_path: Path) -> None:
    stage, source = opened(counting_enhancer(tmp_path), film_spec())
    frames = [
        source.frame(0.5, 0, flags=FrameFlags.SCENE_CUT),
        source.frame(0.5, 1, flags=FrameFlags.REPEATED),
        source.frame(0.5, 2),
    ]
    pictures = run(stage, source, frames)
    assert [round(float(p[0, 0, 0]), 4) for p in pictures] == [0.5, 0.5, 0.51]


@pytest.mark.parametrize("upscale", [1, 2])
def test_a_failed_frame_passes_in_the_promised_size(tmp_path: Path, upscale: int) -> None:
    model = mean_enhancer(tmp_path, gain=0.5, scale=upscale)
    stage, source = opened(model, film_spec(), upscale=upscale, backend=FailingBackend([1]))
    pictures = run(stage, source, list(source.frames([0.5] * 3)))
    assert [round(float(p[0, 5, 5]), 4) for p in pictures] == [0.25, 0.5, 0.25]
    assert {p.shape for p in pictures} == {(1, 48 * upscale, 64 * upscale)}
    assert dict(stage.failures.by_cause) == {"EngineError: the library broke": 1}


def test_a_failing_device_ends_the_run_and_leaks_nothing(tmp_path: Path) -> None:
    backend = FailingBackend([1], DeviceError("the device broke"))
    stage, source = opened(mean_enhancer(tmp_path), film_spec(), backend=backend)
    made = run_stage(stage, source.frames([0.5] * 3))
    next(made).release()
    with pytest.raises(DeviceError):
        next(made)
    stage.close()
    assert (stage.pool.on_loan, source.pool.on_loan) == (0, 0)


def test_closing_early_gives_every_buffer_back(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path, past=1, future=3), film_spec())
    for frame in source.frames([0.1] * 3):
        assert not list(stage.push(frame))
    stage.close()
    assert (stage.pool.on_loan, source.pool.on_loan) == (0, 0)


def test_time_and_flags_stay_as_they_were(tmp_path: Path) -> None:
    stage, source = opened(mean_enhancer(tmp_path), film_spec())
    frame = source.frame(0.5, 7, shot=2, flags=FrameFlags.CORRUPT, hold_until=Fraction(1), repeats=(8,))
    (made,) = run_stage(stage, [frame])
    assert (made.index, made.time, made.shot, made.flags) == (7, Fraction(7, 24), 2, FrameFlags.CORRUPT)
    assert (made.hold_until, made.repeats) == (1, (8,))
    made.release()
    stage.close()
