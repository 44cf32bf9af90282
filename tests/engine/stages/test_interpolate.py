from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Backend
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import BindingError, ConfigError
from engine.frame import Frame
from engine.model import Model, find_model
from engine.settings import InterpolateSettings
from engine.stages.interpolate import Interpolate
from engine.stages.motion_field import MotionField, Verdict
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.support.chain import Source, film_spec
from tests.support.tiny_models import FailingBackend, fade_interpolator, mean_enhancer, pan_interpolator

SYNTHESIZED, REPEATED, CUT = FrameFlags.SYNTHESIZED, FrameFlags.REPEATED, FrameFlags.SCENE_CUT


def opened(
    model: Model | None,
    spec: FrameSpec,
    wanted: str,
    *,
    backend: Backend | None = None,
    true_rate: Fraction | None = None,
) -> tuple[Interpolate, Source, FrameSpec]:
    settings = InterpolateSettings.parse(wanted)
    stage = Interpolate(model, backend or OnnxRuntimeBackend(), settings, true_rate=true_rate)
    return stage, Source(spec), stage.open(spec)


def rows(stage: Interpolate, source: Source, frames: Sequence[Frame]) -> list[tuple[Fraction, int, FrameFlags]]:
    """Return (time, index, flags) of what comes out, and see that everything came back."""
    found: list[tuple[Fraction, int, FrameFlags]] = []
    for frame in run_stage(stage, frames):
        found.append((frame.time, frame.index, frame.flags))
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)
    assert all(before[0] < after[0] for before, after in zip(found, found[1:], strict=False))
    return found


