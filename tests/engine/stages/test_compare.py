import numpy as np
import pytest

from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import BufferPool
from engine.settings import OutputSettings
from engine.stages.compare import Compare
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.run import run_stage
from engine.types import FrameSpec, PixelFormat
from tests.support.chain import Source, film_spec


class Restored:
    """Makes frames as the chain leaves them: restored pixels, chroma where coloured, and the film's own picture."""

    def __init__(self, spec: FrameSpec, *, film: tuple[int, int, int] | None) -> None:
        self.source = Source(spec)
        self.films = BufferPool(film) if film is not None else None
        self.chroma = BufferPool(spec.chroma_shape) if spec.chroma_shape is not None else None

    def frame(self, level: float, film: float) -> Frame:
        frame = self.source.frame(level, 0)
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
