from typing import Literal

import numpy as np
import pytest

from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import BufferPool
from engine.settings import OutputSettings
from engine.stages.compare import Compare
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes
from tests.support.chain import Source, film_spec
from tests.support.numbers import number_on


class Restored:
    """Makes frames as the chain leaves them: restored pixels, chroma where coloured, and the film's own picture."""

    def __init__(self, spec: FrameSpec, *, film: tuple[int, int, int] | None) -> None:
        self.source = Source(spec)
        self.films = BufferPool(film) if film is not None else None
        self.chroma = BufferPool(spec.chroma_shape) if spec.chroma_shape is not None else None

    def frame(self, level: float, film: float, index: int = 0, flags: FrameFlags = FrameFlags.NONE) -> Frame:
        frame = self.source.frame(level, index, flags=flags)
        if self.films is not None:
            lease = self.films.lease()
            lease.array[:] = film
            frame.original, frame.original_leases = lease.array, (lease,)
        if self.chroma is not None:
            lease = self.chroma.lease()
            lease.array[:] = 0.7
            frame.chroma, frame.leases = lease.array, (*frame.leases, lease)
        return frame

    def all_back(self) -> bool:
        pools = [pool for pool in (self.source.pool, self.films, self.chroma) if pool is not None]
        return all(pool.on_loan == 0 for pool in pools)


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize("upscale", [1, 2])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 21)])
def test_the_film_stands_left_of_its_restoration(format: PixelFormat, upscale: int, width: int, height: int) -> None:
    spec = film_spec(width * upscale, height * upscale, format=format)
    planes = 3 if format is PixelFormat.RGB else 1
    stage, restored = Compare(OutputSettings(compare="side")), Restored(spec, film=(planes, height, width))
    out = stage.open(spec)
    assert (out.width, out.height) == (2 * spec.width, spec.height)
    (made,) = run_stage(stage, [restored.frame(0.75, 0.25)])
    assert made.pixels.shape == out.pixels_shape
    np.testing.assert_allclose(made.pixels[:, :, : spec.width], 0.25, atol=1e-6)
    np.testing.assert_allclose(made.pixels[:, :, spec.width :], 0.75, atol=1e-6)
    if format is PixelFormat.LAB:
        assert made.chroma is not None
        assert made.chroma.shape == out.chroma_shape
        np.testing.assert_allclose(made.chroma[:, :, : spec.width // 2], NEUTRAL_AB)
        np.testing.assert_allclose(made.chroma[:, :, spec.width // 2 + 1 :], 0.7)
    made.release()
    stage.close()
    assert restored.all_back()


def test_a_wipe_divides_one_picture() -> None:
    spec = film_spec()
    stage, restored = Compare(OutputSettings(compare="wipe")), Restored(spec, film=(1, 48, 64))
    assert stage.open(spec) == spec
    (made,) = run_stage(stage, [restored.frame(0.75, 0.25)])
    np.testing.assert_allclose(made.pixels[0, 0, [0, 31, 32, 33, 34, 63]], [0.25, 0.25, 1, 1, 0.75, 0.75])
    made.release()


def test_a_coloured_film_stays_coloured_beside_its_recolouring() -> None:
    spec = film_spec(format=PixelFormat.LAB)
    stage, restored = Compare(OutputSettings(compare="side")), Restored(spec, film=(3, 48, 64))
    stage.open(spec)
    frame = restored.frame(0.5, 0.0)
    assert frame.original is not None
    frame.original[0] = 1.0
    (made,) = run_stage(stage, [frame])
    assert made.chroma is not None
    np.testing.assert_allclose(made.chroma[:, 5, 5] * 255 - 128, [80.1, 67.2], atol=0.3)
    np.testing.assert_allclose(made.pixels[0, 5, 5], 0.2126, atol=1e-5)
    made.release()


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize(("width", "height"), [(320, 240), (33, 21)])
def test_a_label_stands_in_the_corner(format: PixelFormat, width: int, height: int) -> None:
    spec = film_spec(width, height, format=format)
    stage, restored = Compare(OutputSettings(label=True)), Restored(spec, film=None)
    assert stage.open(spec) == spec
    (made,) = run_stage(stage, [restored.frame(0.5, 0.0)])
    corner = made.pixels[0, height // 2 :, width // 2 :]
    if height > 100:
        assert corner.max() > 0.75
        assert corner.min() < 0.35
    np.testing.assert_array_equal(made.pixels[:, : height // 3, : width // 3], 0.5)
    made.release()
    stage.close()
    assert restored.all_back()


def made_with(
    settings: OutputSettings, spec: FrameSpec, index: int = 0, flags: FrameFlags = FrameFlags.NONE
) -> tuple[Planes, Planes | None]:
    """Return pixels and chroma that a stage makes of a grey picture beside a darker film's."""
    stage, restored = Compare(settings), Restored(spec, film=spec.pixels_shape)
    stage.open(spec)
    (made,) = run_stage(stage, [restored.frame(0.5, 0.3, index, flags)])
    planes = made.pixels.copy(), None if made.chroma is None else made.chroma.copy()
    made.release()
    stage.close()
    assert restored.all_back()
    return planes


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize(("width", "height"), [(320, 240), (91, 65)])
@pytest.mark.parametrize("mode", [None, "side", "wipe"])
def test_a_counter_tells_the_frame_of_the_film(
    format: PixelFormat, width: int, height: int, mode: Literal["side", "wipe"] | None
) -> None:
    spec, settings = film_spec(width, height, format=format), OutputSettings(compare=mode, counter=True)
    for index, flags, told in (
        (0, FrameFlags.SCENE_CUT, "000000"),
        (1907, FrameFlags.NONE, "001907"),
        (1907, FrameFlags.REPEATED, "001907"),
        (48253, FrameFlags.SYNTHESIZED, "048253+"),
        (999999, FrameFlags.SYNTHESIZED, "999999+"),
    ):
        pixels, chroma = made_with(settings, spec, index, flags)
        assert [number_on(plane) for plane in pixels] == [told] * len(pixels)
        if chroma is not None and mode is None:
            assert np.abs(chroma - NEUTRAL_AB).min() < 0.05  # no colour under ink and rim


def test_a_longer_number_is_shown_whole() -> None:
    pixels, _ = made_with(OutputSettings(counter=True), film_spec(320, 240), 4096713, FrameFlags.SYNTHESIZED)
    assert number_on(pixels[0], cells=7) == "4096713+"


@pytest.mark.parametrize("format", [PixelFormat.RGB, PixelFormat.LAB])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (91, 65), (33, 21), (5, 9)])
def test_label_and_counter_do_not_meet(format: PixelFormat, width: int, height: int) -> None:
    spec = film_spec(width, height, format=format)
    plain, label, counter, both = (
        made_with(OutputSettings(label=has_label, counter=has_counter), spec, 88, FrameFlags.SYNTHESIZED)
        for has_label, has_counter in ((False, False), (True, False), (False, True), (True, True))
    )
    for empty, word, number, made in zip(plain, label, counter, both, strict=True):
        if empty is None or word is None or number is None or made is None:
            continue
        has_word, has_number = word != empty, number != empty
        assert has_word.any()
        assert has_number.any()
        assert not (has_word & has_number).any()
        np.testing.assert_array_equal(made, np.where(has_number, number, word))


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.LAB])
def test_a_frame_without_its_original_is_our_bug_and_loses_no_buffer(format: PixelFormat) -> None:
    spec = film_spec(64, 48, format=format)
    stage, restored = Compare(OutputSettings(compare="side")), Restored(spec, film=None)
    stage.open(spec)
    with pytest.raises(InternalError, match="without its original"):
        list(run_stage(stage, [restored.frame(0.75, 0.25)]))
    assert restored.all_back()
    assert stage.pool.on_loan == 0
    assert stage.chroma_pool is None or stage.chroma_pool.on_loan == 0
