from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from engine.frame import Frame
from engine.stages.inspect import Inspect, inspect_film
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.support.chain import Source, film_spec
from tests.support.frames import ListReader, gray_spec
from tests.support.scenes import scene

CUT, REPEATED = FrameFlags.SCENE_CUT, FrameFlags.REPEATED


def spec_at(rate: int, format: PixelFormat = PixelFormat.GRAY) -> FrameSpec:
    return film_spec(160, 120, rate=Fraction(rate), format=format)


def film(source: Source, pictures: Sequence[np.ndarray]) -> list[Frame]:
    """Return frames as a reader gives them: no shots, no flags."""
    return [source.frame(picture, index) for index, picture in enumerate(pictures)]


def inspected(stage: Inspect, spec: FrameSpec, pictures: Sequence[np.ndarray]) -> list[Frame]:
    """Return what comes out, its buffers given back, and see that no buffer stays out."""
    out = stage.open(spec)
    assert out.pixels_shape == spec.pixels_shape
    source = Source(spec)
    made = list(run_stage(stage, film(source, pictures)))
    assert all(before.time < after.time for before, after in zip(made, made[1:], strict=False))
    assert all(frame.time_base == out.time_base for frame in made)
    for frame in made:
        frame.release()
    stage.close()
    assert source.pool.on_loan == 0
    return made


def noisy(picture: np.ndarray, seed: int, amount: float = 0.004) -> np.ndarray:
    """Return a copy as a codec would leave it."""
    return np.clip(picture + np.random.default_rng(seed).uniform(-amount, amount, picture.shape), 0, 1)


def padded(pictures: int, frames: int, count: int, *, seed: int = 1, start: int = 0) -> list[np.ndarray]:
    """Return `count` frames of a grainy pan in which `frames` show `pictures`, repeats with codec noise."""
    made, last = [], -1
    for number in range(count):
        shown = start + number * pictures // frames
        grainy = scene(seed, 2.5 * shown, grain=0.02, grain_seed=shown)
        made.append(grainy if shown != last else noisy(grainy, number))
        last = shown
    return made


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_shots_are_numbered_and_their_first_frames_flagged(format: PixelFormat) -> None:
    pictures = [scene(shot, 2.0 * x, grain=0.02, grain_seed=x) for shot in (1, 2, 3) for x in range(7)]
    stage = Inspect()
    made = inspected(stage, spec_at(24, format), pictures)
    assert [frame.index for frame in made if CUT in frame.flags] == [0, 7, 14]
    assert [frame.shot for frame in made] == [0] * 7 + [1] * 7 + [2] * 7
    assert (stage.shots, stage.repeats_found) == (3, 0)


@pytest.mark.parametrize(("pictures", "frames", "rate"), [(4, 5, 30), (2, 5, 60), (2, 3, 24), (16, 25, 25), (5, 6, 30)])
def test_padding_is_taken_out_and_motion_becomes_even(pictures: int, frames: int, rate: int) -> None:
    stage = Inspect()
    made = inspected(stage, spec_at(rate), padded(pictures, frames, 150))
    new = [
        number
        for number in range(150)
        if number == 0 or number * pictures // frames != (number - 1) * pictures // frames
    ]
    assert [frame.index for frame in made] == new
    assert stage.cadence.true_rate == Fraction(rate * pictures, frames)
    assert stage.cadence.is_regular
    interval = Fraction(frames, pictures * rate)
    for before, after in zip(made[70:], made[71:], strict=False):
        assert abs(after.time - before.time - interval) <= made[0].time_base
    for frame in made:
        shown = Fraction(frame.index, rate)
        assert shown - Fraction(1, rate) <= frame.time <= shown
        repeats = [int(pts * frame.time_base * rate) for pts in frame.repeats]
        assert repeats == list(range(frame.index + 1, frame.index + 1 + len(repeats)))


def test_the_films_own_times_stay_where_asked() -> None:
    spec = spec_at(30)
    made = inspected(Inspect(retime=False), spec, padded(4, 5, 60))
    assert all((frame.time_base, frame.pts) == (spec.time_base, frame.index) for frame in made)
    assert made[0].duration in (Fraction(1, 30), Fraction(2, 30))


def test_a_still_grainy_scene_is_not_repeated() -> None:
    stage = Inspect()
    inspected(stage, spec_at(24), [scene(1, 0, grain=0.02, grain_seed=number) for number in range(40)])
    assert stage.repeats_found == 0
    assert str(stage.cadence) == "every frame unique, true rate 24 fps"


def test_flicker_makes_no_steady_frame_a_repeat() -> None:
    random = np.random.default_rng(1)
    pictures = [scene(1, 0, grain=0.01, grain_seed=n) * random.choice([0.8, 1.0, 1.0]) for n in range(60)]
    stage = Inspect()
    inspected(stage, spec_at(24), pictures)
    assert stage.repeats_found == 0