def scene(shift: int, width: int = 96, height: int = 48) -> np.ndarray:
    """Return a smooth picture that moves to the right by `shift` pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return (0.5 + 0.2 * np.sin((x - shift) / 6) + 0.15 * np.cos(y / 5))[None]


def test_without_a_rate_the_film_keeps_its_times_and_its_repeats() -> None:
    stage, source, spec = opened(None, film_spec(), "none")
    assert spec == source.spec
    frames = [source.frame(0.1, 0, flags=CUT, repeats=(1, 2)), source.frame(0.2, 3)]
    frames[0].duration = Fraction(3, 24)
    durations = [frame.duration for frame in run_stage(stage, [f.share() for f in frames]) if not frame.release()]
    assert durations == [Fraction(1, 24)] * 4
    assert rows(stage, source, frames) == [
        (Fraction(0), 0, CUT),
        (Fraction(1, 24), 0, REPEATED),
        (Fraction(2, 24), 0, REPEATED),
        (Fraction(3, 24), 3, FrameFlags.NONE),
    ]


def test_doubling_puts_one_picture_between_two(tmp_path: Path) -> None:
    stage, source, spec = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "2x")
    assert (spec.rate, spec.time_base) == (48, Fraction(1, 48))
    found = rows(stage, source, list(source.frames([0.4, 0.5, 0.6])))
    assert [flags for _, _, flags in found] == [
        CUT,
        SYNTHESIZED,
        FrameFlags.NONE,
        SYNTHESIZED,
        FrameFlags.NONE,
        REPEATED,
    ]
    assert [time for time, _, _ in found] == [Fraction(number, 48) for number in range(6)]


def test_no_picture_is_made_across_a_cut(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "60")
    found = rows(stage, source, list(source.frames([0.4] * 4, cuts=(0, 2))))
    assert found[5:] == [
        (Fraction(5, 60), 2, CUT),
        (Fraction(6, 60), 2, SYNTHESIZED),
        (Fraction(7, 60), 2, SYNTHESIZED),
        (Fraction(8, 60), 3, FrameFlags.NONE),
        (Fraction(9, 60), 3, REPEATED),
    ]


def test_a_resumed_run_lays_the_same_grid(tmp_path: Path) -> None:
    model = pan_interpolator(tmp_path, motion=(0, 0))
    spec = film_spec(start=Fraction(7, 1000), time_base=Fraction(1, 24000))
    stage, source, _ = opened(model, spec, "50")
    whole = rows(stage, source, list(source.frames([0.4] * 12, cuts=(0, 5))))
    stage, source, _ = opened(model, spec, "50")
    frames = list(source.frames([0.4] * 12, cuts=(0, 5)))
    for frame in frames[:5]:
        frame.release()
    resumed = rows(stage, source, frames[5:])
    assert resumed == whole[-len(resumed) :]
    assert all((time - spec.start) * 50 % 1 == 0 for time, _, _ in whole)


def test_motion_begins_where_a_still_picture_ends(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(rate=Fraction(10)), "20")
    frames = [source.frame(0.4, 0, flags=CUT, hold_until=Fraction(3, 10), repeats=(1, 2, 3)), source.frame(0.4, 4)]
    flags = [flags for _, _, flags in rows(stage, source, frames)]
    assert flags == [CUT, *[REPEATED] * 6, SYNTHESIZED, FrameFlags.NONE, REPEATED]


def test_nothing_is_made_before_a_picture_that_is_shown_again(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "48")
    frames = [source.frame(0.4, 0, flags=CUT), source.frame(0.4, 1, flags=REPEATED)]
    assert SYNTHESIZED not in {flags for _, _, flags in rows(stage, source, frames)}


def test_a_shot_shorter_than_the_grid_leaves_the_cut_to_the_next(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "6")
    found = rows(stage, source, list(source.frames([0.4] * 9, cuts=(0, 1, 2))))
    assert [(time, flags) for time, _, flags in found] == [
        (Fraction(0), CUT),
        (Fraction(1, 6), CUT),
        (Fraction(1, 3), FrameFlags.NONE),
    ]


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_a_pan_is_followed(tmp_path: Path, format: PixelFormat) -> None:
    spec = film_spec(96, 48, format=format)
    model = pan_interpolator(tmp_path, motion=(6.0, 0.0), multiple=32, rgb=format is PixelFormat.RGB)
    stage, source, _ = opened(model, spec, "48")
    made = list(run_stage(stage, source.frames([scene(0), scene(6)])))
    np.testing.assert_allclose(
        made[1].pixels[:, :, 8:-8], np.broadcast_to(scene(3), spec.pixels_shape)[:, :, 8:-8], atol=5e-3
    )
    motion = made[1].motion
    assert motion is not None
    assert motion.first is not None
    assert motion.second is not None
    assert (motion.timestep, motion.cell, motion.first.index, motion.second.index) == (0.5, 4, 0, 1)
    for frame in made:
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


def test_nonsense_motion_gives_way_to_a_cross_fade(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(30.0, 0.0)), film_spec(96, 48), "48")
    made = list(run_stage(stage, source.frames([scene(0), scene(1)])))
    np.testing.assert_allclose(made[1].pixels, (scene(0) + scene(1)) / 2, atol=1e-4)
    assert stage.verdicts[Verdict.CROSS_FADE] == 1
    for frame in made:
        frame.release()


def test_pictures_with_nothing_in_common_are_not_mixed(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(1.0, 0.0)), film_spec(96, 48), "72")
    random = np.random.default_rng(1)
    pictures = [np.kron(random.random((6, 12)) > 0.5, np.ones((8, 8)))[None].astype(np.float32) for _ in range(2)]
    found = rows(stage, source, list(source.frames(pictures)))
    assert [index for _, index, _ in found] == [0, 0, 1, 1, 1, 1]
    assert stage.verdicts[Verdict.HOLD] == 2


def test_a_model_that_gives_only_pictures_is_enough(tmp_path: Path) -> None:
    stage, source, _ = opened(fade_interpolator(tmp_path), film_spec(), "72")
    made = list(run_stage(stage, source.frames([0.2, 0.4])))
    assert [round(float(frame.pixels[0, 7, 7]), 4) for frame in made[:4]] == [0.2, 0.3, 0.3, 0.4]
    assert made[1].motion is not None
    assert float(made[1].motion.mask.mean()) == pytest.approx(2 / 3)
    for frame in made:
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path)
    stage = Interpolate(model, OnnxRuntimeBackend(), InterpolateSettings(rate=Fraction(48)))
    with pytest.raises(BindingError, match="its inputs are"):
        stage.open(film_spec())


def test_a_failed_picture_is_replaced_by_its_neighbour(tmp_path: Path) -> None:
    model = pan_interpolator(tmp_path, motion=(0, 0))
    stage, source, _ = opened(model, film_spec(), "48", backend=FailingBackend([0]))
    found = rows(stage, source, list(source.frames([0.4] * 3)))
    assert [flags for _, _, flags in found][:4] == [CUT, FrameFlags.NONE, REPEATED, SYNTHESIZED]
    assert stage.failures.total == 1


def test_a_factor_multiplies_the_true_rate_where_that_is_known(tmp_path: Path) -> None:
    model = pan_interpolator(tmp_path, motion=(0, 0))
    _, _, spec = opened(model, film_spec(rate=Fraction(29)), "2x", true_rate=Fraction(116, 5))
    assert spec.rate == Fraction(232, 5)


def test_a_factor_of_a_varying_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a rate"):
        opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(rate=None), "2x")


def test_a_varying_rate_becomes_constant(tmp_path: Path) -> None:
    spec = film_spec(rate=None)
    stage, source, out = opened(pan_interpolator(tmp_path, motion=(0, 0)), spec, "25")
    assert out.rate == 25
    frames = [source.frame(0.4, number, pts=pts) for number, pts in enumerate((0, 33, 120, 121, 300))]
    frames[0].flags = CUT
    times = [time for time, _, _ in rows(stage, source, frames)]
    assert times == [Fraction(number, 25) for number in range(len(times))]


def test_without_a_model_the_film_is_shown_as_a_projector_would() -> None:
    stage, source, _ = opened(None, film_spec(), "60")
    found = rows(stage, source, list(source.frames([0.4] * 4)))
    assert [index for _, index, _ in found] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]


def test_the_null_backend_serves(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "48", backend=NullBackend())
    assert len(rows(stage, source, list(source.frames([0.4] * 3)))) == 6


def test_closing_early_gives_every_buffer_back(tmp_path: Path) -> None:
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), film_spec(), "48")
    for frame in source.frames([0.4] * 3):
        for made in stage.push(frame):
            made.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


def test_a_model_that_is_given_motion_waits_for_the_frame_after() -> None:
    stage, source, _ = opened(find_model("film-interpolate", "interpolate"), film_spec(96, 48), "2x")
    assert stage.look_ahead == 2
    counts: list[int] = []
    frames = list(source.frames([scene(2 * number) for number in range(4)]))
    for frame in frames:
        made = list(stage.push(frame))
        counts.append(len(made))
        for shown in made:
            shown.release()
    made = list(stage.flush(None))
    assert (*counts, len(made)) == (0, 0, 2, 2, 4)
    assert [SYNTHESIZED in frame.flags for frame in made] == [False, True, False, False]
    for shown in made:
        shown.release()
    stage.close()
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, source.pool.on_loan) == (0, 0, 0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_shots_come_whole_from_a_model_that_is_given_motion(count: int) -> None:
    stage, source, _ = opened(find_model("film-interpolate", "interpolate"), film_spec(96, 48), "2x")
    pictures = [scene(2 * number) for number in range(2 * count)]
    found = rows(stage, source, list(source.frames(pictures, cuts=(0, count))))
    assert [time for time, *_ in found] == [Fraction(number, 48) for number in range(4 * count)]
    made = [number for number, (*_, flags) in enumerate(found) if SYNTHESIZED in flags]
    assert made == [*range(1, 2 * count - 1, 2), *range(2 * count + 1, 4 * count - 1, 2)]


def test_pictures_follow_what_speeds_up() -> None:
    stage, source, _ = opened(find_model("film-interpolate", "interpolate"), film_spec(160, 80), "2x")

    def place(time: float) -> float:
        return 2 * time + 1.5 * time**2

    def seen(time: float) -> np.ndarray:
        y, x = np.mgrid[:80, :160].astype(np.float32)
        x -= place(time)
        return (0.5 + 0.2 * np.sin(x / 7) + 0.1 * np.sin(x / 17 + 1) + 0.15 * np.cos(y / 5))[None].astype(np.float32)

    made = list(run_stage(stage, source.frames([seen(float(number)) for number in range(5)])))
    for number in (3, 5):  # between frames that have neighbours on both sides
        inner = np.s_[:, 8:-8, 24:-24]
        error = np.abs(made[number].pixels - seen(number / 2))[inner].mean()
        assert error < 0.001  # 0.007 where things are taken to move evenly
    for frame in made:
        frame.release()
    stage.close()


def test_only_frames_as_far_apart_say_how_motion_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[bool] = []
    see = MotionField.see

    def listen(field: MotionField, pixels: np.ndarray, *, is_even: bool) -> None:
        said.append(is_even)
        see(field, pixels, is_even=is_even)

    monkeypatch.setattr(MotionField, "see", listen)
    spec = replace(film_spec(), rate=None, time_base=Fraction(1, 240))
    stage, source, _ = opened(pan_interpolator(tmp_path, motion=(0, 0)), spec, "48")
    frames = [
        source.frame(0.1, 0, pts=0, flags=CUT),
        source.frame(0.2, 1, pts=10),
        source.frame(0.3, 2, pts=20),  # as far as before
        source.frame(0.4, 3, pts=32),  # a fifth farther
        source.frame(0.5, 4, pts=52),  # much farther
        source.frame(0.6, 5, pts=72, hold_until=Fraction(80, 240)),  # as far
        source.frame(0.7, 6, pts=92),  # held before
        source.frame(0.8, 7, pts=112),  # nothing is known of how far that was
        source.frame(0.8, 8, pts=132, flags=REPEATED),
        source.frame(0.9, 9, pts=152),
        source.frame(0.2, 10, pts=172, flags=CUT, shot=1),
        source.frame(0.3, 11, pts=192, shot=1),
        source.frame(0.4, 12, pts=212, shot=1),
    ]
    for frame in frames:
        frame.duration = Fraction(1, 24)
    rows(stage, source, frames)
    assert said == [False, False, True, True, False, True, False, False, False, False, False, False, True]