def test_small_motion_in_a_still_clean_picture_is_not_a_repeat() -> None:
    pictures = [scene(1, 0) for _ in range(20)]
    for number, picture in enumerate(pictures):
        picture[50:62, 70:82] = 0.2 + 0.6 * (number % 2)
    stage = Inspect()
    inspected(stage, spec_at(24), pictures)
    assert stage.repeats_found == 0


def test_a_slow_fade_moves_on() -> None:
    stage = Inspect()
    made = inspected(stage, spec_at(24), [scene(1, 0) * (1 - number / 2000) for number in range(48)])
    assert len(made) > 5


def test_a_title_holds_until_it_moves() -> None:
    still, moving = [scene(1, 0)] * 12, [scene(1, 3.0 * x, grain=0.01, grain_seed=x) for x in range(1, 10)]
    made = inspected(Inspect(), spec_at(24), [*still, *moving])
    assert made[0].hold_until == Fraction(11, 24)
    assert [frame.index for frame in made] == [0, *range(12, 21)]
    assert all(frame.hold_until is None for frame in made[1:])
    assert all(frame.time == Fraction(frame.index, 24) for frame in made)


def test_a_long_hold_goes_out_every_second() -> None:
    made = inspected(Inspect(), spec_at(10), [scene(1, 0)] * 35)
    assert [frame.index for frame in made] == [0, 10, 20, 30]
    assert [frame.flags for frame in made] == [CUT, REPEATED, REPEATED, REPEATED]
    assert [frame.hold_until for frame in made] == [
        Fraction(9, 10),
        Fraction(19, 10),
        Fraction(29, 10),
        Fraction(34, 10),
    ]
    assert made[-1].duration == Fraction(5, 10)


def test_a_cadence_survives_a_hold_and_a_cut() -> None:
    pictures = [*padded(4, 5, 80), *[padded(4, 5, 80)[-1]] * 9, *padded(4, 5, 80, start=70), *padded(4, 5, 80, seed=2)]
    stage = Inspect()
    made = inspected(stage, spec_at(30), pictures)
    assert stage.shots == 2
    assert stage.cadence.true_rate == 24
    assert sum(frame.hold_until is not None for frame in made) == 1


def test_finished_shots_are_inspected_and_passed_over() -> None:
    pictures = [scene(shot, 2.0 * x, grain=0.02, grain_seed=x) for shot in (1, 2, 3) for x in range(7)]
    stage = Inspect(first_shot=2)
    made = inspected(stage, spec_at(24), pictures)
    assert [(frame.index, frame.shot) for frame in made] == [(index, 2) for index in range(14, 21)]
    assert stage.shots == 3


def test_a_varying_rate_is_never_retimed() -> None:
    spec = film_spec(160, 120, rate=None)
    stage, source = Inspect(), Source(spec)
    assert stage.open(spec).time_base == spec.time_base
    frames = [
        source.frame(picture, index, pts=index * 40 + index % 3) for index, picture in enumerate(padded(4, 5, 60))
    ]
    made = list(run_stage(stage, frames))
    assert all(frame.pts == frame.index * 40 + frame.index % 3 for frame in made)
    assert stage.cadence.true_rate is None
    for frame in made:
        frame.release()


def test_frames_carry_their_originals_where_asked() -> None:
    spec = spec_at(24)
    stage, source = Inspect(keep_original=True), Source(spec)
    stage.open(spec)
    for frame in run_stage(stage, film(source, [scene(1, x) for x in range(6)])):
        assert frame.original is frame.pixels
        frame.release()
    assert source.pool.on_loan == 0


def test_closing_early_gives_every_buffer_back() -> None:
    spec = spec_at(24)
    stage, source = Inspect(), Source(spec)
    stage.open(spec)
    for frame in film(source, [scene(1, x) for x in range(8)]):
        for made in stage.push(frame):
            made.release()
    stage.close()
    assert source.pool.on_loan == 0


def test_a_stage_can_be_opened_again() -> None:
    stage = Inspect()
    for _ in range(2):
        inspected(stage, spec_at(30), padded(4, 5, 60))
        assert (stage.shots, stage.cadence.true_rate) == (1, 24)


def test_a_film_of_one_frame_or_none() -> None:
    assert len(inspected(Inspect(), spec_at(24), [scene(1, 0)])) == 1
    assert inspected(Inspect(), spec_at(24), []) == []


def test_a_film_can_be_inspected_by_itself() -> None:
    source = Source(spec_at(30))
    found = inspect_film(film(source, padded(4, 5, 100)), source.spec)
    assert str(found) == "4 of 5 frames unique, true rate 24 fps"
    assert (found.frames, found.shots, source.pool.on_loan) == (100, 1, 0)


def test_a_run_broken_off_anywhere_leaves_no_buffer_out() -> None:
    for broken_off_at in range(12):
        reader = ListReader(40, spec=gray_spec(96, 64))
        stage = Inspect()
        stage.open(reader.spec)
        made = 0
        for frame in reader.frames():
            for seen in stage.push(frame):
                seen.release()
                made += 1
                if made >= broken_off_at:
                    break  # closes the generator in mid-yield, as an aborted pipeline does
            if made >= broken_off_at:
                break
        stage.close()
        assert reader.pool.on_loan == 0
